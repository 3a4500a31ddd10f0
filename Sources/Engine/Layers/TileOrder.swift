/// In which order a Winograd stage takes its tiles, and the memory that this order wants.
///
/// The order decides what stays in the cache, and how sums are cut: it is part of the model's
/// arithmetic, and `WinogradStage` chooses it by the model's sizes alone.
protocol TileOrder {
  /// The most partial sums that `backward` leaves.
  var partialSums: PartialSums { get }
  /// Fills the stage's output; the filters are transformed.
  func forward(_ tiles: WinogradTiles, _ filters: WinogradFilters, _ step: StepContext)
  /// Fills the input's gradient where that is wanted, and the parameters' partial sums.
  /// - Returns: how many it left, from the first on.
  func backward(
    _ tiles: WinogradTiles, _ filters: WinogradFilters, _ step: StepContext
  ) -> PartialSums
}

/// How many partial sums a stage's gradients are made of; they are added in their order.
struct PartialSums {
  /// Of U's gradient.
  let filters: Int
  /// Of the bias's.
  let bias: Int
}

/// Tiles cut evenly into ranges.
struct TileParts {
  /// How many.
  let count: Int
  private let tiles: Range<Int>

  /// - Parameter most: tiles of a range.
  init(_ tiles: Range<Int>, most: Int) {
    self.tiles = tiles
    count = (tiles.count + most - 1) / most
  }

  subscript(index: Int) -> Range<Int> {
    let first = tiles.lowerBound
    return first + tiles.count * index / count..<first + tiles.count * (index + 1) / count
  }
}
