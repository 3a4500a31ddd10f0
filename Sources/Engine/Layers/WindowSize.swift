/// How the windows of a layer lie on its input, and how much of its output reaches the loss.
struct WindowSize {
  /// Kernel, strides and padding.
  let windows: Convolution
  let input: Shape
  /// Of the output, those that reach the loss.
  let rows: Int
  let columns: Int

  /// Zeros above the first row, for padding `same`.
  var zerosAbove: Int {
    windows.zerosBefore(input.height, windows.kernel.height, windows.strides.height)
  }

  /// Zeros left of the first column.
  var zerosLeft: Int {
    windows.zerosBefore(input.width, windows.kernel.width, windows.strides.width)
  }

  /// Rows of the input, zeros above included, that the computed outputs read.
  var readRows: Int { (rows - 1) * windows.strides.height + windows.kernel.height }

  /// Columns of the input, zeros to the left included, that the computed outputs read.
  var readColumns: Int { (columns - 1) * windows.strides.width + windows.kernel.width }

  /// Rows and columns of the input itself that reach the loss.
  var neededInput: Extent {
    Extent(
      height: min(input.height, readRows - zerosAbove),
      width: min(input.width, readColumns - zerosLeft))
  }

  /// The border that the input's map must have.
  var border: FeatureMap.Border {
    FeatureMap.Border(
      top: zerosAbove, left: zerosLeft, bottom: max(0, readRows - zerosAbove - input.height),
      right: max(0, readColumns - zerosLeft - input.width))
  }

  // MARK: The output's gradient, spread by the strides in a border of kernel size - 1

  /// Rows of that map.
  var mapRows: Int { readRows + windows.kernel.height - 1 }
  /// Columns of that map.
  var mapColumns: Int { readColumns + windows.kernel.width - 1 }
  /// The row of the first output's gradient.
  var mapTop: Int { windows.kernel.height - 1 }
  /// Its column.
  var mapLeft: Int { windows.kernel.width - 1 }
}
