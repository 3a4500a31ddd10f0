import Kernels

/// A 3 x 3 convolution of stride 1 by Winograd's F(4x4, 3x3), with its activation and the 2 x 2 max
/// pooling that may follow: the filters, and what is done to a range of tiles.
///
/// `Kernels/Winograd.swift` tells a tile's journey. In which order the tiles are taken is the
/// business of the two subclasses: `WinogradBlockStage` keeps a block of tiles in the cache,
/// `WinogradWholeStage` one position of all tiles.
class WinogradStage: Stage {
  let output: FeatureMap
  var layers: String { size.layers }
  var products: Int { size.products }
  var backwardProducts: Int { size.products * (wantsInputGradient ? 2 : 1) }

  let size: ConvolutionSize
  let input: FeatureMap
  let wantsInputGradient: Bool
  let grid: TileGrid
  /// Floats between two positions of U.
  let filterPosition: Int
  /// U, and U of the transposed weights.
  let filter: Target
  let transposedFilter: Target
  /// [groups][36][in][out], `filterFloats` apart.
  let filterGradient: Target
  let filterFloats: Int
  /// [parts][out].
  let biasGradient: Target
  /// Of each thread, for one tile.
  let tileScratch: [Target]

  private let kernel: ParameterLayout.Tensor
  private let bias: ParameterLayout.Tensor
  /// Where their gradients begin in the gradient's buffer.
  private let kernelGradient: Int
  private let biasGradientPlace: Int
  private let blocks: [(first: Int, width: Int)]
  private let transposedBlocks: [(first: Int, width: Int)]
  /// Nil where the weights have no channels that want padding.
  private let paddedWeights: Target?
  private let transposedWeights: Target
  private let paddedBias: Target
  /// [tile of the batch][out]; only with pooling.
  private let codes: UnsafeMutablePointer<Int32>
  private let relu: Bool

  /// - Parameters:
  ///   - groups: partial sums of the weights' gradient.
  ///   - parts: partial sums of the bias's.
  init(
    _ size: ConvolutionSize, input: FeatureMap, output: FeatureMap, tensors: [StageTensor],
    batch: Int, threads: Int, wantsInputGradient: Bool, groups: Int, parts: Int,
    memory: PlanMemory
  ) {
    self.size = size
    self.input = input
    self.output = output
    self.wantsInputGradient = wantsInputGradient
    relu = size.convolution.activation == .relu
    (kernel, bias) = (tensors[0].weights, tensors[1].weights)
    (kernelGradient, biasGradientPlace) = (tensors[0].gradient.offset, tensors[1].gradient.offset)
    let (inputs, outputs) = (input.channelStride, output.channelStride)
    grid = (
      rows: size.tileRows, columns: size.tileColumns, inputRow: input.rowStride,
      inputPicture: input.pictureStride, inChannels: inputs, outputRow: output.rowStride,
      outputPicture: output.pictureStride, outChannels: outputs,
      outputHeight: size.neededHeight, outputWidth: size.neededWidth
    )
    filterPosition = inputs * outputs + winogradGap
    filterFloats = winogradPositions * filterPosition
    blocks = columnBlocks(outputs)
    transposedBlocks = wantsInputGradient ? columnBlocks(inputs) : []
    let needsPadding = kernel.shape[2] != inputs || kernel.shape[3] != outputs
    paddedWeights = needsPadding ? memory.floats(9 * inputs * outputs) : nil
    filter = memory.floats(filterFloats)
    transposedWeights = memory.floats(wantsInputGradient ? 9 * inputs * outputs : 0)
    transposedFilter = memory.floats(wantsInputGradient ? filterFloats : 0)
    paddedBias = memory.floats(outputs)
    let codeCount = size.poolSize > 1 ? batch * grid.rows * grid.columns * outputs : 1
    codes = memory.words(codeCount)
    tileScratch = (0..<threads).map { _ in memory.floats(winogradScratch) }
    filterGradient = memory.floats(groups * filterFloats)
    biasGradient = memory.floats(parts * outputs)
  }

  func forward(_ step: StepContext) { preconditionFailure("a subclass takes the tiles in order") }

  func backward(_ step: StepContext) { preconditionFailure("a subclass takes the tiles in order") }

  /// Tiles of one picture.
  var tilesPerPicture: Int { grid.rows * grid.columns }

  /// Cuts `tiles` evenly into ranges of at most `most`, and gives the one with this index.
  static func part(_ index: Int, of tiles: Range<Int>, most: Int) -> Range<Int> {
    let parts = partCount(of: tiles, most: most)
    return tiles.lowerBound + tiles.count * index / parts..<tiles.lowerBound + tiles.count
      * (index + 1) / parts
  }

