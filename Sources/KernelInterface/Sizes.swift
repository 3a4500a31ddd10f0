// What the kernels and their callers say to each other beside pointers: plain values, and numbers
// that both sides must agree on. All strides are in floats.
//
// The wider kernels are compiled with instructions that not every processor has, and this module is
// not. So nothing here may become a function of its own in a module that imports it: a linker could
// give that copy to everybody. What computes is inlined always (InstructionTests look).

/// Memory that a kernel reads.
public typealias Source = UnsafePointer<Float>
/// Memory that a kernel writes.
public typealias Target = UnsafeMutablePointer<Float>

// MARK: Blocks

/// The columns of a block: two vectors.
@inlinable @inline(__always)
public var blockColumns: Int { 32 }

/// The columns of the last block where there is an odd one; channels are padded to a multiple of
/// it.
@inlinable @inline(__always)
public var halfBlockColumns: Int { 16 }

// MARK: Convolutions

/// One output row of a convolution.
public struct ConvolutionRow {
  /// Output positions of the row.
  public var positions: Int
  /// Between the inputs of two neighbouring positions: stride * channels.
  public var inputPosition: Int
  /// Between two rows of the input map.
  public var inputRow: Int
  /// Kernel rows.
  public var passes: Int
  /// Neighbouring inputs of one kernel row: kernelWidth * channels.
  public var run: Int
  /// Between two output positions, a multiple of 16.
  public var outputPosition: Int

  /// All sizes as they are named.
  public init(
    positions: Int, inputPosition: Int, inputRow: Int, passes: Int, run: Int, outputPosition: Int
  ) {
    self.positions = positions
    self.inputPosition = inputPosition
    self.inputRow = inputRow
    self.passes = passes
    self.run = run
    self.outputPosition = outputPosition
  }
}

/// A convolution's weights, [area][inputs][outputs], without padding.
public struct FilterShape {
  /// Kernel height * kernel width.
  public var area: Int
  /// Input channels.
  public var inputs: Int
  /// Output channels.
  public var outputs: Int

  /// All sizes as they are named.
  public init(area: Int, inputs: Int, outputs: Int) {
    self.area = area
    self.inputs = inputs
    self.outputs = outputs
  }
}

/// How far neighbours of a map lie apart.
public struct Strides {
  /// From a position to the one below.
  public var row: Int
  /// From a position to the next of its row.
  public var position: Int

  /// All strides as they are named.
  public init(row: Int, position: Int) {
    self.row = row
    self.position = position
  }
}

// MARK: Pooling

/// One row of pooling windows.
public struct WindowRow {
  /// Rows, and columns, of a window: 1 to `poolSizeMax`.
  public var size: Int
  /// Windows of the row.
  public var positions: Int
  /// Channels, a multiple of 16.
  public var channels: Int

  /// All sizes as they are named.
  public init(size: Int, positions: Int, channels: Int) {
    self.size = size
    self.positions = positions
    self.channels = channels
  }
}

/// The largest window, whose 25 elements have a bit each.
@inlinable @inline(__always)
public var poolSizeMax: Int { 5 }

/// Neighbouring windows of a row whose codes share a word, the first in its lowest bits.
@inlinable @inline(__always)
public func windowsPerWord(size: Int) -> Int { 32 / (size * size) }

/// The floats of a run of inputs, padded to whole vectors.
@inlinable @inline(__always)
public func spreadFloats(run: Int) -> Int { (run + 15) / 16 * 16 }

// MARK: Dense layers

/// The sizes of a dense layer for a batch.
public struct DenseSize {
  /// Pictures.
  public var batch: Int
  /// Inputs of a picture.
  public var inputs: Int
  /// Outputs of a picture, padded to a multiple of 16.
  public var columns: Int

  /// All sizes as they are named.
  public init(batch: Int, inputs: Int, columns: Int) {
    self.batch = batch
    self.inputs = inputs
    self.columns = columns
  }
}

// MARK: Winograd

/// How the tiles of a map lie.
public struct TileGrid {
  /// A map that tiles read or write.
  public struct Map {
    /// From a picture to the next.
    public var picture: Int
    /// From a row to the next.
    public var row: Int
    /// Channels, padded to a multiple of 16.
    public var channels: Int

    /// All sizes as they are named.
    public init(picture: Int, row: Int, channels: Int) {
      self.picture = picture
      self.row = row
      self.channels = channels
    }
  }

  /// Tiles of one picture from top to bottom.
  public var rows: Int
  /// Tiles of one picture from left to right.
  public var columns: Int
  /// What the convolution reads.
  public var input: Map
  /// What it puts out, after pooling if any.
  public var output: Map
  /// Rows of the output that are written.
  public var outputHeight: Int
  /// Columns of the output that are written.
  public var outputWidth: Int

  /// All sizes as they are named.
  public init(
    rows: Int, columns: Int, input: Map, output: Map, outputHeight: Int, outputWidth: Int
  ) {
    self.rows = rows
    self.columns = columns
    self.input = input
    self.output = output
    self.outputHeight = outputHeight
    self.outputWidth = outputWidth
  }
}

/// Tiles as the transforms leave them, V or M: [36 positions][tile][channels].
public struct TransformedTiles {
  /// The first position's first tile.
  public var floats: Target
  /// From a position to the next.
  public var stride: Int

