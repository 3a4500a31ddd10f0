import KernelInterface

/// What is done to a range of a Winograd stage's tiles between its maps and its products, with the
/// bias and its gradient.
final class WinogradTiles {
  let grid: TileGrid
  let wantsInputGradient: Bool
  /// Of each thread, for one tile.
  let scratch: [Target]

  private let input: FeatureMap
  private let output: FeatureMap
  private let isPooled: Bool
  private let relu: Bool
  /// From the first picture's first tile's corner, in the border for padding `same`, to the map.
  private let corner: Int
  private let bias: StageTensor?
  private let paddedBias: Target
  /// [parts][out].
  private let biasGradients: Target
  /// [tile of the batch][out]; only with pooling.
  private let codes: UnsafeMutablePointer<Int32>

  /// - Parameter biasParts: partial sums of the bias's gradient.
  init(_ plan: StagePlan, _ size: ConvolutionSize, biasParts: Int) {
    let memory = plan.memory
    (input, output, wantsInputGradient) = (plan.input, plan.output, plan.wantsInputGradient)
    (isPooled, relu) = (size.poolSize > 1, size.convolution.activation == .relu)
    let outputs = output.channelStride
    grid = TileGrid(
      rows: size.tileRows, columns: size.tileColumns, input: input.gridMap,
      output: output.gridMap, outputHeight: size.neededHeight, outputWidth: size.neededWidth)
    corner = size.zerosAbove * input.rowStride + size.zerosLeft * input.channelStride
    bias = plan.tensorIfAny(.bias)
    paddedBias = memory.floats(outputs)
    biasGradients = memory.floats(biasParts * outputs)
    codes = memory.words(isPooled ? plan.batch * grid.rows * grid.columns * outputs : 1)
    scratch = (0..<plan.threads).map { _ in memory.floats(winogradScratch) }
  }

  /// Tiles of one picture.
  var perPicture: Int { grid.rows * grid.columns }

  // MARK: Bias

  /// Takes the step's bias.
  func takeBias(_ step: StepContext) {
    guard let bias else { return }
    paddedBias.update(from: step.weights.floats + bias.weights.offset, count: bias.weights.count)
  }

  /// Sets a partial sum of the bias's gradient to zero.
  func clearBiasGradient(part: Int) {
    (biasGradients + part * grid.output.channels).update(
      repeating: 0, count: grid.output.channels)
  }

  /// The bias's gradient from its partial sums, in order.
  func finishBiasGradient(_ gradient: ParameterBuffer, parts: Int) {
    guard let bias else { return }
    for channel in 0..<bias.weights.count {
      var sum = biasGradients[channel]
      for part in 1..<parts { sum += biasGradients[part * grid.output.channels + channel] }
      bias.set(channel, of: gradient, to: sum)
    }
  }

  // MARK: Tiles

  /// V of some tiles.
  func transformInputs(
    _ tiles: Range<Int>, to v: TransformedTiles, _ kernels: any KernelOperations.Type,
    _ thread: Int
  ) {
    kernels.winogradInput(
      grid, tiles: tiles, input: input.values - corner, v: v, scratch: scratch[thread])
  }

  /// The outputs of some tiles from M.
  func transformOutputs(
    _ tiles: Range<Int>, from m: TransformedTiles, _ kernels: any KernelOperations.Type,
    _ thread: Int
  ) {
    if isPooled {
      kernels.winogradOutputPooled(
        grid, tiles: tiles, m: m, bias: paddedBias, relu: relu, output: output.values,
        codes: codes, scratch: scratch[thread])
    } else {
      kernels.winogradOutput(
        grid, tiles: tiles, m: m, bias: paddedBias, relu: relu, output: output.values,
        scratch: scratch[thread])
    }
  }

  /// dM of some tiles; their outputs' gradients are added to a part of the bias's.
  func transformGradients(
    _ tiles: Range<Int>, to m: TransformedTiles, part: Int,
    _ kernels: any KernelOperations.Type, _ thread: Int
  ) {
    let sums = biasGradients + part * grid.output.channels
    if isPooled {
      kernels.winogradGradientPooled(
        grid, tiles: tiles, gradient: output.gradient, codes: codes, m: m, biasGradient: sums,
        scratch: scratch[thread])
    } else {
      kernels.winogradGradient(
        grid, tiles: tiles, gradient: output.gradient, values: output.values, relu: relu, m: m,
        biasGradient: sums, scratch: scratch[thread])
    }
  }

  /// The inputs' gradients from dV; a picture's tiles come in order.
  func transformInputGradients(
    _ tiles: Range<Int>, from v: TransformedTiles, _ kernels: any KernelOperations.Type,
    _ thread: Int
  ) {
    kernels.winogradInputGradient(
      grid, tiles: tiles, v: v, inputGradient: input.gradient - corner, scratch: scratch[thread])
  }
}

extension FeatureMap {
  /// How its numbers lie, for tiles.
  fileprivate var gridMap: TileGrid.Map {
    TileGrid.Map(picture: pictureStride, row: rowStride, channels: channelStride)
  }
}

extension TransformedTiles {
  /// Room for so many tiles.
  init(_ tiles: Int, channels: Int, _ memory: PlanMemory) {
    let stride = tiles * channels + winogradGap
    self.init(memory.floats(winogradPositions * stride), stride: stride)
  }

  /// Those from the tile with this number on.
  func dropping(_ tiles: Int, channels: Int) -> TransformedTiles {
    TransformedTiles(floats + tiles * channels, stride: stride)
  }
}
