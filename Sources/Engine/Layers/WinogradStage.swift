/// A 3 x 3 convolution of stride 1 by Winograd's F(4x4, 3x3), with its activation and the 2 x 2 max
/// pooling that may follow.
///
/// `Kernels/Winograd.swift` tells a tile's journey. `WinogradFilters` holds the weights,
/// `WinogradTiles` what is done to a range of tiles; a `TileOrder` takes the ranges in its order.
final class WinogradStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds: Int
  let backwardMultiplyAdds: Int

  private let filters: WinogradFilters
  private let tiles: WinogradTiles
  private let order: any TileOrder

  init(_ plan: StagePlan, _ size: ConvolutionSize) {
    output = plan.output
    layers = plan.layers
    multiplyAdds = size.multiplyAdds
    backwardMultiplyAdds = size.multiplyAdds * (plan.wantsInputGradient ? 2 : 1)
    order = PositionOrder.suits(plan, size) ? PositionOrder(plan, size) : BlockOrder(plan)
    tiles = WinogradTiles(plan, size, biasParts: order.partialSums.bias)
    filters = WinogradFilters(plan, tiles.grid, groups: order.partialSums.filters)
  }

  func forward(_ step: StepContext) {
    tiles.takeBias(step)
    filters.transform(step, tiles.scratch)
    order.forward(tiles, filters, step)
  }

  func backward(_ step: StepContext) {
    guard let gradient = step.gradient else { return }
    let sums = order.backward(tiles, filters, step)
    filters.finishGradient(step, gradient, groups: sums.filters, tiles.scratch)
    tiles.finishBiasGradient(gradient, parts: sums.bias)
  }
}
