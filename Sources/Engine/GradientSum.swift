import KernelInterface

/// Sums the gradients of consecutive steps, a tile at a time, so that neither a product of factors
/// nor a sum leaves the cache before it is used.
///
/// `SumTree` says which are added to which.
final class GradientSum {
  /// A part of the parameters that is summed as one.
  private enum Tile {
    /// `count` neighbouring floats, from `parameter` in the weights and `gradient` in a gradient.
    case floats(parameter: Int, gradient: Int, count: Int)
    /// `rows` rows of a factored kernel of `inputs` x `columns`, from row `first` on; `place` is
    /// the first row's and column's in the weights.
    case product(
      place: Int, inputs: Int, outputGradients: Int, inputCount: Int, first: Int, rows: Int,
      columns: Int, width: Int)
  }

  /// A tile's floats, about: a quarter of the second-level cache for the levels of the tree.
  private static let tileFloats = 1 << 13
  /// Columns of a product's tile.
  private static let tileColumns = 512

  /// The most gradients of one sum.
  let most: Int
  private let tiles: [Tile]
  private let levelFloats: Int
  private let scratch: [Target]

  init(_ layout: GradientLayout, threads: Int, most: Int) {
    self.most = most
    let tiles = layout.parameters.tensors.flatMap { tensor in
      layout.places[tensor.name].map { Self.tiles(tensor, $0) } ?? []
    }
    self.tiles = tiles
    levelFloats = max(Self.tileFloats, tiles.map(Self.floats).max() ?? 0)
    let size = levelFloats * SumTree.levels(most)
    scratch = (0..<threads).map { _ in allocateFloats(size) }
  }

  deinit { scratch.forEach { $0.deallocate() } }

  private static func tiles(
    _ tensor: ParameterLayout.Tensor, _ place: GradientLayout.Place
  ) -> [Tile] {
    switch place {
    case .whole(let gradient):
      // A tensor's last floats up to a multiple of 16 are zero in every buffer.
      let floats = (tensor.count + 15) / 16 * 16
      return stride(from: 0, to: floats, by: tileFloats).map {
        .floats(
          parameter: tensor.offset + $0, gradient: gradient + $0,
          count: min(tileFloats, floats - $0))
      }
    case .factors(let inputs, let outputGradients):
      let (rows, columns) = (tensor.shape[0], tensor.shape[1])
      var tiles: [Tile] = []
      for column in stride(from: 0, to: columns, by: tileColumns) {
        let width = min(tileColumns, columns - column)
        let height = tileFloats / width
        for first in stride(from: 0, to: rows, by: height) {
          tiles.append(
            .product(
              place: tensor.offset + first * columns + column, inputs: inputs,
              outputGradients: outputGradients + column, inputCount: rows, first: first,
              rows: min(height, rows - first), columns: columns, width: width))
        }
      }
      return tiles
    }
  }

  private static func floats(_ tile: Tile) -> Int {
    switch tile {
    case .floats(_, _, let count): count
    case .product(_, _, _, _, _, let rows, _, let width): rows * width
    }
  }

  /// Sums `gradients`, at most `most`, and hands the sum out in runs of neighbouring parameters.
  /// - Parameters:
  ///   - wholes: where the sums of all but factors are already; nil where they are not.
  ///   - body: takes the first parameter's offset, the sums and their number, a multiple of 16;
  ///     called on the pool's threads.
  func forEachRun(
    of gradients: [StepGradient], wholes: ParameterBuffer?, _ pool: ThreadPool,
    _ kernels: any KernelOperations.Type,
    _ body: (_ parameter: Int, _ sums: Source, _ count: Int) -> Void
  ) {
    precondition((1...most).contains(gradients.count))
    let tree = SumTree(leaves: gradients.count)
    pool.run(tiles.count) { index, thread in
      let tile = tiles[index]
      if let wholes, case .floats(let parameter, let offset, let count) = tile {
        return body(parameter, wholes.floats + offset, count)
      }
      let sums = sum(tile, gradients, tree.root, scratch[thread], kernels)
      switch tile {
      case .floats(let parameter, _, let count): body(parameter, sums, count)
      case .product(let place, _, _, _, _, let rows, let columns, let width):
        if width == columns { return body(place, sums, rows * width) }
        for row in 0..<rows { body(place + row * columns, sums + row * width, width) }
      }
    }
  }

  /// Sums some floats of `gradients` that are no factors, on the caller's thread.
  /// - Parameter floats: of the gradients' buffers, from a multiple of 16 on.
  func sum(
    _ floats: Range<Int>, of gradients: [StepGradient], into sums: ParameterBuffer,
    _ kernels: any KernelOperations.Type
  ) {
    precondition((1...most).contains(gradients.count) && floats.lowerBound % 16 == 0)
    let tree = SumTree(leaves: gradients.count)
    for first in stride(from: floats.lowerBound, to: floats.upperBound, by: Self.tileFloats) {
      let count = min(Self.tileFloats, (floats.upperBound - first + 15) / 16 * 16)
      let tile = Tile.floats(parameter: 0, gradient: first, count: count)
      let source = sum(tile, gradients, tree.root, scratch[0], kernels)
      (sums.floats + first).update(from: source, count: count)
    }
  }

  /// - Parameter target: memory for this level of the tree and those below.
  /// - Returns: where the sum is: there, or in the gradient itself.
  private func sum(
    _ tile: Tile, _ gradients: [StepGradient], _ node: SumTree.Node, _ target: Target,
    _ kernels: any KernelOperations.Type
  ) -> Source {
    switch SumTree(leaves: gradients.count).origin(node) {
    case .leaf: return leaf(tile, gradients[node.place], target, kernels)
    case .child(let child): return sum(tile, gradients, child, target, kernels)
    case .sum(let left, let right):
      let left = sum(tile, gradients, left, target, kernels)
      let right = sum(tile, gradients, right, target + levelFloats, kernels)
      kernels.sum(left, right, target: target, count: Self.floats(tile))
      return Source(target)
    }
  }

  private func leaf(
    _ tile: Tile, _ gradient: StepGradient, _ target: Target, _ kernels: any KernelOperations.Type
  ) -> Source {
    let floats = gradient.buffer.floats
    switch tile {
    case .floats(_, let offset, _): return Source(floats + offset)
    case .product(
      _, let inputs, let outputGradients, let inputCount, let first, let rows, let columns,
      let width):
      kernels.denseWeightGradient(
        DenseSize(batch: gradient.pictures, inputs: inputCount, columns: columns),
        input: floats + inputs + first, outputGradient: floats + outputGradients, rows: rows,
        width: width, gradient: target, gradientRow: width)
      return Source(target)
    }
  }
}
