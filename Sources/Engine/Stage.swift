/// What a stage needs to know of the step that is being computed.
struct StepContext {
  /// Pictures of this batch.
  let batch: Int
  /// Their bytes, for a first stage that reads them itself.
  let pictures: [UnsafePointer<UInt8>]
  let weights: ParameterBuffer
  /// Overwritten by the backward pass, in the plan's `GradientLayout`.
  let gradient: ParameterBuffer?
  let pool: ThreadPool
  let kernels: KernelTable
}

/// A tensor of weights, and where its gradient lies.
struct StageTensor {
  let weights: ParameterLayout.Tensor
  let gradient: GradientLayout.Place
}

/// A part of the model that is computed as one: a layer, or a convolution with its pooling.
protocol Stage: AnyObject {
  /// Where `forward` puts the result and `backward` finds its gradient.
  var output: FeatureMap { get }
  /// The layers that it computes.
  var layers: String { get }
  /// Multiply-adds of a picture's forward pass, as if by direct convolution.
  var products: Int { get }
  /// Multiply-adds of a picture's backward pass, likewise.
  var backwardProducts: Int { get }
  func forward(_ step: StepContext)
  /// Sets the gradient of the stage's parameters, and of its input where that is wanted.
  func backward(_ step: StepContext)
}

/// A convolution with the pooling that follows it, and how much of it reaches the loss.
struct ConvolutionSize {
  let convolution: Convolution
  /// 1 for no pooling.
  let poolSize: Int
  let input: Shape
  /// As the profile names it.
  let layers: String
  /// After pooling, the rows and columns that reach the loss.
  let neededHeight: Int
  let neededWidth: Int

  /// Multiply-adds of a picture's forward pass, as if by direct convolution of the whole map.
  var products: Int {
    let kernel = convolution.kernel
    return convolution.outputSize(input.height, kernel.height, convolution.strides.height)
      * convolution.outputSize(input.width, kernel.width, convolution.strides.width)
      * kernel.height * kernel.width * input.channels * convolution.filters
  }

  /// Output rows to compute before pooling.
  var rows: Int { neededHeight * poolSize }
  /// Output columns to compute before pooling.
  var columns: Int { neededWidth * poolSize }

  /// Zeros above the first row, for padding `same`.
  var zerosAbove: Int {
    convolution.zerosBefore(input.height, convolution.kernel.height, convolution.strides.height)
  }

  /// Zeros left of the first column.
  var zerosLeft: Int {
    convolution.zerosBefore(input.width, convolution.kernel.width, convolution.strides.width)
  }

  /// Rows of the input, zeros above included, that the computed outputs read.
  var readRows: Int { (rows - 1) * convolution.strides.height + convolution.kernel.height }

  /// Columns of the input, zeros to the left included, that the computed outputs read.
  var readColumns: Int { (columns - 1) * convolution.strides.width + convolution.kernel.width }

  /// Rows and columns of the input itself that reach the loss.
  var neededInput: (height: Int, width: Int) {
    (min(input.height, readRows - zerosAbove), min(input.width, readColumns - zerosLeft))
  }

  /// Whether the Winograd kernels can compute it, and pay.
  var suitsWinograd: Bool {
    convolution.kernel == (3, 3) && convolution.strides == (1, 1) && input.channels >= 16
      && poolSize <= 2
  }

  /// Winograd tiles of 4 x 4 outputs along the rows.
  var tileRows: Int { (rows + 3) / 4 }
  /// Winograd tiles of 4 x 4 outputs along the columns.
  var tileColumns: Int { (columns + 3) / 4 }

  /// The border that the input's map must have.
  var border: FeatureMap.Border {
    let height = suitsWinograd ? tileRows * 4 + 2 : readRows
    let width = suitsWinograd ? tileColumns * 4 + 2 : readColumns
    return FeatureMap.Border(
      top: zerosAbove, left: zerosLeft, bottom: max(0, height - zerosAbove - input.height),
      right: max(0, width - zerosLeft - input.width))
  }
}
