import KernelInterface

/// A depthwise convolution.
///
/// A job is a picture; backward a fixed number of groups of pictures have a weight gradient each,
/// summed in the groups' order. An input that is not stored is made row by row as the windows pass
/// over it. In the same way the output's gradient is spread by the strides in a border of zeros, of
/// which the input's gradient is a depthwise convolution with the turned kernel.
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
  /// Columns of the input in its border.
  private let bandWidth: Int
  /// [height][width][channels], and turned by 180 degrees.
  private let weights: Target
  private let turned: Target
  private let paddedBias: Target
  /// [groups] of [height][width][channels] and of [channels].
  private let partials: Target
  private let biasPartials: Target
  /// For each thread the input's rows with their border, where they are not stored.
  private let inputBands: [RowBand]
  /// For each thread the rows of the output's gradient, spread, in their border.
  private let gradientBands: [RowBand]

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
    let (height, channels) = (size.windows.kernel.height, channels)
    bandWidth = max(size.readColumns, size.zerosLeft + plan.input.shape.width)
    let inputFloats = bandWidth * channels
    inputBands = (0..<(input.rowSource == nil ? 0 : plan.threads)).map { _ in
      RowBand(window: height, rowFloats: inputFloats, memory: memory)
    }
    gradientBands = (0..<(plan.wantsInputGradient ? plan.threads : 0)).map { _ in
      RowBand(window: height, rowFloats: size.mapColumns * channels, memory: memory)
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
    step.pool.run(step.batch) { picture, thread in
      if input.rowSource != nil { inputBands[thread].reset() }
      for row in 0..<size.rows {
        let target = output.values + output.place(picture, row, 0)
        step.kernels.depthwiseRow(
          windowRow, input: source(picture, row, thread, step.kernels), weights: weights,
          output: target)
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
        if input.rowSource != nil { inputBands[thread].reset() }
        if wantsInputGradient {
          inputGradient(picture, thread, step.kernels, sums, biasSums)
          continue
        }
        for row in 0..<size.rows {
          addWeightGradient(picture, row, thread, step.kernels, sums)
          guard bias != nil else { continue }
          add(outputGradient(picture, row), size.columns, to: biasSums, step.kernels)
        }
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

  private func outputGradient(_ picture: Int, _ row: Int) -> Source {
    Source(output.gradient + output.place(picture, row, 0))
  }

  private func addWeightGradient(
    _ picture: Int, _ row: Int, _ thread: Int, _ kernels: any KernelOperations.Type, _ sums: Target
  ) {
    kernels.addDepthwiseGradient(
      windowRow, input: source(picture, row, thread, kernels),
      outputGradient: outputGradient(picture, row), gradientPosition: channels, gradient: sums)
  }

  /// Sets the input's gradient, and adds a row to the weights' as soon as it is in the cache.
  private func inputGradient(
    _ picture: Int, _ thread: Int, _ kernels: any KernelOperations.Type, _ sums: Target,
    _ biasSums: Target
  ) {
    let (needed, height) = (size.neededInput, size.windows.kernel.height)
    let turnedRow = ChannelWindows(
      positions: needed.width, channels: channels, inputPosition: channels,
      height: height, width: size.windows.kernel.width,
      taps: Strides(row: size.mapColumns * channels, position: channels))
    gradientBands[thread].reset()
    for y in 0..<input.shape.height {
      let target = input.gradient + input.place(picture, y, 0)
      if y < needed.height {
        let first = y + size.zerosAbove
        let rows = gradientBands[thread].rows(first..<first + height) { row, spread in
          let (own, remainder) = (row - size.mapTop).quotientAndRemainder(
            dividingBy: size.windows.strides.height)
          guard row >= size.mapTop, remainder == 0, own < size.rows else {
            spread.update(repeating: 0, count: size.mapColumns * channels)
            return
          }
          addWeightGradient(picture, own, thread, kernels, sums)
          let gradient = outputGradient(picture, own)
          let target = spread + size.mapLeft * channels
          guard bias != nil || size.windows.strides.width > 1 else {
            target.update(from: gradient, count: size.columns * channels)
            return
          }
          kernels.copyGradient(
            gradient, values: gradient, relu: false, positions: size.columns, channels: channels,
            target: target, targetPosition: size.windows.strides.width * channels,
            sums: biasSums)
        }
        kernels.depthwiseRow(
          turnedRow, input: rows + size.zerosLeft * channels, weights: turned, output: target)
      }
      // Whoever makes the rows may have written here.
      if let source = input.rowSource {
        let first = y < needed.height ? needed.width : 0
        (target + first * channels).update(
          repeating: 0, count: (input.shape.width - first) * channels)
        source.takeGradientRow(y, of: picture, kernels)
      }
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
      taps: Strides(
        row: input.rowSource == nil ? input.rowStride : bandWidth * channels, position: channels))
  }

  /// What the first window of a row reads, in the border for padding `same`.
  private func source(
    _ picture: Int, _ row: Int, _ thread: Int, _ kernels: any KernelOperations.Type
  ) -> Source {
    let first = row * size.windows.strides.height
    guard let rows = input.rowSource else {
      return Source(
        input.values + input.place(picture, first - size.zerosAbove, -size.zerosLeft))
    }
    let window = first..<first + size.windows.kernel.height
    return inputBands[thread].rows(window) { row, target in
      let place = target + size.zerosLeft * channels
      guard (0..<input.shape.height).contains(row - size.zerosAbove) else {
        place.update(repeating: 0, count: input.shape.width * channels)
        return
      }
      rows.makeRow(row - size.zerosAbove, of: picture, target: place, kernels)
    }
  }
}
