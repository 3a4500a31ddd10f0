import Kernels

/// A convolution with its activation and, where max pooling follows, the pooling: the map between
/// the two is never stored whole. Any kernel size and stride, by matrix products.
///
/// Forward: one job a picture; its rows are convolved into a strip of as many rows as a pooling
/// window has, and pooled from there. Backward: a fixed number of groups of pictures, each with a
/// weight gradient of its own, summed in the groups' order, so that the sums do not depend on the
/// number of threads. Per picture the output's gradient is spread into a map with a border of
/// zeros, from which both gradients are read: the data gradient is a convolution of that map with
/// the turned kernel.
final class ConvolutionStage: Stage {
  let output: FeatureMap

  private let convolution: Convolution
  private let poolSize: Int
  private let input: FeatureMap
  private let wantsInputGradient: Bool
  private let kernel: ParameterLayout.Tensor
  private let bias: ParameterLayout.Tensor

  // Sizes of the padded input, of the output positions that count, and of the gradient's map.
  private let paddedHeight: Int
  private let paddedWidth: Int
  private let zerosAbove: Int
  private let zerosLeft: Int
  private let rows: Int
  private let columns: Int
  private let outChannels: Int
  private let mapWidth: Int

  private let packedForward: Target
  private let packedBackward: Target
  private let paddedBias: Target
  /// [batch][height][width][channels] of the pooled output; empty without pooling.
  private let codes: UnsafeMutablePointer<Int32>
  private let scratch: [Scratch]
  private let partials: [Partial]

  /// The groups of pictures that a weight gradient is summed in: part of the model's arithmetic,
  /// whatever the number of threads.
  private static let groups = 4

  /// What one thread needs while it works on one picture.
  private struct Scratch {
    /// The input with its border of zeros; only for padding `same`.
    let input: Target
    /// Convolved rows of one row of pooling windows.
    let strip: Target
    /// The output's gradient, spread by the strides, in a border of kernel size - 1.
    let map: Target
  }

  /// One group's weight gradient, [kernel height][kernel width * in][out], and bias gradient.
  private struct Partial {
    let kernel: Target
    let bias: Target
  }

  /// - Parameter poolSize: 1 for no pooling.
  init(
    _ convolution: Convolution, poolSize: Int, input: FeatureMap, outputShape: Shape,
    tensors: [ParameterLayout.Tensor], batch: Int, threads: Int, wantsInputGradient: Bool
  ) {
    let (kernelHeight, kernelWidth) = convolution.kernel
    let (strideHeight, strideWidth) = convolution.strides
    self.convolution = convolution
    self.poolSize = poolSize
    self.input = input
    self.wantsInputGradient = wantsInputGradient
    (kernel, bias) = (tensors[0], tensors[1])
    output = FeatureMap(outputShape, batch: batch)
    outChannels = output.channelStride
    rows = outputShape.height * poolSize
    columns = outputShape.width * poolSize
    let shape = input.shape
    zerosAbove = convolution.zerosBefore(shape.height, kernelHeight, strideHeight)
    zerosLeft = convolution.zerosBefore(shape.width, kernelWidth, strideWidth)
    let allRows = convolution.outputSize(shape.height, kernelHeight, strideHeight)
    let allColumns = convolution.outputSize(shape.width, kernelWidth, strideWidth)
    paddedHeight = max(
      shape.height + zerosAbove, (allRows - 1) * strideHeight + kernelHeight)
    paddedWidth = max(
      shape.width + zerosLeft, (allColumns - 1) * strideWidth + kernelWidth)
    mapWidth = paddedWidth + kernelWidth - 1

    let area = kernelHeight * kernelWidth
    let kernelFloats = area * input.channelStride * outChannels
    packedForward = allocateFloats(kernelFloats)
    packedBackward = allocateFloats(
      wantsInputGradient ? area * padded(shape.channels) * outChannels : 0)
    paddedBias = allocateFloats(outChannels)
    let codeCount = poolSize > 1 ? batch * output.pictureStride : 1
    codes = .allocate(capacity: codeCount)
    codes.initialize(repeating: 0, count: codeCount)
    let (stripFloats, inputFloats, mapFloats) = (
      poolSize * columns * outChannels, paddedHeight * paddedWidth * input.channelStride,
      (paddedHeight + kernelHeight - 1) * mapWidth * outChannels
    )
    let channels = outChannels
    scratch = (0..<threads).map { _ in
      Scratch(
        input: allocateFloats(convolution.padding == .same ? inputFloats : 0),
        strip: allocateFloats(stripFloats), map: allocateFloats(mapFloats))
    }
    partials = (0..<Self.groups).map { _ in
      Partial(kernel: allocateFloats(kernelFloats), bias: allocateFloats(channels))
    }
  }

