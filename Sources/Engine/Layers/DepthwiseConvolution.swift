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

/// A depthwise convolution.
///
/// A job is a picture; backward a fixed number of groups of pictures have a weight gradient each,
/// summed in the groups' order.
final class DepthwiseStage: Stage {
  let output: FeatureMap
  let layers: String
  var multiplyAdds: Int { output.shape.count * area }
  var backwardMultiplyAdds: Int { multiplyAdds * (wantsInputGradient ? 2 : 1) }

  private let input: FeatureMap
  private let size: WindowSize
  private let kernel: StageTensor
  private let bias: StageTensor?
  private let wantsInputGradient: Bool
  private let channels: Int
  private let area: Int
  /// [height][width][channels], and turned by 180 degrees.
  private let weights: Target
  private let turned: Target
  private let paddedBias: Target
  /// [groups] of [height][width][channels] and of [channels].
  private let partials: Target
  private let biasPartials: Target
  /// For each thread the output's gradient, spread by the strides, in a border of zeros.
  private let maps: [Target]

  private static let groups = 4

  init(_ plan: StagePlan, _ size: WindowSize) {
    let memory = plan.memory
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
    self.size = size
    kernel = plan.tensor(.depthwiseKernel)
    bias = size.windows.usesBias ? plan.tensorIfAny(.bias) : nil
    wantsInputGradient = plan.wantsInputGradient
    channels = input.channelStride
    area = size.windows.kernel.height * size.windows.kernel.width
    (weights, turned) = (memory.floats(area * channels), memory.floats(area * channels))
    paddedBias = memory.floats(channels)
    partials = memory.floats(Self.groups * area * channels)
    biasPartials = memory.floats(Self.groups * channels)
    let mapFloats = size.mapRows * size.mapColumns * channels
    maps = (0..<plan.threads).map { _ in
      memory.floats(plan.wantsInputGradient ? mapFloats : 0)
    }
  }

  func forward(_ step: StepContext) {
    let channelCount = input.shape.channels
    for tap in 0..<area {
      let source = step.weights.floats + kernel.weights.offset + tap * channelCount
      (weights + tap * channels).update(from: source, count: channelCount)
      (turned + (area - 1 - tap) * channels).update(from: source, count: channelCount)
    }
    if let bias {
      paddedBias.update(from: step.weights.floats + bias.weights.offset, count: channelCount)
    }
    step.pool.run(step.batch) { picture, _ in
      for row in 0..<size.rows {
        let target = output.values + output.place(picture, row, 0)
        step.kernels.depthwiseRow(
          windowRow, input: source(picture, row), weights: weights, output: target)
        guard bias != nil else { continue }
        step.kernels.addBias(
          paddedBias, to: target, positions: size.columns, channels: channels, relu: false)
      }
    }
  }

  func backward(_ step: StepContext) {
    guard let gradient = step.gradient else { return }
    step.pool.run(Self.groups) { group, thread in
      let (sums, biasSums) = (
        partials + group * area * channels, biasPartials + group * channels
      )
      sums.update(repeating: 0, count: area * channels)
      biasSums.update(repeating: 0, count: channels)
      for picture in step.batch * group / Self.groups..<step.batch * (group + 1) / Self.groups {
        for row in 0..<size.rows {
          let own = Source(output.gradient + output.place(picture, row, 0))
          step.kernels.addDepthwiseGradient(
            windowRow, input: source(picture, row), outputGradient: own,
            gradientPosition: channels, gradient: sums)
          if wantsInputGradient {
            let place = (size.mapTop + row * size.windows.strides.height) * size.mapColumns
            step.kernels.copyGradient(
              own, values: own, relu: false, positions: size.columns, channels: channels,
              target: maps[thread] + (place + size.mapLeft) * channels,
              targetPosition: size.windows.strides.width * channels, sums: biasSums)
          } else if bias != nil {
            add(own, size.columns, to: biasSums, step.kernels)
          }
        }
        if wantsInputGradient { inputGradient(picture, thread, step.kernels) }
      }
    }
    finish(gradient, step.kernels)
  }

  private func add(
    _ gradient: Source, _ positions: Int, to sums: Target, _ kernels: any KernelOperations.Type
  ) {
    for position in 0..<positions {
      kernels.sum(
        Source(sums), gradient + position * channels, target: sums, count: channels)
    }
  }

  /// A depthwise convolution of the spread gradient with the turned kernel.
  private func inputGradient(
    _ picture: Int, _ thread: Int, _ kernels: any KernelOperations.Type
  ) {
    let needed = size.neededInput
    let row = ChannelWindows(
      positions: needed.width, channels: channels, inputPosition: channels,
      height: size.windows.kernel.height, width: size.windows.kernel.width,
      taps: Strides(row: size.mapColumns * channels, position: channels))
    for y in 0..<needed.height {
      let source = ((y + size.zerosAbove) * size.mapColumns + size.zerosLeft) * channels
      kernels.depthwiseRow(
        row, input: maps[thread] + source, weights: turned,
        output: input.gradient + input.place(picture, y, 0))
    }
  }

  /// The gradients from the groups' sums, in their order.
  private func finish(_ gradient: ParameterBuffer, _ kernels: any KernelOperations.Type) {
    let channelCount = input.shape.channels
    for group in 0..<Self.groups {
      kernels.addPartial(
        partials + group * area * channels, adding: group > 0, rows: area, outStride: channels,
        outputs: channelCount, gradient: kernel.target(in: gradient))
      guard let bias else { continue }
      kernels.addPartial(
        biasPartials + group * channels, adding: group > 0, rows: 1, outStride: channels,
        outputs: channelCount, gradient: bias.target(in: gradient))
    }
  }

  /// One output row of all columns.
  private var windowRow: ChannelWindows {
    ChannelWindows(
      positions: size.columns, channels: channels,
      inputPosition: size.windows.strides.width * channels, height: size.windows.kernel.height,
      width: size.windows.kernel.width,
      taps: Strides(row: input.rowStride, position: channels))
  }

  /// What the first window of a row reads, in the border for padding `same`.
  private func source(_ picture: Int, _ row: Int) -> Source {
    Source(
      input.values
        + input.place(
          picture, row * size.windows.strides.height - size.zerosAbove, -size.zerosLeft))
  }
}
