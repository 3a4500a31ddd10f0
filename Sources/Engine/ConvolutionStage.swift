import Kernels

/// A convolution of any kernel size and stride, by matrix products, with its activation and the
/// max pooling that may follow.
///
/// The map between the two is never stored whole.
///
/// Forward: one job a picture; its rows are convolved into a strip of as many rows as a pooling
/// window has, and pooled from there. Backward: a fixed number of groups of pictures, each with a
/// weight gradient of its own, summed in the groups' order, so that the sums do not depend on the
/// number of threads. Per picture the output's gradient is spread, row by row, into a map with a
/// border of zeros, from which both gradients are read: the data gradient is a convolution of that
/// map with the turned kernel. The first layer, which has no data gradient, needs only a strip, and
/// where it is pooled not even that (`WindowGradient`).
final class ConvolutionStage: Stage {
  let output: FeatureMap
  var layers: String { size.layers }
  var products: Int { size.products }
  var backwardProducts: Int { size.products * (wantsInputGradient ? 2 : 1) }

  private let size: ConvolutionSize
  /// All pictures' input, or, for the first layer, one picture for each thread.
  private let input: FeatureMap
  private let wantsInputGradient: Bool
  private let readsBytes: Bool
  private let kernel: ParameterLayout.Tensor
  private let bias: ParameterLayout.Tensor
  /// Where their gradients begin in the gradient's buffer.
  private let kernelGradient: Int
  private let biasGradientPlace: Int
  private let outChannels: Int
  /// Columns of the gradient's map.
  private let mapWidth: Int

  private let forwardBlocks: [(first: Int, width: Int)]
  private let backwardBlocks: [(first: Int, width: Int)]
  private let packedForward: Target
  private let packedBackward: Target
  private let paddedBias: Target
  /// Only with pooling.
  private let codes: PoolingCodes?
  /// Windows that are pooled at once.
  private let segmentWindows: Int
  private let scratch: [Scratch]
  /// For each thread, where the layer is pooled and its input wants no gradient.
  private var windowGradients: [WindowGradient] = []
  private let partials: [Partial]

  /// The groups of pictures that a weight gradient is summed in: part of the model's arithmetic,
  /// whatever the number of threads.
  private static let groups = 4

  /// About how many columns a strip has.
  private static let segmentColumns = 16

  /// What one thread needs while it works on one picture.
  private struct Scratch {
    /// Convolved rows of one row of pooling windows.
    let strip: Target
    /// The output's gradient, spread by the strides, in a border of kernel size - 1.
    ///
    /// Without an input gradient only the rows of one row of pooling windows.
    let map: Target
  }

  /// One group's weight gradient, [kernel height][kernel width * in][out] or as `WindowGradient`
  /// has it, and bias gradient.
  private struct Partial {
    let kernel: Target
    let kernelFloats: Int
    let bias: Target
  }

  /// - Parameter readsBytes: whether `input` has room for one picture a thread, to be made from
  ///   the step's pictures.
  init(
    _ size: ConvolutionSize, input: FeatureMap, output: FeatureMap,
    tensors: [StageTensor], batch: Int, threads: Int, wantsInputGradient: Bool,
    readsBytes: Bool, memory: PlanMemory
  ) {
    self.readsBytes = readsBytes
    self.size = size
    self.input = input
    self.output = output
    self.wantsInputGradient = wantsInputGradient
    (kernel, bias) = (tensors[0].weights, tensors[1].weights)
    (kernelGradient, biasGradientPlace) = (tensors[0].gradient.offset, tensors[1].gradient.offset)
    outChannels = output.channelStride
    let (kernelHeight, kernelWidth) = size.convolution.kernel
    mapWidth = size.readColumns + kernelWidth - 1
    let area = kernelHeight * kernelWidth
    let kernelFloats = area * input.channelStride * outChannels
    forwardBlocks = columnBlocks(outChannels)
    backwardBlocks = wantsInputGradient ? columnBlocks(input.channelStride) : []
    packedForward = memory.floats(kernelFloats)
    packedBackward = memory.floats(
      wantsInputGradient ? area * input.channelStride * outChannels : 0)
    paddedBias = memory.floats(outChannels)
    codes =
      size.poolSize > 1
      ? PoolingCodes(output, size: size.poolSize, batch: batch, memory: memory) : nil
    let channels = outChannels
    segmentWindows =
      codes.map { max(1, Self.segmentColumns / ($0.perWord * size.poolSize)) * $0.perWord } ?? 0
    let stripFloats = size.poolSize * size.poolSize * segmentWindows * channels
    let mapRows =
      wantsInputGradient ? size.readRows : (size.poolSize - 1) * size.convolution.strides.height + 1
    let mapFloats = (mapRows + kernelHeight - 1) * mapWidth * channels
    scratch = (0..<threads).map { _ in
      Scratch(strip: memory.floats(stripFloats), map: memory.floats(mapFloats))
    }
    let row = Self.row(size, input, output)
    if size.poolSize > 1, !wantsInputGradient {
      windowGradients = (0..<threads).map { _ in
        WindowGradient(size, row: row, output: output, memory: memory)
      }
    }
    let partialFloats = windowGradients.first?.floats ?? kernelFloats
    partials = (0..<Self.groups).map { _ in
      Partial(
        kernel: memory.floats(partialFloats), kernelFloats: partialFloats,
        bias: memory.floats(channels))
    }
  }

