import Kernels

/// A 3 x 3 convolution of stride 1 by Winograd's F(4x4, 3x3), with its activation and the 2 x 2 max
/// pooling that may follow.
///
/// `Kernels/Winograd.swift` tells a tile's journey.
///
/// The pictures are cut into a fixed number of groups; a group's tiles are taken in blocks, and
/// backward each group has a weight gradient of its own, summed in the groups' order, so that the
/// bits do not depend on the number of threads.
final class WinogradStage: Stage {
  let output: FeatureMap
  var layers: String { size.layers }
  var products: Int { size.products }

  private let size: ConvolutionSize
  private let input: FeatureMap
  private let wantsInputGradient: Bool
  private let kernel: ParameterLayout.Tensor
  private let bias: ParameterLayout.Tensor
  /// Where their gradients begin in the gradient's buffer.
  private let kernelGradient: Int
  private let biasGradientPlace: Int
  private let grid: TileGrid
  /// Floats of U, V's and M's positions.
  private let filterPosition: Int
  private let inputPosition: Int
  private let outputPosition: Int

  private let blocks: [(first: Int, width: Int)]
  private let transposedBlocks: [(first: Int, width: Int)]
  private let paddedWeights: Target
  private let filter: Target
  private let transposedWeights: Target
  private let transposedFilter: Target
  private let paddedBias: Target
  private let filterScratch: Target
  /// [tile of the batch][out]; only with pooling.
  private let codes: UnsafeMutablePointer<Int32>
  private let scratch: [Scratch]
  /// [groups][36][in][out] and [groups][out].
  private let filterGradient: Target
  private let biasGradient: Target

  /// Groups of pictures: part of the sums, whatever the machine.
  private static let groups = 4
  /// The most tiles of a block; the sums do not depend on it.
  ///
  /// Few enough that V and M of a block stay in the second-level cache, or, where U is large
  /// itself, enough that reading and writing U's gradient costs little.
  private let tilesPerBlock: Int

  /// What one thread needs while it works on a block of tiles.
  private struct Scratch {
    let v: Target
    let m: Target
    let tile: Target
  }

  init(
    _ size: ConvolutionSize, input: FeatureMap, output: FeatureMap,
    tensors: [StageTensor], batch: Int, threads: Int, wantsInputGradient: Bool
  ) {
    self.size = size
    self.input = input
    self.output = output
    self.wantsInputGradient = wantsInputGradient
    (kernel, bias) = (tensors[0].weights, tensors[1].weights)
    (kernelGradient, biasGradientPlace) = (tensors[0].gradient.offset, tensors[1].gradient.offset)
    let (inputs, outputs) = (input.channelStride, output.channelStride)
    grid = (
      rows: size.tileRows, columns: size.tileColumns, inputRow: input.rowStride,
      inputPicture: input.pictureStride, inChannels: inputs, outputRow: output.rowStride,
      outputPicture: output.pictureStride, outChannels: outputs,
      outputHeight: size.neededHeight, outputWidth: size.neededWidth
    )
    tilesPerBlock = inputs * outputs <= 32 * 64 ? 36 : 84
    filterPosition = inputs * outputs + winogradGap
    inputPosition = tilesPerBlock * inputs + winogradGap
    outputPosition = tilesPerBlock * outputs + winogradGap
    let (vFloats, mFloats) = (
      winogradPositions * inputPosition, winogradPositions * outputPosition
    )
    let filterFloats = winogradPositions * filterPosition
    blocks = columnBlocks(outputs)
    transposedBlocks = wantsInputGradient ? columnBlocks(inputs) : []
    paddedWeights = allocateFloats(9 * inputs * outputs)
    filter = allocateFloats(filterFloats)
    transposedWeights = allocateFloats(wantsInputGradient ? 9 * inputs * outputs : 0)
    transposedFilter = allocateFloats(wantsInputGradient ? filterFloats : 0)
    paddedBias = allocateFloats(outputs)
    filterScratch = allocateFloats(threads * winogradScratch)
    let codeCount = size.poolSize > 1 ? batch * grid.rows * grid.columns * outputs : 1
    codes = .allocate(capacity: codeCount)
    codes.initialize(repeating: 0, count: codeCount)
    scratch = (0..<threads).map { _ in
      Scratch(
        v: allocateFloats(vFloats), m: allocateFloats(mFloats),
        tile: allocateFloats(winogradScratch))
    }
    filterGradient = allocateFloats(Self.groups * filterFloats)
    biasGradient = allocateFloats(Self.groups * outputs)
  }

  deinit {
    for memory in [
      paddedWeights, filter, transposedWeights, transposedFilter, paddedBias, filterScratch,
      filterGradient, biasGradient,
    ] { memory.deallocate() }
    codes.deallocate()
    for part in scratch {
      part.v.deallocate()
      part.m.deallocate()
      part.tile.deallocate()
    }
  }

  // MARK: Forward

  func forward(_ step: StepContext) {
    paddedBias.update(from: step.weights.floats + bias.offset, count: bias.count)
    transformFilters(step)
    // Blocks of tiles share nothing: one job each.
    let pictures = 0..<step.batch
    step.pool.run(blockCount(of: pictures)) { block, thread in
      forward(tiles(block, of: pictures), step.kernels, scratch[thread])
    }
  }

