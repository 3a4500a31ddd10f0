/// The hot loops, as one instruction set has them: all sets give the same bits.
///
/// Maps are NHWC, their channels padded with zeros to a multiple of 16. In the shapes below the
/// last dimension is the innermost, and `[x]` names `x` of it. Kernels check nothing.
public protocol KernelOperations {
  // MARK: Convolutions of any size, as matrix products

  /// One output row: output[position][channels] = the kernel's products, without bias.
  /// - Parameters:
  ///   - input: what the first position reads.
  ///   - weights: as `packForward` or `packBackward` made them.
  ///   - channels: output channels to compute, a multiple of 16.
  static func convolveRow(
    _ row: ConvolutionRow, input: Source, weights: Source, channels: Int, output: Target)

  /// Adds to a weight gradient what `rows` output rows contribute, for one kernel row.
  ///
  /// gradient[kernelWidth * in][channels] += sum over rows and positions of the input's
  /// kernelWidth * in neighbours times the output gradient.
  /// - Parameters:
  ///   - input: the first row's input, at the kernel row in question.
  ///   - inputRows: floats between the inputs of two output rows.
  ///   - outputGradient: the first row's, its rows and positions `gradientStrides` apart.
  ///   - channels: of the output, padded.
  static func addWeightGradient(
    _ row: ConvolutionRow, rows: Int, input: Source, inputRows: Int, outputGradient: Source,
    gradientStrides: Strides, channels: Int, gradient: Target)

  /// Packs the output channels `block` of weights for the forward convolution.
  /// - Parameters:
  ///   - inStride: channels of the input map as stored, `shape.inputs` or more; weights for those
  ///     beyond become zero.
  ///   - block: 32 channels, or 16 where the padded number is odd.
  ///   - packed: [area * inStride][block].
  static func packForward(
    _ weights: Source, shape: FilterShape, inStride: Int, block: Range<Int>, packed: Target)

  /// Packs the input channels `block` of weights for the data gradient, which is a convolution of
  /// the output gradient with the kernel turned by 180 degrees and its channels exchanged.
  /// - Parameters:
  ///   - outStride: channels of the output map as stored, `shape.outputs` or more.
  ///   - block: 32 channels, or 16 where the padded number is odd.
  ///   - packed: [area * outStride][block].
  static func packBackward(
    _ weights: Source, shape: FilterShape, outStride: Int, block: Range<Int>, packed: Target)

  /// gradient[rows][outputs] = (adding ? gradient : 0) + a partial gradient, [rows][outStride].
  static func addPartial(
    _ partial: Source, adding: Bool, rows: Int, outStride: Int, outputs: Int, gradient: Target)

  // MARK: A first convolution's weight gradient, by pooling windows

  /// Spreads the inputs of some output positions: spread[rows][positions][run, padded].
  /// - Parameters:
  ///   - row: the positions; `passes` counts the input's rows.
  ///   - input: what the first position reads; whole vectors are read, so padding is any number.
  static func spreadInputs(_ row: ConvolutionRow, input: Source, spread: Target)

  /// Where in its window each pooled gradient belongs.
  /// - Parameters:
  ///   - row: windows of size 2 or more.
  ///   - gradient: [positions][channels].
  ///   - codes: as `poolRows` left them.
  ///   - steps: between the inputs of two elements of a window.
  ///   - offsets: [positions][channels]: from the inputs of the window's first element to those of
  ///     the one that was the largest.
  ///   - kept: [positions][channels]: the gradients, zero where a relu cut them off.
  ///   - sums: [channels]; the gradients kept are added.
  static func windowOffsets(
    _ row: WindowRow, gradient: Source, codes: UnsafePointer<Int32>, steps: Strides,
    offsets: UnsafeMutablePointer<Int32>, kept: Target, sums: Target)

  /// Adds what one row of windows contributes to a weights' gradient.
  /// - Parameters:
  ///   - row: `inputPosition` is between two windows, `positions` counts windows.
  ///   - input: as `spreadInputs` made it.
  ///   - offsets, kept: as `windowOffsets` made them.
  ///   - channels: a multiple of 16.
  ///   - gradient: [channels][passes][run, padded].
  static func addWindowGradient(
    _ row: ConvolutionRow, input: Source, offsets: UnsafePointer<Int32>, kept: Source,
    channels: Int, gradient: Target)

  /// gradient[passes][run][outputs] = (adding ? gradient : 0) + the first `outputs` channels' sums.
  /// - Parameter partial: [channels][passes][run, padded].
  static func addWindowPartial(
    _ partial: Source, adding: Bool, passes: Int, run: Int, outputs: Int, gradient: Target)

  // MARK: Dense layers

