import KernelInterface

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
  let layers: String
  var multiplyAdds: Int { size.multiplyAdds }
  var backwardMultiplyAdds: Int { size.multiplyAdds * (wantsInputGradient ? 2 : 1) }

  private let size: ConvolutionSize
  /// All pictures' input, or, for the first layer, one picture for each thread.
  private let input: FeatureMap
  private let wantsInputGradient: Bool
  private let readsBytes: Bool
  private let kernel: StageTensor
  private let bias: StageTensor?
  private let outChannels: Int
  /// Columns of the gradient's map.
  private let mapWidth: Int

  private let forwardBlocks: [Range<Int>]
  private let backwardBlocks: [Range<Int>]
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

  init(_ plan: StagePlan, _ size: ConvolutionSize) {
    let memory = plan.memory
    layers = plan.layers
    self.size = size
    (input, output) = (plan.input, plan.output)
    (readsBytes, wantsInputGradient) = (plan.readsBytes, plan.wantsInputGradient)
    (kernel, bias) = (plan.tensor(size.kernel), plan.tensorIfAny(.bias))
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
      ? PoolingCodes(output, size: size.poolSize, batch: plan.batch, memory: memory) : nil
    let channels = outChannels
    segmentWindows =
      codes.map { max(1, Self.segmentColumns / ($0.perWord * size.poolSize)) * $0.perWord } ?? 0
    let stripFloats = size.poolSize * size.poolSize * segmentWindows * channels
    let mapRows =
      wantsInputGradient ? size.readRows : (size.poolSize - 1) * size.convolution.strides.height + 1
    let mapFloats = (mapRows + kernelHeight - 1) * mapWidth * channels
    scratch = (0..<plan.threads).map { _ in
      Scratch(strip: memory.floats(stripFloats), map: memory.floats(mapFloats))
    }
    let row = Self.row(size, input, output)
    if size.poolSize > 1, !wantsInputGradient {
      windowGradients = (0..<plan.threads).map { _ in
        WindowGradient(size, row: row, output: plan.output, memory: memory)
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

  private var filterShape: FilterShape {
    let shape = kernel.weights.shape
    return FilterShape(area: shape[0] * shape[1], inputs: shape[2], outputs: shape[3])
  }

  private func packWeights(_ step: StepContext) {
    let weights = step.weights.floats + kernel.weights.offset
    let (shape, inStride) = (filterShape, input.channelStride)
    if let bias {
      paddedBias.update(
        from: step.weights.floats + bias.weights.offset, count: bias.weights.count)
    }
    step.pool.run(forwardBlocks.count + backwardBlocks.count) { job, _ in
      if job < forwardBlocks.count {
        let block = forwardBlocks[job]
        step.kernels.packForward(
          weights, shape: shape, inStride: inStride, block: block,
          packed: packedForward + block.lowerBound * shape.area * inStride)
      } else {
        let block = backwardBlocks[job - forwardBlocks.count]
        step.kernels.packBackward(
          weights, shape: shape, outStride: outChannels, block: block,
          packed: packedBackward + block.lowerBound * shape.area * outChannels)
      }
    }
  }

  private func forward(
    _ picture: Int, _ source: Source, _ kernels: any KernelOperations.Type, _ scratch: Scratch
  ) {
    let relu = size.convolution.activation == .relu
    let inputRow = size.convolution.strides.height * input.rowStride
    for row in 0..<size.neededHeight {
      let target = output.values + picture * output.pictureStride + row * output.rowStride
      let rows = source + row * size.poolSize * inputRow
      guard let codes else {
        kernels.convolveRow(
          convolutionRow(size.columns), input: rows, weights: packedForward,
          channels: outChannels, output: target)
        kernels.addBias(
          paddedBias, to: target, positions: size.columns, channels: outChannels, relu: relu)
        continue
      }
      for first in stride(from: 0, to: size.neededWidth, by: segmentWindows) {
        let count = min(segmentWindows, size.neededWidth - first)
        let segment = convolutionRow(count * size.poolSize)
        let stripRow = segment.positions * outChannels
        for y in 0..<size.poolSize {
          kernels.convolveRow(
            segment, input: rows + y * inputRow + first * size.poolSize * segment.inputPosition,
            weights: packedForward, channels: outChannels, output: scratch.strip + y * stripRow)
        }
        kernels.poolRows(
          WindowRow(size: size.poolSize, positions: count, channels: outChannels),
          rows: scratch.strip, rowStride: stripRow, bias: paddedBias, relu: relu,
          pooled: target + first * outChannels, codes: codes.row(row, of: picture, from: first))
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
    _ partial: Partial, _ adding: Bool, _ kernels: any KernelOperations.Type,
    _ gradient: ParameterBuffer
  ) {
    let shape = filterShape
    let target = kernel.target(in: gradient)
    if let windows = windowGradients.first {
      windows.finish(
        partial.kernel, adding: adding, filters: shape.outputs, kernels, gradient: target)
    } else {
      for tap in 0..<shape.area {
        kernels.addPartial(
          partial.kernel + tap * input.channelStride * outChannels, adding: adding,
          rows: shape.inputs, outStride: outChannels, outputs: shape.outputs,
          gradient: target + tap * shape.inputs * shape.outputs)
      }
    }
    guard let bias else { return }
    kernels.addPartial(
      partial.bias, adding: adding, rows: 1, outStride: outChannels, outputs: shape.outputs,
      gradient: bias.target(in: gradient))
  }

  private func backward(
    _ picture: Int, _ source: Source, _ kernels: any KernelOperations.Type, _ scratch: Scratch,
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
    _ kernels: any KernelOperations.Type, _ rows: Source, _ source: Source, _ gradient: Target
  ) {
    let convolutionRow = convolutionRow(size.columns)
    for kernelRow in 0..<size.convolution.kernel.height {
      kernels.addWeightGradient(
        convolutionRow, rows: size.poolSize, input: source + kernelRow * input.rowStride,
        inputRows: size.convolution.strides.height * input.rowStride, outputGradient: rows,
        gradientStrides: mapStrides, channels: outChannels,
        gradient: gradient + kernelRow * convolutionRow.run * outChannels)
    }
  }

  /// The rows and columns of the input that no computed output reads keep the gradient zero.
  private func inputGradient(_ picture: Int, _ kernels: any KernelOperations.Type, _ map: Target) {
    let mapRow = mapWidth * outChannels
    let needed = size.neededInput
    let turned = ConvolutionRow(
      positions: needed.width, inputPosition: outChannels, inputRow: mapRow,
      passes: size.convolution.kernel.height, run: size.convolution.kernel.width * outChannels,
      outputPosition: input.channelStride)
    for row in 0..<needed.height {
      kernels.convolveRow(
        turned, input: map + (row + size.zerosAbove) * mapRow + size.zerosLeft * outChannels,
        weights: packedBackward, channels: input.channelStride,
        output: input.gradient + picture * input.pictureStride + row * input.rowStride)
    }
  }

  /// Writes the gradient of the convolution's sums under one output row to `rows`, strides apart,
  /// and adds it to the bias's.
  private func spreadGradient(
    _ picture: Int, _ row: Int, _ kernels: any KernelOperations.Type, _ rows: Target,
    _ biasGradient: Target
  ) {
    let at = picture * output.pictureStride + row * output.rowStride
    if let codes {
      kernels.unpoolRow(
        WindowRow(size: size.poolSize, positions: size.neededWidth, channels: outChannels),
        gradient: output.gradient + at, codes: codes.row(row, of: picture), rows: rows,
        strides: mapStrides, sums: biasGradient)
    } else {
      kernels.copyGradient(
        output.gradient + at, values: output.values + at,
        relu: size.convolution.activation == .relu, positions: size.columns,
        channels: outChannels, target: rows, targetPosition: mapStrides.position,
        sums: biasGradient)
    }
  }

  /// Between the gradients of two neighbouring output positions in the gradient's map.
  private var mapStrides: Strides {
    Strides(
      row: size.convolution.strides.height * mapWidth * outChannels,
      position: size.convolution.strides.width * outChannels)
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
    ConvolutionRow(
      positions: size.columns, inputPosition: size.convolution.strides.width * input.channelStride,
      inputRow: input.rowStride, passes: size.convolution.kernel.height,
      run: size.convolution.kernel.width * input.channelStride,
      outputPosition: output.channelStride)
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
