// The layers that are one operator or two.

import Engine

extension Dense: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String {
    let tensors = [graph.tensor(.kernel), usesBias ? graph.tensor(.bias) : nil]
    let sums = graph.add("Gemm", [inputs[0].name] + tensors.compactMap(\.self))
    return graph.apply(activation, to: sums)
  }
}

extension BatchNormalization: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String {
    let channels = inputs[0].shape.channels
    func all(_ value: Float, _ name: String) -> String {
      graph.constant(
        name, shape: [channels], [Float](repeating: value, count: channels))
    }
    let gamma = graph.tensor(.gamma) ?? all(1, "gamma")
    let beta = graph.tensor(.beta) ?? all(0, "beta")
    let statistics = [graph.tensor(.movingMean), graph.tensor(.movingVariance)]
    return graph.add(
      "BatchNormalization", [inputs[0].name, gamma, beta] + statistics.compactMap(\.self),
      ["epsilon": .float(epsilon)])
  }
}

extension Pooling: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String {
    let kind = rule == .max ? "MaxPool" : "AveragePool"
    if isGlobal {
      let map = graph.add("Global" + kind, [inputs[0].name])
      return graph.add("Flatten", [map], ["axis": .integer(1)])
    }
    return graph.add(kind, [inputs[0].name], windows.onnxWindows(on: inputs[0].shape, output))
  }
}

extension Flatten: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String {
    guard !inputs[0].shape.isFlat else { return inputs[0].name }
    return graph.add("Flatten", [graph.channelsLast(inputs[0])], ["axis": .integer(1)])
  }
}

extension Reshape: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String {
    let numbers = graph.channelsLast(inputs[0])
    let sizes = output.isFlat ? [] : [output.height, output.width]
    let shape = graph.integers("shape", [-1] + sizes + [output.channels])
    let map = graph.add("Reshape", [numbers, shape])
    return output.isFlat ? map : graph.add("Transpose", [map], ["perm": .integers([0, 3, 1, 2])])
  }
}

extension ONNXGraph {
  /// A map in Keras's order, in which the channels of a position are neighbours; a flat value as it
  /// is.
  fileprivate mutating func channelsLast(_ input: (name: String, shape: Shape)) -> String {
    guard !input.shape.isFlat else { return input.name }
    return add("Transpose", [input.name], ["perm": .integers([0, 2, 3, 1])])
  }
}

extension UpSampling: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String {
    let scales = graph.constant(
      "scales", shape: [4], [1, 1, Float(size.height), Float(size.width)])
    // The second input, a region, is left out.
    return graph.add(
      "Resize", [inputs[0].name, "", scales],
      [
        "mode": .text("nearest"), "nearest_mode": .text("floor"),
        "coordinate_transformation_mode": .text("asymmetric"),
      ])
  }
}

extension Framing: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String {
    let (input, shape) = (inputs[0].name, inputs[0].shape)
    guard crops else {
      return graph.add(
        "Pad", [input, graph.integers("pads", [0, 0, top, left, 0, 0, bottom, right])])
    }
    return graph.add(
      "Slice",
      [
        input, graph.integers("starts", [-top, -left]),
        graph.integers("ends", [shape.height + bottom, shape.width + right]),
        graph.integers("axes", [2, 3]),
      ])
  }
}

extension GaussianNoise: ONNXLayer {
  /// At inference nothing is added.
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String { inputs[0].name }
}

extension Dropout: ONNXLayer {
  /// At inference nothing is dropped.
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String { inputs[0].name }
}

extension RandomLayer: ONNXLayer {
  /// At inference pictures stay as they are.
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String { inputs[0].name }
}

extension Merging: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String {
    let names = inputs.map(\.name)
    switch rule {
    case .add: return graph.add("Sum", names)
    case .average: return graph.add("Mean", names)
    case .multiply:
      return names.dropFirst().reduce(names[0]) { graph.add("Mul", [$0, $1]) }
    }
  }
}

extension Concatenation: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String { graph.add("Concat", inputs.map(\.name), ["axis": .integer(1)]) }
}