  /// output[batch][block] = input[batch][inputs] x weights[inputs][block], where `block` are some
  /// of the columns of weights and output.
  static func denseForward(
    _ size: DenseSize, input: Source, weights: Source, block: Range<Int>, output: Target)

  /// gradient[rows][width] = sum over the batch of inputs x output gradients: a tile of a kernel's
  /// gradient.
  /// - Parameters:
  ///   - input: [batch][inputs], at the tile's first row.
  ///   - outputGradient: [batch][columns], at the tile's first column.
  ///   - width: columns of the tile, a multiple of 16.
  ///   - gradient: `gradientRow` floats a row.
  static func denseWeightGradient(
    _ size: DenseSize, input: Source, outputGradient: Source, rows: Int, width: Int,
    gradient: Target, gradientRow: Int)

  /// inputGradient[batch][rows] = outputGradient[batch][columns] x weights[rows][columns]
  /// transposed, where `rows` are some of the inputs.
  static func denseInputGradient(
    _ size: DenseSize, outputGradient: Source, weights: Source, rows: Range<Int>,
    inputGradient: Target)

  // MARK: Winograd's convolution, 3 x 3 in tiles of 4 x 4

  // `Kernels/Winograd.swift` tells a tile's journey. `tiles` count through all pictures of a batch;
  // maps begin at the first picture; `scratch` has `winogradScratch` floats.

  /// One tap's [inputs][outputs] weights as [rows][columns], padded with zeros to multiples of 16.
  /// - Parameter transposed: rows are the output channels; otherwise the input channels.
  static func winogradPad(
    _ weights: Source, inputs: Int, outputs: Int, columns: Int, transposed: Bool, padded: Target)

  /// U of [9][rows][columns] padded weights, for the columns `block`.
  /// - Parameter u: [36][columns / 32][rows][32], positions rows * columns + gap apart.
  static func winogradFilter(
    _ padded: Source, rows: Int, columns: Int, block: Range<Int>, u: Target, scratch: Target)

  /// V of some tiles.
  /// - Parameters:
  ///   - input: the input map, at the first tile's corner.
  ///   - v: [36][tiles][in].
  static func winogradInput(
    _ grid: TileGrid, tiles: Range<Int>, input: Source, v: TransformedTiles, scratch: Target)

  /// M = V U for `count` tiles: for each of some positions [count][in] times [in][out].
  static func winogradProducts(
    _ grid: TileGrid, positions: Range<Int>, count: Int, v: TransformedTiles, u: Source,
    m: TransformedTiles)

  /// Outputs of some tiles, max-pooled by 2 x 2.
  /// - Parameters:
  ///   - m: [36][tiles][out].
  ///   - output: the pooled map.
  ///   - codes: [tile of all][out]: 4 bits a window, as `poolRows` has them, in the windows' order.
  static func winogradOutputPooled(
    _ grid: TileGrid, tiles: Range<Int>, m: TransformedTiles, bias: Source, relu: Bool,
    output: Target, codes: UnsafeMutablePointer<Int32>, scratch: Target)

  /// Outputs of some tiles, not pooled.
  static func winogradOutput(
    _ grid: TileGrid, tiles: Range<Int>, m: TransformedTiles, bias: Source, relu: Bool,
    output: Target, scratch: Target)

  /// dM of some tiles from the gradients of pooled outputs.
  /// - Parameters:
  ///   - gradient: the pooled gradients' map.
  ///   - codes: as `winogradOutputPooled` left them.
  ///   - m: [36][tiles][out].
  ///   - biasGradient: [out]; the outputs' gradients are added.
  static func winogradGradientPooled(
    _ grid: TileGrid, tiles: Range<Int>, gradient: Source, codes: UnsafePointer<Int32>,
    m: TransformedTiles, biasGradient: Target, scratch: Target)

  /// dM of some tiles from the gradients of outputs that were not pooled.
  /// - Parameter values: the outputs; with `relu` a gradient counts only where they are above 0.
  static func winogradGradient(
    _ grid: TileGrid, tiles: Range<Int>, gradient: Source, values: Source, relu: Bool,
    m: TransformedTiles, biasGradient: Target, scratch: Target)

  /// dU = (adding ? dU : 0) + V dM, and dV = dM U for `count` tiles, for some positions.
  /// - Parameters:
  ///   - v: V before, dV after (left alone where `uTransposed` is nil: no input gradient wanted).
  ///   - uTransposed: U of the transposed weights, [36][in / 32][out][32].
  ///   - du: [36][in][out], positions in * out + gap apart.
  static func winogradGradientProducts(
    _ grid: TileGrid, positions: Range<Int>, count: Int, v: TransformedTiles,
    m: TransformedTiles, uTransposed: Source?, du: Target, adding: Bool)