  // MARK: Forward

  func forward(_ step: StepContext) {
    packWeights(step)
    step.pool.run(step.batch) { picture, thread in
      forward(
        picture, inputCorner(picture, thread, step), step.kernels, scratch[thread])
    }
  }

  private func packWeights(_ step: StepContext) {
    let weights = step.weights.floats + kernel.offset
    let (area, inChannels) = (kernel.shape[0] * kernel.shape[1], kernel.shape[2])
    let filters = size.convolution.filters
    let inStride = input.channelStride
    paddedBias.update(from: step.weights.floats + bias.offset, count: bias.count)
    step.pool.run(forwardBlocks.count + backwardBlocks.count) { job, _ in
      if job < forwardBlocks.count {
        let (first, width) = forwardBlocks[job]
        step.kernels.packForward(
          weights, first, width, area, inChannels, inStride, filters,
          packedForward + first * area * inStride)
      } else {
        let (first, width) = backwardBlocks[job - forwardBlocks.count]
        step.kernels.packBackward(
          weights, first, width, area, inChannels, filters, outChannels,
          packedBackward + first * area * outChannels)
      }
    }
  }

  private func forward(
    _ picture: Int, _ source: Source, _ kernels: KernelTable, _ scratch: Scratch
  ) {
    let relu = size.convolution.activation == .relu
    let inputRow = size.convolution.strides.height * input.rowStride
    for row in 0..<size.neededHeight {
      let target = output.values + picture * output.pictureStride + row * output.rowStride
      let rows = source + row * size.poolSize * inputRow
      guard let codes else {
        kernels.convolveRow(convolutionRow(size.columns), rows, packedForward, outChannels, target)
        kernels.addBias(paddedBias, target, size.columns, outChannels, relu)
        continue
      }
      for first in stride(from: 0, to: size.neededWidth, by: segmentWindows) {
        let count = min(segmentWindows, size.neededWidth - first)
        let segment = convolutionRow(count * size.poolSize)
        let stripRow = segment.positions * outChannels
        for y in 0..<size.poolSize {
          kernels.convolveRow(
            segment, rows + y * inputRow + first * size.poolSize * segment.inputPosition,
            packedForward, outChannels, scratch.strip + y * stripRow)
        }
        kernels.poolRows(
          scratch.strip, stripRow, size.poolSize, count, outChannels, paddedBias, relu,
          target + first * outChannels, codes.row(row, of: picture, from: first))
      }
    }
  }

  // MARK: Backward

  func backward(_ step: StepContext) {
    guard let gradient = step.gradient else { return }
    step.pool.run(Self.groups) { group, thread in
      let partial = partials[group]
      partial.kernel.update(repeating: 0, count: partial.kernelFloats)
      partial.bias.update(repeating: 0, count: outChannels)
      for picture in step.batch * group / Self.groups..<step.batch * (group + 1) / Self.groups {
        let source = inputCorner(picture, thread, step)
        if let codes, !windowGradients.isEmpty {
          windowGradients[thread].add(
            picture, source, codes, step.kernels, kernelSums: partial.kernel,
            biasSums: partial.bias)
        } else {
          backward(picture, source, step.kernels, scratch[thread], partial)
        }
      }
    }
    for (group, partial) in partials.enumerated() {
      add(partial, group > 0, step.kernels, gradient)
    }
  }

  /// Adds one group's sums to the gradient, or sets it.
  private func add(
    _ partial: Partial, _ adding: Bool, _ kernels: KernelTable, _ gradient: ParameterBuffer
  ) {
    let (inChannels, filters) = (kernel.shape[2], kernel.shape[3])
    let target = gradient.floats + kernelGradient
    if let windows = windowGradients.first {
      windows.finish(partial.kernel, adding: adding, filters: filters, kernels, gradient: target)
    } else {
      for tap in 0..<kernel.shape[0] * kernel.shape[1] {
        kernels.addPartial(
          partial.kernel + tap * input.channelStride * outChannels, adding, inChannels,
          outChannels, filters, target + tap * inChannels * filters)
      }
    }
    kernels.addPartial(
      partial.bias, adding, 1, outChannels, filters, gradient.floats + biasGradientPlace)
  }

