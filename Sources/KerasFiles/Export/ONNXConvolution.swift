import Engine

extension Convolution: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String {
    let kernel = graph.tensor(.kernel, order: [3, 2, 0, 1])
    let bias = usesBias ? graph.tensor(.bias) : nil
    var attributes = onnxWindows(on: inputs[0].shape, output)
    attributes["group"] = .integer(groups)
    attributes["dilations"] = onnxDilations
    let sums = graph.add(
      "Conv", [inputs[0].name] + [kernel, bias].compactMap(\.self), attributes)
    return graph.apply(activation, to: sums)
  }

  fileprivate var onnxDilations: ONNXGraph.Attribute {
    .integers([dilation.height, dilation.width])
  }

  /// How the windows of a convolution or of pooling lie, as attributes of ONNX's operators.
  func onnxWindows(on input: Shape, _ output: Shape) -> [String: ONNXGraph.Attribute] {
    /// Keras puts the odd zero last.
    func zeros(
      _ size: Int, _ output: Int, _ kernel: Int, _ stride: Int, _ dilation: Int
    ) -> (before: Int, after: Int) {
      let reach = (kernel - 1) * dilation + 1
      let all = padding == .same ? max(0, (output - 1) * stride + reach - size) : 0
      return (all / 2, all - all / 2)
    }
    let rows = zeros(input.height, output.height, kernel.height, strides.height, dilation.height)
    let columns = zeros(input.width, output.width, kernel.width, strides.width, dilation.width)
    return [
      "kernel_shape": .integers([kernel.height, kernel.width]),
      "strides": .integers([strides.height, strides.width]),
      "pads": .integers([rows.before, columns.before, rows.after, columns.after]),
    ]
  }
}

extension DepthwiseConvolution: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String {
    let bias = usesBias ? graph.tensor(.bias) : nil
    let sums = graph.depthwise(windows, inputs[0], output, bias: bias)
    return graph.apply(windows.activation, to: sums)
  }
}

extension SeparableConvolution: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String {
    let map = graph.depthwise(convolution, inputs[0], output, bias: nil)
    let kernel = graph.tensor(.pointwiseKernel, order: [3, 2, 0, 1])
    let bias = convolution.usesBias ? graph.tensor(.bias) : nil
    let sums = graph.add("Conv", [map] + [kernel, bias].compactMap(\.self))
    return graph.apply(convolution.activation, to: sums)
  }
}

extension ONNXGraph {
  /// A convolution of each channel alone.
  fileprivate mutating func depthwise(
    _ windows: Convolution, _ input: (name: String, shape: Shape), _ output: Shape, bias: String?
  ) -> String {
    // The filters of a channel are neighbours.
    let kernel = tensor(.depthwiseKernel, order: [2, 3, 0, 1]) { [$0[0] * $0[1], 1, $0[2], $0[3]] }
    var attributes = windows.onnxWindows(on: input.shape, output)
    attributes["group"] = .integer(input.shape.channels)
    attributes["dilations"] = windows.onnxDilations
    return add("Conv", [input.name] + [kernel, bias].compactMap(\.self), attributes)
  }
}
