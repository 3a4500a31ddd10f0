import KernelInterface

/// For few tiles of many channels, where the filters are what memory is full of: V and M of all
/// tiles are made first, and then each of the 36 positions is one product that reads its part of U,
/// and writes its part of U's gradient, once.
struct PositionOrder: TileOrder {
  let partialSums: PartialSums

  /// V and M of all tiles.
  private let v: TransformedTiles
  private let m: TransformedTiles

  /// The most tiles that one job transforms; part of the bias gradient's sums.
  private static let tilesPerPart = 20

  init(_ plan: StagePlan, _ size: ConvolutionSize) {
    let tiles = plan.batch * size.tileRows * size.tileColumns
    v = TransformedTiles(tiles, channels: plan.input.channelStride, plan.memory)
    m = TransformedTiles(tiles, channels: plan.output.channelStride, plan.memory)
    partialSums = PartialSums(
      filters: 1, bias: TileParts(0..<tiles, most: Self.tilesPerPart).count)
  }

  /// Whether this order has less to move than blocks have: V and M of all tiles to memory and back,
  /// and not the gradient of U of every group.
  static func suits(_ plan: StagePlan, _ size: ConvolutionSize) -> Bool {
    let tiles = plan.stepSize * size.tileRows * size.tileColumns
    let (inputs, outputs) = (plan.input.channelStride, plan.output.channelStride)
    return tiles * (inputs + outputs) <= BlockOrder.groups * inputs * outputs
  }

  func forward(_ tiles: WinogradTiles, _ filters: WinogradFilters, _ step: StepContext) {
    let all = 0..<step.batch * tiles.perPicture
    let parts = TileParts(all, most: Self.tilesPerPart)
    step.pool.run(parts.count) { index, thread in
      tiles.transformInputs(parts[index], to: inputs(parts[index], tiles), step.kernels, thread)
    }
    step.pool.run(winogradPositions) { position, _ in
      step.kernels.winogradProducts(
        tiles.grid, positions: position..<position + 1, count: all.count, v: v, u: filters.u, m: m)
    }
    step.pool.run(parts.count) { index, thread in
      tiles.transformOutputs(
        parts[index], from: outputs(parts[index], tiles), step.kernels, thread)
    }
  }

  func backward(
    _ tiles: WinogradTiles, _ filters: WinogradFilters, _ step: StepContext
  ) -> PartialSums {
    let all = 0..<step.batch * tiles.perPicture
    let parts = TileParts(all, most: Self.tilesPerPart)
    step.pool.run(parts.count) { index, thread in
      let part = parts[index]
      tiles.transformInputs(part, to: inputs(part, tiles), step.kernels, thread)
      tiles.clearBiasGradient(part: index)
      tiles.transformGradients(
        part, to: outputs(part, tiles), part: index, step.kernels, thread)
    }
    step.pool.run(winogradPositions) { position, _ in
      step.kernels.winogradGradientProducts(
        tiles.grid, positions: position..<position + 1, count: all.count, v: v, m: m,
        uTransposed: filters.uTransposed, du: filters.gradient(group: 0), adding: false)
    }
    if tiles.wantsInputGradient {
      step.pool.run(step.batch) { picture, thread in
        let own = picture * tiles.perPicture..<(picture + 1) * tiles.perPicture
        tiles.transformInputGradients(own, from: inputs(own, tiles), step.kernels, thread)
      }
    }
    return PartialSums(filters: 1, bias: parts.count)
  }

  /// V from some tiles' first on.
  private func inputs(_ part: Range<Int>, _ tiles: WinogradTiles) -> TransformedTiles {
    v.dropping(part.lowerBound, channels: tiles.grid.input.channels)
  }

  /// M from some tiles' first on.
  private func outputs(_ part: Range<Int>, _ tiles: WinogradTiles) -> TransformedTiles {
    m.dropping(part.lowerBound, channels: tiles.grid.output.channels)
  }
}
