import KernelInterface

/// One layer's output for a batch, and the loss's gradient with respect to it.
///
/// NHWC; channels are stored `channelStride` apart, their number padded with zeros to a multiple
/// of 16 so that kernels have no remainders (the picture itself has 3). Around a map lies a border
/// of zeros where the next layer reads beyond the edge; gradients written there are never read.
package final class FeatureMap {
  /// Rows and columns around a map.
  package struct Border: Equatable, Sendable {
    var top = 0
    var left = 0
    var bottom = 0
    var right = 0

    /// The smallest that has both.
    func union(_ other: Border) -> Border {
      Border(
        top: max(top, other.top), left: max(left, other.left),
        bottom: max(bottom, other.bottom), right: max(right, other.right))
    }
  }

  let shape: Shape
  let channelStride: Int
  /// Floats of one row of the map, border included.
  let rowStride: Int
  /// Floats of one picture, border included.
  let pictureStride: Int
  /// The first picture's first row and column, after the border.
  let values: UnsafeMutablePointer<Float>
  let gradient: UnsafeMutablePointer<Float>
  /// Whether its rows are made whenever they are read, and `values` are not its own.
  let isMade: Bool
  /// Who makes them; the stage that fills the map says so.
  weak var rowSource: (any RowSource)?
  /// Of a model's input, what pictures' bytes become.
  var reading = InputRange.unit.reading
  /// Floats of the border before the first row and column.
  private let origin: Int

  /// Zeros for `batch` pictures.
  /// - Parameter hasGradient: without it `gradient` has room for one picture only.
  init(
    _ shape: Shape, batch: Int, channelStride: Int? = nil, border: Border = Border(),
    hasGradient: Bool = true, memory: PlanMemory
  ) {
    self.shape = shape
    isMade = false
    self.channelStride = channelStride ?? padded(shape.channels)
    rowStride = (border.left + shape.width + border.right) * self.channelStride
    pictureStride = (border.top + shape.height + border.bottom) * rowStride
    origin = border.top * rowStride + border.left * self.channelStride
    // Kernels read whole vectors, of a picture's three channels too: a vector beyond the end.
    values = memory.floats(batch * pictureStride + halfBlockColumns) + origin
    gradient = memory.floats((hasGradient ? batch : 1) * pictureStride) + origin
  }

  /// The same memory seen as a flat map; `other` must be compact.
  init(flattening other: FeatureMap) {
    shape = Shape(units: other.shape.count)
    channelStride = shape.channels
    (rowStride, pictureStride) = (shape.channels, shape.channels)
    (values, gradient, origin) = (other.values, other.gradient, other.origin)
    isMade = false
  }

  /// A map that is not stored, whose rows are made of those of `other`.
  /// - Parameter sharesGradient: whether the gradient takes the place of `other`'s, which is made
  ///   of it number by number; otherwise it has a place of its own.
  init(
    madeOf other: FeatureMap, sharesGradient: Bool, batch: Int, hasGradient: Bool,
    memory: PlanMemory
  ) {
    (shape, channelStride) = (other.shape, other.channelStride)
    (rowStride, pictureStride) = (other.rowStride, other.pictureStride)
    (values, origin) = (other.values, other.origin)
    gradient =
      sharesGradient
      ? other.gradient
      : memory.floats((hasGradient ? batch : 1) * pictureStride + other.origin) + other.origin
    isMade = true
  }

  /// The same values with a gradient of its own, for one of several that read them.
  init(branching other: FeatureMap, batch: Int, memory: PlanMemory) {
    (shape, channelStride) = (other.shape, other.channelStride)
    (rowStride, pictureStride) = (other.rowStride, other.pictureStride)
    values = other.values
    let room = memory.floats(batch * pictureStride + other.origin)
    gradient = room + other.origin
    origin = other.origin
    isMade = false
  }

  /// Whether a picture's numbers are neighbours, without border and padding.
  var isCompact: Bool {
    channelStride == shape.channels && rowStride == shape.width * channelStride
      && pictureStride == shape.height * rowStride
  }

  /// Where a position's channels begin, in values and gradient.
  func place(_ picture: Int, _ row: Int, _ column: Int) -> Int {
    picture * pictureStride + row * rowStride + column * channelStride
  }
}

/// The blocks of columns that kernels take: 32, and 16 in the last where there is an odd one.
func columnBlocks(_ columns: Int) -> [Range<Int>] {
  stride(from: 0, to: columns, by: blockColumns).map { $0..<min($0 + blockColumns, columns) }
}

/// `channels` rounded up to a multiple of what a kernel's block can have.
func padded(_ channels: Int) -> Int {
  (channels + halfBlockColumns - 1) / halfBlockColumns * halfBlockColumns
}

extension FeatureMap {
  /// Sets the padding of a picture's channels to zero, after a function that is not 0 at 0.
  func clearPadding(of picture: Int) {
    let padding = channelStride - shape.channels
    guard padding > 0 else { return }
    for row in 0..<shape.height {
      for column in 0..<shape.width {
        (values + place(picture, row, column) + shape.channels).update(
          repeating: 0, count: padding)
      }
    }
  }
}

/// Calls `body` with where each row of a picture begins in two maps of one shape, and how many
/// floats it has, a multiple of 16.
///
/// Maps have equal strides, but for a flat one that is another map's memory: of that, whose end may
/// be no whole vector, the stages that call this are given a padded copy.
func forEachRow(
  of picture: Int, _ a: FeatureMap, _ b: FeatureMap,
  _ body: (_ a: Int, _ b: Int, _ count: Int) -> Void
) {
  for row in 0..<a.shape.height {
    body(a.place(picture, row, 0), b.place(picture, row, 0), a.shape.width * a.channelStride)
  }
}