  /// Input gradients of some tiles from dV, added where tiles overlap.
  ///
  /// A picture's tiles must come in order and in one thread; their rows are cleared as they come
  /// up.
  /// - Parameter inputGradient: a map like `winogradInput`'s input.
  static func winogradInputGradient(
    _ grid: TileGrid, tiles: Range<Int>, v: TransformedTiles, inputGradient: Target,
    scratch: Target)

  /// The weights' gradient from dU, for one input channel.
  /// - Parameters:
  ///   - du: `groups` partial sums, `groupStride` floats apart, added in their order.
  ///   - gradient: [9][inputs][outputs] of `shape`.
  static func winogradFilterGradient(
    _ grid: TileGrid, du: Source, groups: Int, groupStride: Int, shape: FilterShape, input: Int,
    gradient: Target, scratch: Target)

  // MARK: Bias, activation and max pooling

  /// Adds the bias and applies relu where asked, in place: values[positions][channels].
  static func addBias(
    _ bias: Source, to values: Target, positions: Int, channels: Int, relu: Bool)

  /// Max pooling of one row of windows, with the bias and the activation of the layer before
  /// applied to each window's maximum (both are monotonic, so that is the maximum of theirs).
  /// - Parameters:
  ///   - rows: [size][>= positions * size][channels], `rowStride` floats a row, without bias.
  ///   - pooled: [positions][channels].
  ///   - codes: [positions / windowsPerWord, rounded up][channels]: of each window one bit for the
  ///     element that was the first largest, none where a relu cut it off.
  static func poolRows(
    _ row: WindowRow, rows: Source, rowStride: Int, bias: Source, relu: Bool, pooled: Target,
    codes: UnsafeMutablePointer<Int32>)

  /// Spreads one row of pooled gradients over the rows that it came from.
  /// - Parameters:
  ///   - gradient: [positions][channels].
  ///   - codes: as `poolRows` left them.
  ///   - rows: overwritten where windows lie; its rows and positions `strides` apart.
  ///   - sums: [channels]; the gradients that reach an element are added.
  static func unpoolRow(
    _ row: WindowRow, gradient: Source, codes: UnsafePointer<Int32>, rows: Target,
    strides: Strides, sums: Target)

  /// target[position][channels] = gradient where the activation's value is above zero (all of it
  /// without relu), `targetPosition` floats between positions; sums[channels] += the same.
  static func copyGradient(
    _ gradient: Source, values: Source, relu: Bool, positions: Int, channels: Int, target: Target,
    targetPosition: Int, sums: Target)

  // MARK: Normalisation of each channel

  /// The moments of each channel of one picture.
  ///
  /// Row by row, and the rows' moments put together as by T. Chan, G. Golub and R. LeVeque, 1979.
  /// - Parameters:
  ///   - mean: [channels].
  ///   - squares: [channels]: the sums of the squares of what numbers are more than the mean.
  static func channelMoments(_ map: MapRows, input: Source, mean: Target, squares: Target)

  /// output = (input - mean) scale + shift, between bounds; mean, scale and shift are [channels],
  /// the others [positions][channels].
  ///
  /// The mean is taken away first: where it is much larger than the numbers' spread, a shift that
  /// has it already would lose most digits.
  static func normalizeRow(
    positions: Int, channels: Int, input: Source, mean: Source, scale: Source, shift: Source,
    bounds: Bounds, output: Target)

  /// Adds a row to the sums that the gradients of a normalised map are made of.
  ///
  /// A gradient counts where (input - mean) scale + shift lies between the bounds.
  /// - Parameters:
  ///   - gradientSums: [channels]; gradients are added.
  ///   - productSums: [channels]; gradients times (input - mean) are added.
  static func addNormalizationSums(
    positions: Int, channels: Int, input: Source, gradient: Source, mean: Source, scale: Source,
    shift: Source, bounds: Bounds, gradientSums: Target, productSums: Target)

  /// target = gradient a + (input - mean) b + c, for gradients that count; a, b and c are
  /// [channels].
  static func normalizationGradientRow(
    positions: Int, channels: Int, input: Source, gradient: Source, mean: Source, scale: Source,
    shift: Source, bounds: Bounds, a: Source, b: Source, c: Source, target: Target)

  // MARK: Windows on each channel alone

  /// One output row of a depthwise convolution, without bias.
  /// - Parameter weights: [height][width][channels].
  static func depthwiseRow(
    _ row: ChannelWindows, input: Source, weights: Source, output: Target)

