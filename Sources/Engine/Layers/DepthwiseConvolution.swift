import KernelInterface

/// Keras's `DepthwiseConv2D`: kernels of its own for each channel, [height, width, channels,
/// multiplier].
package struct DepthwiseConvolution: Layer {
  package var kerasName: String { "depthwise_conv2d" }
  /// How its windows lie; the filters are not used.
  package var windows: Convolution
  /// Filters of each channel.
  package var multiplier = 1
  /// Whether each channel has a number of its own that is added.
  package var usesBias: Bool { windows.usesBias }

  package init(_ windows: Convolution) { self.windows = windows }

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    let channels = inputs[0].channels
    let filters = try windows.depthwiseFilters(channels, multiplier)
    let output = try windows.outputShape(of: inputs[0], filters: filters)
    return (
      output,
      [.depthwise(of: name, windows, channels, multiplier)]
        + (usesBias ? [.bias(of: name, filters)] : [])
    )
  }

  package var operations: [any Operation] {
    [windows.depthwise(multiplier)] + windows.activation.operations
  }
}

extension Convolution {
  /// The channels that a depthwise convolution puts out.
  /// - Throws: `ArchitectureError` where they are too many.
  func depthwiseFilters(_ channels: Int, _ multiplier: Int) throws -> Int {
    let (filters, isTooLarge) = channels.multipliedReportingOverflow(by: multiplier)
    guard multiplier > 0, !isTooLarge else {
      throw ArchitectureError("a depth multiplier of \(multiplier)")
    }
    if multiplier > 1 || dilation != (1, 1) { try checkPlain(inputs: channels, filters: filters) }
    return filters
  }

  /// What computes a depthwise convolution with these windows.
  func depthwise(_ multiplier: Int) -> any Operation {
    guard multiplier > 1 || dilation != (1, 1) else { return DepthwiseOperation(windows: self) }
    return ExpandedDepthwiseOperation(windows: self, multiplier: multiplier)
  }
}

/// A depthwise convolution with dilation, or with several filters a channel: a plain convolution
/// whose other weights are zero.
struct ExpandedDepthwiseOperation: Operation {
  let windows: Convolution
  let multiplier: Int
  var isConvolution: Bool { true }

  private func expanded(_ channels: Int) -> ExpandedOperation {
    var plain = windows.plain
    plain.filters = channels * multiplier
    plain.activation = .linear
    return ExpandedOperation(
      plain: ConvolutionOperation(convolution: plain),
      places: ExpandedKernel(
        kind: .depthwiseKernel, dilation: windows.dilation, groups: nil))
  }

  func output(of inputs: [Shape]) -> Shape {
    expanded(inputs[0].channels).output(of: inputs)
  }

  func needed(of input: Shape, for output: Extent) -> Extent {
    expanded(input.channels).needed(of: input, for: output)
  }

  func border(around input: Shape, for output: Extent) -> FeatureMap.Border {
    expanded(input.channels).border(around: input, for: output)
  }

  func stage(_ plan: StagePlan) -> any Stage { expanded(plan.input.shape.channels).stage(plan) }
}

extension ParameterLayout.Tensor {
  /// Kernels for each channel.
  static func depthwise(
    of layer: String, _ windows: Convolution, _ channels: Int, _ multiplier: Int
  ) -> Self {
    let (height, width) = windows.kernel
    return Self(
      layer: layer, kind: .depthwiseKernel, shape: [height, width, channels, multiplier],
      fanIn: height * width * channels, fanOut: height * width * multiplier)
  }
}

struct DepthwiseOperation: Operation {
  let windows: Convolution
  var readsMadeRows: Bool { true }
  var isConvolution: Bool { true }

  func output(of inputs: [Shape]) -> Shape {
    windows.mapShape(of: inputs[0], filters: inputs[0].channels)
  }

  func border(around input: Shape, for output: Extent) -> FeatureMap.Border {
    size(input, output).border
  }

  func needed(of input: Shape, for output: Extent) -> Extent { size(input, output).neededInput }

  func stage(_ plan: StagePlan) -> any Stage {
    DepthwiseStage(plan, size(plan.input.shape, plan.needed))
  }

  private func size(_ input: Shape, _ needed: Extent) -> WindowSize {
    WindowSize(windows: windows, input: input, rows: needed.height, columns: needed.width)
  }
}