  /// The blocks that the tiles of `pictures` are cut into, evenly.
  private func blockCount(of pictures: Range<Int>) -> Int {
    (pictures.count * grid.rows * grid.columns + tilesPerBlock - 1) / tilesPerBlock
  }

  /// The tiles of one block.
  private func tiles(_ block: Int, of pictures: Range<Int>) -> Range<Int> {
    let (blocks, tilesPerPicture) = (blockCount(of: pictures), grid.rows * grid.columns)
    let (first, count) = (
      pictures.lowerBound * tilesPerPicture, pictures.count * tilesPerPicture
    )
    return first + count * block / blocks..<first + count * (block + 1) / blocks
  }

  private func transformFilters(_ step: StepContext) {
    let kernels = step.kernels
    let weights = step.weights.floats + kernel.offset
    let (inputs, outputs) = (grid.inChannels, grid.outChannels)
    let (inChannels, filters) = (kernel.shape[2], kernel.shape[3])
    step.pool.run(wantsInputGradient ? 2 : 1) { job, _ in
      if job == 0 {
        kernels.winogradPad(weights, inChannels, filters, inputs, outputs, false, paddedWeights)
      } else {
        kernels.winogradPad(weights, inChannels, filters, outputs, inputs, true, transposedWeights)
      }
    }
    step.pool.run(blocks.count + transposedBlocks.count) { job, thread in
      let tile = filterScratch + thread * winogradScratch
      if job < blocks.count {
        let (first, width) = blocks[job]
        kernels.winogradFilter(paddedWeights, inputs, outputs, first, width, filter, tile)
      } else {
        let (first, width) = transposedBlocks[job - blocks.count]
        kernels.winogradFilter(
          transposedWeights, outputs, inputs, first, width, transposedFilter, tile)
      }
    }
  }

  /// The corner of the first picture's first tile, in the border for padding `same`.
  private var corner: Int { size.zerosAbove * input.rowStride + size.zerosLeft * grid.inChannels }

  private func forward(_ tiles: Range<Int>, _ kernels: KernelTable, _ scratch: Scratch) {
    let (first, count) = (tiles.lowerBound, tiles.count)
    let relu = size.convolution.activation == .relu
    kernels.winogradInput(
      grid, first, count, input.values - corner, scratch.v, inputPosition, scratch.tile)
    kernels.winogradProducts(
      grid, count, scratch.v, inputPosition, filter, scratch.m, outputPosition)
    if size.poolSize > 1 {
      kernels.winogradOutputPooled(
        grid, first, count, scratch.m, outputPosition, paddedBias, relu, output.values, codes,
        scratch.tile)
    } else {
      kernels.winogradOutput(
        grid, first, count, scratch.m, outputPosition, paddedBias, relu, output.values,
        scratch.tile)
    }
  }

  // MARK: Backward

  func backward(_ step: StepContext) {
    guard let gradient = step.gradient else { return }
    let outputs = grid.outChannels
    let filterFloats = winogradPositions * filterPosition
    // No group is empty, so that the first block of each can set its gradient.
    let groups = min(Self.groups, step.batch)
    step.pool.run(groups) { group, thread in
      (biasGradient + group * outputs).update(repeating: 0, count: outputs)
      let pictures = step.batch * group / groups..<step.batch * (group + 1) / groups
      for block in 0..<blockCount(of: pictures) {
        backward(
          tiles(block, of: pictures), group, isFirst: block == 0, step.kernels, scratch[thread])
      }
    }
    let (inChannels, filters) = (kernel.shape[2], kernel.shape[3])
    step.pool.run(inChannels) { channel, thread in
      step.kernels.winogradFilterGradient(
        filterGradient, groups, filterFloats, grid.inChannels, outputs, channel, inChannels,
        filters, gradient.floats + kernelGradient, filterScratch + thread * winogradScratch)
    }
    for channel in 0..<filters {
      var sum = biasGradient[channel]
      for group in 1..<groups { sum += biasGradient[group * outputs + channel] }
      gradient.floats[biasGradientPlace + channel] = sum
    }
  }

  private func backward(
    _ tiles: Range<Int>, _ group: Int, isFirst: Bool, _ kernels: KernelTable, _ scratch: Scratch
  ) {
    let (first, count) = (tiles.lowerBound, tiles.count)
    let relu = size.convolution.activation == .relu
    let biasSums = biasGradient + group * grid.outChannels
    kernels.winogradInput(
      grid, first, count, input.values - corner, scratch.v, inputPosition, scratch.tile)
    if size.poolSize > 1 {
      kernels.winogradGradientPooled(
        grid, first, count, output.gradient, codes, scratch.m, outputPosition, biasSums,
        scratch.tile)
    } else {
      kernels.winogradGradient(
        grid, first, count, output.gradient, output.values, relu, scratch.m, outputPosition,
        biasSums, scratch.tile)
    }
    kernels.winogradGradientProducts(
      grid, count, scratch.v, inputPosition, scratch.m, outputPosition,
      wantsInputGradient ? transposedFilter : nil,
      filterGradient + group * winogradPositions * filterPosition, !isFirst)
    if wantsInputGradient {
      kernels.winogradInputGradient(
        grid, first, count, scratch.v, inputPosition, input.gradient - corner, scratch.tile)
    }
  }
}
