import Engine

extension ActivationLayer: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String { graph.apply(activation, to: inputs[0].name) }
}

extension ONNXGraph {
  /// Adds what computes an activation.
  mutating func apply(_ activation: Activation, to input: String) -> String {
    switch activation {
    case .linear: input
    case .relu: add("Relu", [input])
    case .rectified(let slope, let threshold, let ceiling):
      rectified(input, slope: slope, threshold: threshold, ceiling: ceiling)
    case .sigmoid: add("Sigmoid", [input])
    case .hardSigmoid(let slope, let offset):
      add("HardSigmoid", [input], ["alpha": .float(slope), "beta": .float(offset)])
    case .tanh: add("Tanh", [input])
    case .swish: add("Mul", [input, add("Sigmoid", [input])])
    case .gelu(let approximate): gelu(input, approximate: approximate)
    // Maps have their channels there too.
    case .softmax: add("Softmax", [input], ["axis": .integer(1)])
    }
  }

  private mutating func rectified(
    _ input: String, slope: Float, threshold: Float, ceiling: Float
  ) -> String {
    var upper = input
    if ceiling.isFinite {
      upper = add("Min", [input, constant("ceiling", [ceiling])])
    }
    if threshold == 0, slope == 0 { return add("Relu", [upper]) }
    if threshold == 0 { return add("LeakyRelu", [upper], ["alpha": .float(slope)]) }
    let limit = constant("threshold", [threshold])
    let below = add("Mul", [add("Sub", [input, limit]), constant("slope", [slope])])
    return add("Where", [add("Less", [input, limit]), below, upper])
  }

  // x / 2 (1 + erf(x / sqrt 2)), or with tanh(sqrt(2 / pi) (x + 0.044715 x^3)) for the error
  // function: D. Hendrycks and K. Gimpel, 2016.
  private mutating func gelu(_ input: String, approximate: Bool) -> String {
    let half = add("Mul", [input, constant("half", [0.5])])
    let curve: String
    if approximate {
      let cube = add("Mul", [add("Mul", [input, input]), input])
      let small = add("Mul", [cube, constant("cubic", [0.044715])])
      let sum = add("Add", [input, small])
      curve = add("Tanh", [add("Mul", [sum, constant("scale", [0.797_884_6])])])
    } else {
      curve = add("Erf", [add("Mul", [input, constant("scale", [0.707_106_77])])])
    }
    return add("Mul", [half, add("Add", [curve, constant("one", [1])])])
  }
}