  /// The ranges that `part` gives.
  static func partCount(of tiles: Range<Int>, most: Int) -> Int { (tiles.count + most - 1) / most }

  // MARK: Filters

  /// Bias, U, and U of the transposed weights where the input's gradient will be wanted.
  func transformFilters(_ step: StepContext) {
    paddedBias.update(from: step.weights.floats + bias.offset, count: bias.count)
    let kernels = step.kernels
    let weights = step.weights.floats + kernel.offset
    let (inputs, outputs) = (grid.inChannels, grid.outChannels)
    let (inChannels, filters) = (kernel.shape[2], kernel.shape[3])
    let goesBack = wantsInputGradient && step.gradient != nil
    step.pool.run(9) { tap, _ in
      let source = weights + tap * inChannels * filters
      if goesBack {
        kernels.winogradPad(
          source, inChannels, filters, inputs, true, transposedWeights + tap * inputs * outputs)
      }
      if let paddedWeights {
        kernels.winogradPad(
          source, inChannels, filters, outputs, false, paddedWeights + tap * inputs * outputs)
      }
    }
    step.pool.run(blocks.count + (goesBack ? transposedBlocks.count : 0)) { job, thread in
      if job < blocks.count {
        let (first, width) = blocks[job]
        kernels.winogradFilter(
          paddedWeights ?? weights, inputs, outputs, first, width, filter, tileScratch[thread])
      } else {
        let (first, width) = transposedBlocks[job - blocks.count]
        kernels.winogradFilter(
          transposedWeights, outputs, inputs, first, width, transposedFilter, tileScratch[thread])
      }
    }
  }

  /// The gradients of weights and bias from their partial sums, in order.
  func finishGradient(_ step: StepContext, _ gradient: ParameterBuffer, groups: Int, parts: Int) {
    let (inChannels, filters) = (kernel.shape[2], kernel.shape[3])
    let outputs = grid.outChannels
    step.pool.run((inChannels + 3) / 4) { job, thread in
      for channel in job * 4..<min(job * 4 + 4, inChannels) {
        step.kernels.winogradFilterGradient(
          filterGradient, groups, filterFloats, grid.inChannels, outputs, channel, inChannels,
          filters, gradient.floats + kernelGradient, tileScratch[thread])
      }
    }
    for channel in 0..<filters {
      var sum = biasGradient[channel]
      for part in 1..<parts { sum += biasGradient[part * outputs + channel] }
      gradient.floats[biasGradientPlace + channel] = sum
    }
  }

  // MARK: Tiles

  /// The corner of the first picture's first tile, in the border for padding `same`.
  private var corner: Int { size.zerosAbove * input.rowStride + size.zerosLeft * grid.inChannels }

  /// V of some tiles, its positions `position` floats apart.
  func transformInputs(
    _ tiles: Range<Int>, _ v: Target, _ position: Int, _ kernels: KernelTable, _ thread: Int
  ) {
    kernels.winogradInput(
      grid, tiles.lowerBound, tiles.count, input.values - corner, v, position,
      tileScratch[thread])
  }

  /// The outputs of some tiles from M.
  func transformOutputs(
    _ tiles: Range<Int>, _ m: Source, _ position: Int, _ kernels: KernelTable, _ thread: Int
  ) {
    if size.poolSize > 1 {
      kernels.winogradOutputPooled(
        grid, tiles.lowerBound, tiles.count, m, position, paddedBias, relu, output.values, codes,
        tileScratch[thread])
    } else {
      kernels.winogradOutput(
        grid, tiles.lowerBound, tiles.count, m, position, paddedBias, relu, output.values,
        tileScratch[thread])
    }
  }

  /// dM of some tiles; their outputs' gradients are added to a part of the bias's.
  func transformGradients(
    _ tiles: Range<Int>, _ m: Target, _ position: Int, part: Int, _ kernels: KernelTable,
    _ thread: Int
  ) {
    let sums = biasGradient + part * grid.outChannels
    if size.poolSize > 1 {
      kernels.winogradGradientPooled(
        grid, tiles.lowerBound, tiles.count, output.gradient, codes, m, position, sums,
        tileScratch[thread])
    } else {
      kernels.winogradGradient(
        grid, tiles.lowerBound, tiles.count, output.gradient, output.values, relu, m, position,
        sums, tileScratch[thread])
    }
  }

  /// The inputs' gradients from dV; a picture's tiles come in order.
  func transformInputGradients(
    _ tiles: Range<Int>, _ v: Source, _ position: Int, _ kernels: KernelTable, _ thread: Int
  ) {
    kernels.winogradInputGradient(
      grid, tiles.lowerBound, tiles.count, v, position, input.gradient - corner,
      tileScratch[thread])
  }
}