  /// Adds what one output row contributes to a depthwise convolution's weight gradient.
  /// - Parameters:
  ///   - outputGradient: positions `gradientPosition` floats apart.
  ///   - gradient: [height][width][channels].
  static func addDepthwiseGradient(
    _ row: ChannelWindows, input: Source, outputGradient: Source, gradientPosition: Int,
    gradient: Target)

  /// The largest of each window that lies on the map, and which of the window's elements it was,
  /// counted row by row; of equal ones the first.
  /// - Parameters:
  ///   - input: the map's first column, in the first window's first row.
  ///   - codes: [positions][channels].
  static func maxPoolRow(
    _ row: ChannelWindows, clip: WindowClip, input: Source, output: Target,
    codes: UnsafeMutablePointer<Int32>)

  /// Adds each gradient to the element that was the largest.
  static func addMaxPoolGradient(
    _ row: ChannelWindows, clip: WindowClip, gradient: Source, codes: UnsafePointer<Int32>,
    inputGradient: Target)

  /// The mean of each window, of what lies on the map.
  static func averagePoolRow(
    _ row: ChannelWindows, clip: WindowClip, input: Source, output: Target)

  /// Adds each gradient's share to every element of its window.
  static func addAveragePoolGradient(
    _ row: ChannelWindows, clip: WindowClip, gradient: Source, inputGradient: Target)

  // MARK: Each number alone

  /// output = f(input), for a multiple of 16 floats.
  static func activate(
    _ function: ActivationFunction, input: Source, output: Target, count: Int)

  /// target = gradient f'(input), for a multiple of 16 floats.
  /// - Parameter output: f(input).
  static func activationGradient(
    _ function: ActivationFunction, input: Source, output: Source, gradient: Source,
    target: Target, count: Int)

  /// target = a b, for a multiple of 16 floats.
  static func multiplied(_ a: Source, _ b: Source, target: Target, count: Int)

  /// target = a times a number, for a multiple of 16 floats.
  static func scaled(_ a: Source, by factor: Float, target: Target, count: Int)

  /// values = scale bytes + offset, the product rounded before the sum.
  static func bytesToFloats(
    _ bytes: UnsafePointer<UInt8>, scale: Float, offset: Float, values: Target, count: Int)

  /// target = a + b, for a multiple of 16 floats; `target` may be one of the two.
  static func sum(_ a: Source, _ b: Source, target: Target, count: Int)

  /// Copies `rows` of `width` floats between buffers of other row lengths.
  static func copyRows(
    _ source: Source, sourceRow: Int, target: Target, targetRow: Int, rows: Int, width: Int)

  // MARK: Updates; each returns whether all weights and slots are finite numbers now.

  /// RMSprop in the form of Keras 2.2, with g the mean gradient.
  ///
  /// secondMoment = rho secondMoment + (1 - rho) g^2;
  /// weights -= learningRate g / (sqrt(secondMoment) + epsilon).
  static func updateRMSprop(
    _ tile: UpdateOperands, secondMoment: Target, learningRate: Float, rho: Float, epsilon: Float
  ) -> Bool

  /// RMSprop in the form of Keras 3, with g the mean gradient.
  ///
  /// v = rho v + complement g^2; a = rho a + complement g; d = learningRate g / sqrt(v - a^2 +
  /// epsilon); s = momentum s + d; weights -= s.
  /// - Parameters:
  ///   - secondMoment: v.
  ///   - step: s; nil for s = d.
  ///   - average: a; nil for a = 0. Where v - a^2 is negative, by rounding, it counts as 0.
  ///   - complement: 1 - rho.
  static func updateRMSprop(
    _ tile: UpdateOperands, secondMoment: Target, step: Target?, average: Target?,
    learningRate: Float, rho: Float, complement: Float, momentum: Float, epsilon: Float
  ) -> Bool

  /// Gradient descent, with g the mean gradient.
  ///
  /// s = momentum s - learningRate g; weights += s, or nesterov: momentum s - learningRate g.
  /// - Parameter step: s; nil for a momentum of 0.
  static func updateSGD(
    _ tile: UpdateOperands, step: Target?, learningRate: Float, momentum: Float, nesterov: Bool
  ) -> Bool

  /// Adam in the form of Keras 3, with g the mean gradient.
  ///
  /// m += (g - m) complements.first; v += (g^2 - v) complements.second;
  /// weights -= m step / (sqrt(v) + epsilon).
  /// - Parameters:
  ///   - firstMoment: m.
  ///   - secondMoment: v.
  ///   - decay: before that, weights -= weights strength rate.
  static func updateAdam(
    _ tile: UpdateOperands, firstMoment: Target, secondMoment: Target, step: Float,
    complements: (first: Float, second: Float), epsilon: Float,
    decay: (rate: Float, strength: Float)?
  ) -> Bool
}
