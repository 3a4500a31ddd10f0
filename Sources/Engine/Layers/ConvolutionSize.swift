/// A convolution with the pooling that follows it, and how much of it reaches the loss.
struct ConvolutionSize {
  let convolution: Convolution
  /// Which of the layer's tensors has the weights.
  let kernel: ParameterLayout.Kind
  /// 1 for no pooling.
  let poolSize: Int
  let input: Shape
  /// After pooling, the rows and columns that reach the loss.
  let neededHeight: Int
  let neededWidth: Int
  /// Whether the Winograd kernels may compute it.
  let allowsWinograd: Bool

  /// Multiply-adds of a picture's forward pass, as if by direct convolution of the whole map.
  var multiplyAdds: Int {
    let kernel = convolution.kernel
    return convolution.outputSize(input.height, kernel.height, convolution.strides.height)
      * convolution.outputSize(input.width, kernel.width, convolution.strides.width)
      * kernel.height * kernel.width * input.channels * convolution.filters
  }

  /// Output rows to compute before pooling.
  var rows: Int { neededHeight * poolSize }
  /// Output columns to compute before pooling.
  var columns: Int { neededWidth * poolSize }

  /// How its windows lie.
  var windows: WindowSize {
    WindowSize(windows: convolution, input: input, rows: rows, columns: columns)
  }

  /// Zeros above the first row, for padding `same`.
  var zerosAbove: Int { windows.zerosAbove }
  /// Zeros left of the first column.
  var zerosLeft: Int { windows.zerosLeft }
  /// Rows of the input, zeros above included, that the computed outputs read.
  var readRows: Int { windows.readRows }
  /// Columns of the input, zeros to the left included, that the computed outputs read.
  var readColumns: Int { windows.readColumns }
  /// Rows and columns of the input itself that reach the loss.
  var neededInput: Extent { windows.neededInput }

  /// Whether the Winograd kernels can compute it, and pay.
  var suitsWinograd: Bool {
    allowsWinograd && convolution.kernel == (3, 3) && convolution.strides == (1, 1)
      && input.channels >= 16 && poolSize <= 2
  }

  /// Winograd tiles of 4 x 4 outputs along the rows.
  var tileRows: Int { (rows + 3) / 4 }
  /// Winograd tiles of 4 x 4 outputs along the columns.
  var tileColumns: Int { (columns + 3) / 4 }

  /// The border that the input's map must have: whole tiles, where it is computed by those.
  var border: FeatureMap.Border {
    var border = windows.border
    guard suitsWinograd else { return border }
    border.bottom = max(0, tileRows * 4 + 2 - zerosAbove - input.height)
    border.right = max(0, tileColumns * 4 + 2 - zerosLeft - input.width)
    return border
  }
}