  deinit {
    for memory in [packedForward, packedBackward, paddedBias] { memory.deallocate() }
    codes.deallocate()
    for part in scratch {
      part.input.deallocate()
      part.strip.deallocate()
      part.map.deallocate()
    }
    for part in partials {
      part.kernel.deallocate()
      part.bias.deallocate()
    }
  }

  // MARK: Forward

  func forward(_ step: StepContext) {
    packWeights(step)
    step.pool.run(step.batch) { picture, thread in
      forward(picture, step.kernels, scratch[thread])
    }
  }

  private func packWeights(_ step: StepContext) {
    let weights = step.weights.floats + kernel.offset
    let (area, inChannels) = (kernel.shape[0] * kernel.shape[1], kernel.shape[2])
    let forwardBlocks = outChannels / blockColumns
    let backwardBlocks = wantsInputGradient ? padded(inChannels) / blockColumns : 0
    paddedBias.update(from: step.weights.floats + bias.offset, count: bias.count)
    step.pool.run(forwardBlocks + backwardBlocks) { job, _ in
      if job < forwardBlocks {
        step.kernels.packForward(
          weights, job, area, inChannels, input.channelStride, convolution.filters, packedForward)
      } else {
        step.kernels.packBackward(
          weights, job - forwardBlocks, area, inChannels, convolution.filters, outChannels,
          packedBackward)
      }
    }
  }

  private func forward(_ picture: Int, _ kernels: KernelTable, _ scratch: Scratch) {
    let source = paddedInput(picture, kernels, scratch)
    let stripRow = columns * outChannels
    let relu = convolution.activation == .relu
    for row in 0..<output.shape.height {
      let target = output.values + picture * output.pictureStride + row * output.rowStride
      for y in 0..<poolSize {
        kernels.convolveRow(
          convolutionRow,
          source + (row * poolSize + y) * convolution.strides.height * inputRow, packedForward,
          outChannels, poolSize == 1 ? target : scratch.strip + y * stripRow)
      }
      if poolSize == 1 {
        kernels.addBias(paddedBias, target, columns, outChannels, relu)
      } else {
        kernels.poolRows(
          scratch.strip, stripRow, poolSize, output.shape.width, outChannels, paddedBias, relu,
          target, codes + picture * output.pictureStride + row * output.rowStride)
      }
    }
  }

  // MARK: Backward

  func backward(_ step: StepContext) {
    guard let gradient = step.gradient else { return }
    step.pool.run(Self.groups) { group, thread in
      let partial = partials[group]
      partial.kernel.update(
        repeating: 0, count: kernel.shape[0] * kernel.shape[1] * input.channelStride * outChannels)
      partial.bias.update(repeating: 0, count: outChannels)
      for picture in step.batch * group / Self.groups..<step.batch * (group + 1) / Self.groups {
        backward(picture, step.kernels, scratch[thread], partial)
      }
    }
    let rows = kernel.shape[0] * kernel.shape[1]
    step.pool.run(rows + 1) { job, _ in
      if job < rows {
        sumKernelPartials(tap: job, step.kernels, gradient.floats + kernel.offset)
      } else {
        sumBiasPartials(gradient.floats + bias.offset)
      }
    }
  }

  private func sumKernelPartials(tap: Int, _ kernels: KernelTable, _ gradient: Target) {
    let partialTap = input.channelStride * outChannels
    let (inChannels, filters) = (kernel.shape[2], convolution.filters)
    for (group, partial) in partials.enumerated() {
      kernels.addPartial(
        partial.kernel + tap * partialTap, group > 0, inChannels, outChannels, filters,
        gradient + tap * inChannels * filters)
    }
  }

