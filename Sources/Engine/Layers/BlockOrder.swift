import KernelInterface

/// For many tiles: they are taken in blocks whose V and M stay in the second-level cache through
/// all their transforms and products.
///
/// The pictures are cut into a fixed number of groups; backward each group has a weight gradient of
/// its own, summed in the groups' order, so that the bits do not depend on the number of threads.
struct BlockOrder: TileOrder {
  let partialSums = PartialSums(filters: groups, bias: groups)

  /// The most tiles of a block; the sums do not depend on it.
  ///
  /// Few enough that V and M of a block stay in the second-level cache, or, where U is large
  /// itself, enough that reading and writing U's gradient costs little.
  private let tilesPerBlock: Int
  /// V and M of one block, for each thread.
  private let scratch: [(v: TransformedTiles, m: TransformedTiles)]

  /// Groups of pictures: part of the sums, whatever the machine.
  static let groups = 4

  init(_ plan: StagePlan) {
    let (inputs, outputs) = (plan.input.channelStride, plan.output.channelStride)
    let most = inputs * outputs <= 32 * 64 ? 36 : 84
    tilesPerBlock = most
    scratch = (0..<plan.threads).map { _ in
      (
        v: TransformedTiles(most, channels: inputs, plan.memory),
        m: TransformedTiles(most, channels: outputs, plan.memory)
      )
    }
  }

  /// Blocks of tiles share nothing: one job each.
  func forward(_ tiles: WinogradTiles, _ filters: WinogradFilters, _ step: StepContext) {
    let blocks = TileParts(0..<step.batch * tiles.perPicture, most: tilesPerBlock)
    step.pool.run(blocks.count) { index, thread in
      let (block, (v, m)) = (blocks[index], scratch[thread])
      tiles.transformInputs(block, to: v, step.kernels, thread)
      step.kernels.winogradProducts(
        tiles.grid, positions: 0..<winogradPositions, count: block.count, v: v, u: filters.u, m: m)
      tiles.transformOutputs(block, from: m, step.kernels, thread)
    }
  }

  func backward(
    _ tiles: WinogradTiles, _ filters: WinogradFilters, _ step: StepContext
  ) -> PartialSums {
    // No group is empty, so that the first block of each can set its gradient.
    let groups = min(Self.groups, step.batch)
    step.pool.run(groups) { group, thread in
      tiles.clearBiasGradient(part: group)
      let first = step.batch * group / groups * tiles.perPicture
      let end = step.batch * (group + 1) / groups * tiles.perPicture
      let blocks = TileParts(first..<end, most: tilesPerBlock)
      for index in 0..<blocks.count {
        backward(blocks[index], group, isFirst: index == 0, tiles, filters, step.kernels, thread)
      }
    }
    return PartialSums(filters: groups, bias: groups)
  }

  private func backward(
    _ block: Range<Int>, _ group: Int, isFirst: Bool, _ tiles: WinogradTiles,
    _ filters: WinogradFilters, _ kernels: any KernelOperations.Type, _ thread: Int
  ) {
    let (v, m) = scratch[thread]
    tiles.transformInputs(block, to: v, kernels, thread)
    tiles.transformGradients(block, to: m, part: group, kernels, thread)
    kernels.winogradGradientProducts(
      tiles.grid, positions: 0..<winogradPositions, count: block.count, v: v, m: m,
      uTransposed: filters.uTransposed, du: filters.gradient(group: group), adding: !isFirst)
    if tiles.wantsInputGradient { tiles.transformInputGradients(block, from: v, kernels, thread) }
  }
}