  private func backward(
    _ picture: Int, _ source: Source, _ kernels: KernelTable, _ scratch: Scratch,
    _ partial: Partial
  ) {
    let (kernelHeight, kernelWidth) = size.convolution.kernel
    let mapRow = mapWidth * outChannels
    // The gradient of output position (0, 0).
    let map = scratch.map + (kernelHeight - 1) * mapRow + (kernelWidth - 1) * outChannels
    let strideHeight = size.convolution.strides.height
    for row in 0..<size.neededHeight {
      let first = row * size.poolSize
      let rows = wantsInputGradient ? map + first * strideHeight * mapRow : map
      spreadGradient(picture, row, kernels, rows, partial.bias)
      addWeightGradient(
        kernels, rows, source + first * strideHeight * input.rowStride, partial.kernel)
    }
    if wantsInputGradient { inputGradient(picture, kernels, scratch.map) }
  }

  /// Adds what the rows of one row of pooling windows contribute.
  /// - Parameter source: what the first of them reads.
  private func addWeightGradient(
    _ kernels: KernelTable, _ rows: Source, _ source: Source, _ gradient: Target
  ) {
    let convolutionRow = convolutionRow(size.columns)
    let (strideHeight, strideWidth) = size.convolution.strides
    for kernelRow in 0..<size.convolution.kernel.height {
      kernels.addWeightGradient(
        convolutionRow, size.poolSize, source + kernelRow * input.rowStride,
        strideHeight * input.rowStride, rows, strideWidth * outChannels,
        strideHeight * mapWidth * outChannels, outChannels,
        gradient + kernelRow * convolutionRow.run * outChannels)
    }
  }

  /// The rows and columns of the input that no computed output reads keep the gradient zero.
  private func inputGradient(_ picture: Int, _ kernels: KernelTable, _ map: Target) {
    let mapRow = mapWidth * outChannels
    let needed = size.neededInput
    let turned: ConvolutionRow = (
      positions: needed.width, inputPosition: outChannels, inputRow: mapRow,
      passes: size.convolution.kernel.height, run: size.convolution.kernel.width * outChannels,
      outputPosition: input.channelStride
    )
    for row in 0..<needed.height {
      kernels.convolveRow(
        turned, map + (row + size.zerosAbove) * mapRow + size.zerosLeft * outChannels,
        packedBackward, input.channelStride,
        input.gradient + picture * input.pictureStride + row * input.rowStride)
    }
  }

  /// Writes the gradient of the convolution's sums under one output row to `rows`, strides apart,
  /// and adds it to the bias's.
  private func spreadGradient(
    _ picture: Int, _ row: Int, _ kernels: KernelTable, _ rows: Target, _ biasGradient: Target
  ) {
    let rowStride = size.convolution.strides.height * mapWidth * outChannels
    let positionStride = size.convolution.strides.width * outChannels
    let at = picture * output.pictureStride + row * output.rowStride
    if let codes {
      kernels.unpoolRow(
        output.gradient + at, codes.row(row, of: picture), size.poolSize, size.neededWidth,
        outChannels, rows, rowStride, positionStride, biasGradient)
    } else {
      kernels.copyGradient(
        output.gradient + at, output.values + at, size.convolution.activation == .relu,
        size.columns, outChannels, rows, positionStride, biasGradient)
    }
  }

  private func convolutionRow(_ positions: Int) -> ConvolutionRow {
    var row = Self.row(size, input, output)
    row.positions = positions
    return row
  }

  /// One output row of all columns.
  private static func row(
    _ size: ConvolutionSize, _ input: FeatureMap, _ output: FeatureMap
  ) -> ConvolutionRow {
    (
      positions: size.columns, inputPosition: size.convolution.strides.width * input.channelStride,
      inputRow: input.rowStride, passes: size.convolution.kernel.height,
      run: size.convolution.kernel.width * input.channelStride,
      outputPosition: output.channelStride
    )
  }

  /// Where the first output position of a picture reads first: in the border for padding `same`.
  ///
  /// The first layer makes floats of the picture's bytes whenever it reads them: in the cache that
  /// takes less time than fetching floats from memory.
  private func inputCorner(_ picture: Int, _ thread: Int, _ step: StepContext) -> Source {
    var place = picture
    if readsBytes {
      place = thread
      input.read(step.pictures[picture], at: place, size.neededInput, step.kernels)
    }
    return Source(
      input.values + place * input.pictureStride - size.zerosAbove * input.rowStride
        - size.zerosLeft * input.channelStride)
  }
}