  /// Tiles in memory that is there already.
  public init(_ floats: Target, stride: Int) {
    self.floats = floats
    self.stride = stride
  }
}

/// Positions of a transformed tile.
@inlinable @inline(__always)
public var winogradPositions: Int { 36 }

/// Floats between two positions of V, M and U beyond their size.
///
/// Without it the strides are powers of two, and the 36 positions of one tile fight for the same
/// cache lines.
@inlinable @inline(__always)
public var winogradGap: Int { 16 }

/// Floats of the scratch that each of Winograd's kernels takes.
@inlinable @inline(__always)
public var winogradScratch: Int { 2 * 36 * 16 }

/// A run of neighbouring weights that an optimizer updates, a multiple of 16.
public struct UpdateOperands {
  /// The weights.
  public let weights: Target
  /// The gradient of the sum of the pictures' losses, for these weights alone.
  public let gradient: Source
  /// Floats of each.
  public let count: Int
  /// What makes the mean gradient of the sum: 1 / pictures.
  public let scale: Float
  /// What is added to the mean gradient, times the weight: twice the weight's decay.
  public let decay: Float

  /// Operands that are there already.
  public init(weights: Target, gradient: Source, count: Int, scale: Float, decay: Float) {
    self.decay = decay
    self.weights = weights
    self.gradient = gradient
    self.count = count
    self.scale = scale
  }
}

// MARK: Maps

/// Rows of one picture's map.
public struct MapRows {
  /// How many.
  public var rows: Int
  /// Positions of a row.
  public var positions: Int
  /// From a row to the next.
  public var rowStride: Int
  /// Channels, padded to a multiple of 16: from a position to the next.
  public var channels: Int

  /// All sizes as they are named.
  public init(rows: Int, positions: Int, rowStride: Int, channels: Int) {
    self.rows = rows
    self.positions = positions
    self.rowStride = rowStride
    self.channels = channels
  }
}

/// What a relu leaves: numbers between two bounds.
public struct Bounds: Sendable {
  /// Smaller numbers become it.
  public var floor: Float
  /// Larger numbers become it.
  public var ceiling: Float

  /// All numbers as they are named.
  public init(floor: Float, ceiling: Float) {
    self.floor = floor
    self.ceiling = ceiling
  }
}

/// One output row of windows that each channel is seen through alone.
public struct ChannelWindows {
  /// Output positions of the row.
  public var positions: Int
  /// Channels, padded to a multiple of 16: from an output position to the next.
  public var channels: Int
  /// Between the inputs of two neighbouring positions.
  public var inputPosition: Int
  /// Rows of a window.
  public var height: Int
  /// Columns of a window.
  public var width: Int
  /// Between the inputs of two neighbours of a window.
  public var taps: Strides

  /// All sizes as they are named.
  public init(
    positions: Int, channels: Int, inputPosition: Int, height: Int, width: Int, taps: Strides
  ) {
    self.positions = positions
    self.channels = channels
    self.inputPosition = inputPosition
    self.height = height
    self.width = width
    self.taps = taps
  }
}

/// Which part of the windows of one row lies on the map.
public struct WindowClip {
  /// Rows of the windows that do.
  public var firstRow: Int
  /// The row after the last of them.
  public var endRow: Int
  /// Columns of the first window that lie to the left of the map.
  public var left: Int
  /// Columns between two windows.
  public var step: Int
  /// Columns of the map.
  public var mapWidth: Int

  /// All sizes as they are named.
  public init(firstRow: Int, endRow: Int, left: Int, step: Int, mapWidth: Int) {
    self.firstRow = firstRow
    self.endRow = endRow
    self.left = left
    self.step = step
    self.mapWidth = mapWidth
  }
}

// MARK: Activations

/// A function of one number.
public struct ActivationFunction {
  /// Which: one of `activationRelu` and those after it.
  public var kind: Int
  /// A relu's slope below its threshold; the slope of a hard sigmoid.
  public var slope: Float
  /// A relu's threshold; a hard sigmoid's value at 0.
  public var offset: Float
  /// A relu's largest value.
  public var ceiling: Float

  /// All numbers as they are named.
  public init(kind: Int, slope: Float = 0, offset: Float = 0, ceiling: Float = .infinity) {
    self.kind = kind
    self.slope = slope
    self.offset = offset
    self.ceiling = ceiling
  }
}

/// x from the threshold on, at most the ceiling; slope (x - threshold) below.
@inlinable @inline(__always)
public var activationRelu: Int { 0 }
/// 1 / (1 + exp(-x)).
@inlinable @inline(__always)
public var activationSigmoid: Int { 1 }
/// slope x + offset, between 0 and 1.
@inlinable @inline(__always)
public var activationHardSigmoid: Int { 2 }
/// tanh x.
@inlinable @inline(__always)
public var activationTanh: Int { 3 }
/// x / (1 + exp(-x)).
@inlinable @inline(__always)
public var activationSwish: Int { 4 }
/// x times the normal distribution's share below x.
@inlinable @inline(__always)
public var activationGelu: Int { 5 }
/// The same with tanh for the error function.
@inlinable @inline(__always)
public var activationGeluTanh: Int { 6 }