  private func sumBiasPartials(_ gradient: Target) {
    for channel in 0..<convolution.filters {
      gradient[channel] = partials.dropFirst().reduce(partials[0].bias[channel]) {
        $0 + $1.bias[channel]
      }
    }
  }

  private func backward(
    _ picture: Int, _ kernels: KernelTable, _ scratch: Scratch, _ partial: Partial
  ) {
    let (kernelHeight, kernelWidth) = convolution.kernel
    let (strideHeight, strideWidth) = convolution.strides
    let mapRow = mapWidth * outChannels
    // The gradient of output position (0, 0).
    let map = scratch.map + (kernelHeight - 1) * mapRow + (kernelWidth - 1) * outChannels
    spreadGradient(picture, kernels, map)
    for row in 0..<rows {
      kernels.addBiasGradient(
        map + row * strideHeight * mapRow, columns, strideWidth * outChannels, outChannels,
        partial.bias)
    }
    let source = paddedInput(picture, kernels, scratch)
    // Enough positions a call that loading and storing the sums costs little.
    let rowsAtOnce = max(1, 64 / columns)
    for row in stride(from: 0, to: rows, by: rowsAtOnce) {
      for kernelRow in 0..<kernelHeight {
        kernels.addWeightGradient(
          convolutionRow, min(rowsAtOnce, rows - row),
          source + (row * strideHeight + kernelRow) * inputRow, strideHeight * inputRow,
          map + row * strideHeight * mapRow, strideWidth * outChannels, strideHeight * mapRow,
          outChannels, partial.kernel + kernelRow * convolutionRow.run * outChannels)
      }
    }
    guard wantsInputGradient else { return }
    let turned: ConvolutionRow = (
      positions: input.shape.width, inputPosition: outChannels, inputRow: mapRow,
      passes: kernelHeight, run: kernelWidth * outChannels, outputPosition: input.channelStride
    )
    for row in 0..<input.shape.height {
      kernels.convolveRow(
        turned, scratch.map + (row + zerosAbove) * mapRow + zerosLeft * outChannels,
        packedBackward, input.channelStride,
        input.gradient + picture * input.pictureStride + row * input.rowStride)
    }
  }

  /// Writes the gradient of the convolution's sums to `map`, strides apart.
  private func spreadGradient(_ picture: Int, _ kernels: KernelTable, _ map: Target) {
    let rowStride = convolution.strides.height * mapWidth * outChannels
    let positionStride = convolution.strides.width * outChannels
    for row in 0..<output.shape.height {
      let at = picture * output.pictureStride + row * output.rowStride
      if poolSize == 1 {
        kernels.copyGradient(
          output.gradient + at, output.values + at, convolution.activation == .relu, columns,
          outChannels, map + row * rowStride, positionStride)
      } else {
        kernels.unpoolRow(
          output.gradient + at, codes + at, poolSize, output.shape.width, outChannels,
          map + row * poolSize * rowStride, rowStride, positionStride)
      }
    }
  }

  // MARK: The input

  private var inputRow: Int {
    (convolution.padding == .same ? paddedWidth : input.shape.width) * input.channelStride
  }

  private var convolutionRow: ConvolutionRow {
    (
      positions: columns, inputPosition: convolution.strides.width * input.channelStride,
      inputRow: inputRow, passes: convolution.kernel.height,
      run: convolution.kernel.width * input.channelStride, outputPosition: outChannels
    )
  }

  /// The picture's input; for padding `same` a copy with its border of zeros.
  private func paddedInput(_ picture: Int, _ kernels: KernelTable, _ scratch: Scratch) -> Source {
    let values = input.values + picture * input.pictureStride
    guard convolution.padding == .same else { return Source(values) }
    kernels.copyRows(
      values, input.rowStride,
      scratch.input + zerosAbove * inputRow + zerosLeft * input.channelStride, inputRow,
      input.shape.height, input.rowStride)
    return Source(scratch.input)
  }
}
