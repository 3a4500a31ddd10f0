import Kernels

/// Winograd's convolution for few tiles of many channels, where the filters are what memory is
/// full of: V and M of all tiles are made first, and then each of the 36 positions is one product
/// that reads its part of U, and writes its part of U's gradient, once.
final class WinogradWholeStage: WinogradStage {
  /// V and M of all tiles, and the floats between their positions.
  private let v: Target
  private let m: Target
  private let inputPosition: Int
  private let outputPosition: Int

  /// The most tiles that one job transforms; part of the bias gradient's sums.
  private static let tilesPerPart = 20

  init(
    _ size: ConvolutionSize, input: FeatureMap, output: FeatureMap, tensors: [StageTensor],
    batch: Int, threads: Int, wantsInputGradient: Bool, memory: PlanMemory
  ) {
    let tiles = batch * size.tileRows * size.tileColumns
    inputPosition = tiles * input.channelStride + winogradGap
    outputPosition = tiles * output.channelStride + winogradGap
    v = memory.floats(winogradPositions * inputPosition)
    m = memory.floats(winogradPositions * outputPosition)
    super.init(
      size, input: input, output: output, tensors: tensors, batch: batch, threads: threads,
      wantsInputGradient: wantsInputGradient, groups: 1,
      parts: Self.partCount(of: 0..<tiles, most: Self.tilesPerPart), memory: memory)
  }

  /// Whether a stage of `tiles` has less to move this way than in blocks: V and M of all of them
  /// to memory and back, and not the gradient of U of every group.
  static func suits(tiles: Int, inputs: Int, outputs: Int) -> Bool {
    tiles * (inputs + outputs) <= WinogradBlockStage.groups * inputs * outputs
  }

  override func forward(_ step: StepContext) {
    transformFilters(step)
    let tiles = 0..<step.batch * tilesPerPicture
    let parts = Self.partCount(of: tiles, most: Self.tilesPerPart)
    step.pool.run(parts) { index, thread in
      let part = Self.part(index, of: tiles, most: Self.tilesPerPart)
      transformInputs(
        part, v + part.lowerBound * grid.inChannels, inputPosition, step.kernels, thread)
    }
    step.pool.run(winogradPositions) { position, _ in
      step.kernels.winogradProducts(
        grid, position, 1, tiles.count, v, inputPosition, filter, m, outputPosition)
    }
    step.pool.run(parts) { index, thread in
      let part = Self.part(index, of: tiles, most: Self.tilesPerPart)
      transformOutputs(
        part, m + part.lowerBound * grid.outChannels, outputPosition, step.kernels, thread)
    }
  }

  override func backward(_ step: StepContext) {
    guard let gradient = step.gradient else { return }
    let tiles = 0..<step.batch * tilesPerPicture
    let parts = Self.partCount(of: tiles, most: Self.tilesPerPart)
    step.pool.run(parts) { index, thread in
      let part = Self.part(index, of: tiles, most: Self.tilesPerPart)
      transformInputs(
        part, v + part.lowerBound * grid.inChannels, inputPosition, step.kernels, thread)
      (biasGradient + index * grid.outChannels).update(repeating: 0, count: grid.outChannels)
      transformGradients(
        part, m + part.lowerBound * grid.outChannels, outputPosition, part: index, step.kernels,
        thread)
    }
    step.pool.run(winogradPositions) { position, _ in
      step.kernels.winogradGradientProducts(
        grid, position, 1, tiles.count, v, inputPosition, m, outputPosition,
        wantsInputGradient ? transposedFilter : nil, filterGradient, false)
    }
    if wantsInputGradient {
      step.pool.run(step.batch) { picture, thread in
        let first = picture * tilesPerPicture
        transformInputGradients(
          first..<first + tilesPerPicture, v + first * grid.inChannels, inputPosition,
          step.kernels, thread)
      }
    }
    finishGradient(step, gradient, groups: 1, parts: parts)
  }
}
