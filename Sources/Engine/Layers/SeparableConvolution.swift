/// Keras's `SeparableConv2D`: a depthwise convolution, and one of 1 x 1 on its result.
package struct SeparableConvolution: Layer {
  package var kerasName: String { "separable_conv2d" }
  /// Filters, windows of the depthwise part, activation and bias.
  package var convolution: Convolution
  /// Filters of each channel in the depthwise part.
  package var multiplier = 1

  package init(_ convolution: Convolution) { self.convolution = convolution }

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    let (channels, filters) = (inputs[0].channels, convolution.filters)
    let inner = try convolution.depthwiseFilters(channels, multiplier)
    let output = try convolution.outputShape(of: inputs[0], filters: filters)
    let pointwise = ParameterLayout.Tensor(
      layer: name, kind: .pointwiseKernel, shape: [1, 1, inner, filters], fanIn: inner,
      fanOut: filters)
    return (
      output,
      [.depthwise(of: name, convolution, channels, multiplier), pointwise]
        + (convolution.usesBias ? [.bias(of: name, filters)] : [])
    )
  }

  package var operations: [any Operation] {
    var windows = convolution
    windows.usesBias = false
    var pointwise = Convolution(filters: convolution.filters, size: 1, activation: .linear)
    pointwise.usesBias = convolution.usesBias
    return [
      windows.depthwise(multiplier),
      ConvolutionOperation(convolution: pointwise, kernel: .pointwiseKernel),
    ] + convolution.activation.operations
  }
}
