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
  private let grid: TileGrid
  /// Floats of U, V's and M's positions.
  private let filterPosition: Int
  private let inputPosition: Int
  private let outputPosition: Int

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
  /// Tiles of a block; 36 of 64 and 128 channels take 1 MB, a second-level cache.
  private static let tilesPerBlock = 36

  /// What one thread needs while it works on a block of tiles.
  private struct Scratch {
    let v: Target
    let m: Target
    let tile: Target
  }

  init(
    _ size: ConvolutionSize, input: FeatureMap, output: FeatureMap,
    tensors: [ParameterLayout.Tensor], batch: Int, threads: Int, wantsInputGradient: Bool
  ) {
    self.size = size
    self.input = input
    self.output = output
    self.wantsInputGradient = wantsInputGradient
    (kernel, bias) = (tensors[0], tensors[1])
    let (inputs, outputs) = (input.channelStride, output.channelStride)
    grid = (
      rows: size.tileRows, columns: size.tileColumns, inputRow: input.rowStride,
      inputPicture: input.pictureStride, inChannels: inputs, outputRow: output.rowStride,
      outputPicture: output.pictureStride, outChannels: outputs,
      outputHeight: size.neededHeight, outputWidth: size.neededWidth
    )
    filterPosition = inputs * outputs + winogradGap
    inputPosition = Self.tilesPerBlock * inputs + winogradGap
    outputPosition = Self.tilesPerBlock * outputs + winogradGap
    let (vFloats, mFloats) = (
      winogradPositions * inputPosition, winogradPositions * outputPosition
    )
    let filterFloats = winogradPositions * filterPosition
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
    let tiles = step.batch * grid.rows * grid.columns
    let blocks = (tiles + Self.tilesPerBlock - 1) / Self.tilesPerBlock
    step.pool.run(blocks) { block, thread in
      let first = block * Self.tilesPerBlock
      forward(first, min(Self.tilesPerBlock, tiles - first), step.kernels, scratch[thread])
    }
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
    let blocks = outputs / blockColumns
    let transposedBlocks = wantsInputGradient ? inputs / blockColumns : 0
    step.pool.run(blocks + transposedBlocks) { job, thread in
      let tile = filterScratch + thread * winogradScratch
      if job < blocks {
        kernels.winogradFilter(paddedWeights, inputs, outputs, job, filter, tile)
      } else {
        kernels.winogradFilter(
          transposedWeights, outputs, inputs, job - blocks, transposedFilter, tile)
      }
    }
  }

  /// The corner of the first picture's first tile, in the border for padding `same`.
  private var corner: Int { size.zerosAbove * input.rowStride + size.zerosLeft * grid.inChannels }

  private func forward(_ first: Int, _ count: Int, _ kernels: KernelTable, _ scratch: Scratch) {
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
    let tilesPerPicture = grid.rows * grid.columns
    step.pool.run(Self.groups) { group, thread in
      (filterGradient + group * filterFloats).update(repeating: 0, count: filterFloats)
      (biasGradient + group * outputs).update(repeating: 0, count: outputs)
      var first = step.batch * group / Self.groups * tilesPerPicture
      let end = step.batch * (group + 1) / Self.groups * tilesPerPicture
      while first < end {
        let count = min(Self.tilesPerBlock, end - first)
        backward(first, count, group, step.kernels, scratch[thread])
        first += count
      }
    }
    let (inChannels, filters) = (kernel.shape[2], kernel.shape[3])
    step.pool.run(inChannels) { channel, thread in
      step.kernels.winogradFilterGradient(
        filterGradient, Self.groups, filterFloats, grid.inChannels, outputs, channel, inChannels,
        filters, gradient.floats + kernel.offset, filterScratch + thread * winogradScratch)
    }
    for channel in 0..<filters {
      var sum = biasGradient[channel]
      for group in 1..<Self.groups { sum += biasGradient[group * outputs + channel] }
      gradient.floats[bias.offset + channel] = sum
    }
  }

  private func backward(
    _ first: Int, _ count: Int, _ group: Int, _ kernels: KernelTable, _ scratch: Scratch
  ) {
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
      filterGradient + group * winogradPositions * filterPosition)
    if wantsInputGradient {
      kernels.winogradInputGradient(
        grid, first, count, scratch.v, inputPosition, input.gradient - corner, scratch.tile)
    }
  }
}
