import Kernels

/// Winograd's convolution for many tiles: they are taken in blocks whose V and M stay in the
/// second-level cache through all their transforms and products.
///
/// The pictures are cut into a fixed number of groups; backward each group has a weight gradient of
/// its own, summed in the groups' order, so that the bits do not depend on the number of threads.
final class WinogradBlockStage: WinogradStage {
  /// The most tiles of a block; the sums do not depend on it.
  ///
  /// Few enough that V and M of a block stay in the second-level cache, or, where U is large
  /// itself, enough that reading and writing U's gradient costs little.
  private let tilesPerBlock: Int
  /// Floats between two positions of V and of M.
  private let inputPosition: Int
  private let outputPosition: Int
  /// V and M of one block, for each thread.
  private let scratch: [(v: Target, m: Target)]

  /// Groups of pictures: part of the sums, whatever the machine.
  static let groups = 4

  init(
    _ size: ConvolutionSize, input: FeatureMap, output: FeatureMap, tensors: [StageTensor],
    batch: Int, threads: Int, wantsInputGradient: Bool, memory: PlanMemory
  ) {
    let (inputs, outputs) = (input.channelStride, output.channelStride)
    tilesPerBlock = inputs * outputs <= 32 * 64 ? 36 : 84
    let vPosition = tilesPerBlock * inputs + winogradGap
    let mPosition = tilesPerBlock * outputs + winogradGap
    (inputPosition, outputPosition) = (vPosition, mPosition)
    scratch = (0..<threads).map { _ in
      (
        v: memory.floats(winogradPositions * vPosition),
        m: memory.floats(winogradPositions * mPosition)
      )
    }
    super.init(
      size, input: input, output: output, tensors: tensors, batch: batch, threads: threads,
      wantsInputGradient: wantsInputGradient, groups: Self.groups, parts: Self.groups,
      memory: memory)
  }

  override func forward(_ step: StepContext) {
    transformFilters(step)
    // Blocks of tiles share nothing: one job each.
    let tiles = 0..<step.batch * tilesPerPicture
    step.pool.run(Self.partCount(of: tiles, most: tilesPerBlock)) { block, thread in
      forward(Self.part(block, of: tiles, most: tilesPerBlock), step.kernels, thread)
    }
  }

  private func forward(_ tiles: Range<Int>, _ kernels: KernelTable, _ thread: Int) {
    let (v, m) = scratch[thread]
    transformInputs(tiles, v, inputPosition, kernels, thread)
    kernels.winogradProducts(
      grid, 0, winogradPositions, tiles.count, v, inputPosition, filter, m, outputPosition)
    transformOutputs(tiles, m, outputPosition, kernels, thread)
  }

  override func backward(_ step: StepContext) {
    guard let gradient = step.gradient else { return }
    let outputs = grid.outChannels
    // No group is empty, so that the first block of each can set its gradient.
    let groups = min(Self.groups, step.batch)
    step.pool.run(groups) { group, thread in
      (biasGradient + group * outputs).update(repeating: 0, count: outputs)
      let first = step.batch * group / groups * tilesPerPicture
      let tiles = first..<step.batch * (group + 1) / groups * tilesPerPicture
      for block in 0..<Self.partCount(of: tiles, most: tilesPerBlock) {
        backward(
          Self.part(block, of: tiles, most: tilesPerBlock), group, isFirst: block == 0,
          step.kernels, thread)
      }
    }
    finishGradient(step, gradient, groups: groups, parts: groups)
  }

  private func backward(
    _ tiles: Range<Int>, _ group: Int, isFirst: Bool, _ kernels: KernelTable, _ thread: Int
  ) {
    let (v, m) = scratch[thread]
    transformInputs(tiles, v, inputPosition, kernels, thread)
    transformGradients(tiles, m, outputPosition, part: group, kernels, thread)
    kernels.winogradGradientProducts(
      grid, 0, winogradPositions, tiles.count, v, inputPosition, m, outputPosition,
      wantsInputGradient ? transposedFilter : nil, filterGradient + group * filterFloats,
      !isFirst)
    if wantsInputGradient { transformInputGradients(tiles, v, inputPosition, kernels, thread) }
  }
}
