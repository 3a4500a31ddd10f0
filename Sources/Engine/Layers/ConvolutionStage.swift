import KernelInterface

/// A convolution of any kernel size and stride, by matrix products, with its activation and the
/// max pooling that may follow.
///
/// The map between the two is never stored whole.
///
/// Forward: one job a picture; its rows are convolved into a strip of as many rows as a pooling
/// window has, and pooled from there. Backward: a fixed number of groups of pictures, each with a
/// weight gradient of its own, summed in the groups' order, so that the sums do not depend on the
/// number of threads. Per picture the output's gradient is copied, row by row, into a map with a
/// border of zeros, from which both gradients are read (`ConvolutionInputGradient`). The first
/// layer, whose input wants no gradient, needs only a strip, and where it is pooled not even that
/// (`WindowGradient`).
final class ConvolutionStage: Stage {
  let output: FeatureMap
  let layers: String
  var multiplyAdds: Int { size.multiplyAdds }
  var backwardMultiplyAdds: Int { size.multiplyAdds * (inputGradient == nil ? 1 : 2) }

  private let size: ConvolutionSize
  /// All pictures' input, or, for the first layer, one picture for each thread.
  private let input: FeatureMap
  /// Nil where the input wants no gradient.
  private let inputGradient: ConvolutionInputGradient?
  private let readsBytes: Bool
  private let kernel: StageTensor
  private let bias: StageTensor?
  private let outChannels: Int
  /// Columns of the gradient's map.
  private let mapWidth: Int

  private let blocks: [Range<Int>]
  private let packedWeights: Target
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
    /// The gradient of what the convolution puts out, in the border that the input's is computed
    /// with; where that is not wanted only the rows of one row of pooling windows.
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
    readsBytes = plan.readsBytes
    (kernel, bias) = (plan.tensor(size.kernel), plan.tensorIfAny(.bias))
    outChannels = output.channelStride
    let (kernelHeight, kernelWidth) = size.convolution.kernel
    inputGradient =
      plan.wantsInputGradient
      ? ConvolutionInputGradient(
        size, input: plan.input, outChannels: plan.output.channelStride, memory: memory) : nil
    let border = inputGradient?.border ?? Extent(height: 0, width: 0)
    mapWidth = size.columns + 2 * border.width
    let area = kernelHeight * kernelWidth
    let kernelFloats = area * input.channelStride * outChannels
    blocks = columnBlocks(outChannels)
    packedWeights = memory.floats(kernelFloats)
    paddedBias = memory.floats(outChannels)
    codes =
      size.poolSize > 1
      ? PoolingCodes(output, size: size.poolSize, batch: plan.batch, memory: memory) : nil
    let channels = outChannels
    segmentWindows =
      codes.map { max(1, Self.segmentColumns / ($0.perWord * size.poolSize)) * $0.perWord } ?? 0
    let stripFloats = size.poolSize * size.poolSize * segmentWindows * channels
    let mapRows = inputGradient == nil ? size.poolSize : size.rows + 2 * border.height
    let mapFloats = mapRows * mapWidth * channels
    scratch = (0..<plan.threads).map { _ in
      Scratch(strip: memory.floats(stripFloats), map: memory.floats(mapFloats))
    }
    let row = Self.row(size, input, output)
    if size.poolSize > 1, inputGradient == nil {
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
    // At inference nothing is turned.
    let inputGradient = step.gradient == nil ? nil : inputGradient
    inputGradient?.takeTaps(weights, shape)
    step.pool.run(blocks.count + (inputGradient?.packJobs ?? 0)) { job, _ in
      if job < blocks.count {
        let block = blocks[job]
        step.kernels.packForward(
          weights, shape: shape, inStride: inStride, block: block,
          packed: packedWeights + block.lowerBound * shape.area * inStride)
      } else {
        inputGradient?.pack(job - blocks.count, weights, shape, step.kernels)
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
          convolutionRow(size.columns), input: rows, weights: packedWeights,
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
            weights: packedWeights, channels: outChannels, output: scratch.strip + y * stripRow)
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
    let border = inputGradient?.border ?? Extent(height: 0, width: 0)
    // The gradient of position (0, 0).
    let map = scratch.map + (border.height * mapWidth + border.width) * outChannels
    for row in 0..<size.neededHeight {
      let first = row * size.poolSize
      let rows = inputGradient == nil ? map : map + first * mapStrides.row
      copyGradient(picture, row, kernels, rows, partial.bias)
      addWeightGradient(
        kernels, rows, source + first * size.convolution.strides.height * input.rowStride,
        partial.kernel)
    }
    inputGradient?.compute(picture, map: scratch.map, mapRow: mapStrides.row, kernels)
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

  /// Writes the gradient of the convolution's sums under one output row to `rows`, and adds it to
  /// the bias's.
  private func copyGradient(
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

  /// Between the gradients of two neighbouring positions in the gradient's map.
  private var mapStrides: Strides { Strides(row: mapWidth * outChannels, position: outChannels) }

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
