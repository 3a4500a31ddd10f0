import KernelInterface

/// A convolution of 1 x 1 with its relu: matrix products over runs of positions, as long as the
/// cache holds what they read.
///
/// Forward a job is a picture. Backward a fixed number of groups of pictures have a weight gradient
/// each, summed in the groups' order. Positions that the strides leave out keep the gradient zero.
final class PointwiseStage: Stage {
  let output: FeatureMap
  let layers: String
  var multiplyAdds: Int { size.multiplyAdds }
  var backwardMultiplyAdds: Int { size.multiplyAdds * (wantsInputGradient ? 2 : 1) }

  private let size: ConvolutionSize
  private let input: FeatureMap
  private let kernel: StageTensor
  private let bias: StageTensor?
  private let wantsInputGradient: Bool
  private let forwardBlocks: [Range<Int>]
  private let backwardBlocks: [Range<Int>]
  private let packedForward: Target
  private let packedBackward: Target
  private let paddedBias: Target
  /// [groups] of [in][out] and of [out].
  private let partials: Target
  private let biasPartials: Target

  private static let groups = 4
  /// Floats that a run of positions reads and writes, about: a share of the second-level cache.
  private static let runFloats = 1 << 17

  init(_ plan: StagePlan, _ size: ConvolutionSize) {
    let memory = plan.memory
    layers = plan.layers
    self.size = size
    (input, output) = (plan.input, plan.output)
    (kernel, bias) = (plan.tensor(size.kernel), plan.tensorIfAny(.bias))
    wantsInputGradient = plan.wantsInputGradient
    let floats = input.channelStride * output.channelStride
    forwardBlocks = columnBlocks(output.channelStride)
    backwardBlocks = wantsInputGradient ? columnBlocks(input.channelStride) : []
    packedForward = memory.floats(floats)
    packedBackward = memory.floats(wantsInputGradient ? floats : 0)
    paddedBias = memory.floats(output.channelStride)
    partials = memory.floats(Self.groups * floats)
    biasPartials = memory.floats(Self.groups * output.channelStride)
  }

  private var relu: Bool { size.convolution.activation == .relu }

  private var shape: FilterShape {
    FilterShape(area: 1, inputs: input.shape.channels, outputs: output.shape.channels)
  }

  func forward(_ step: StepContext) {
    packWeights(step)
    step.pool.run(step.batch) { picture, _ in
      forEachRun(of: picture) { read, write, positions in
        let target = output.values + write
        step.kernels.convolveRow(
          row(positions), input: input.values + read, weights: packedForward,
          channels: output.channelStride, output: target)
        guard bias != nil || relu else { return }
        step.kernels.addBias(
          paddedBias, to: target, positions: positions, channels: output.channelStride, relu: relu)
      }
    }
  }

  private func packWeights(_ step: StepContext) {
    let weights = step.weights.floats + kernel.weights.offset
    if let bias {
      paddedBias.update(
        from: step.weights.floats + bias.weights.offset, count: bias.weights.count)
    }
    let backwardBlocks = step.gradient == nil ? [] : backwardBlocks
    step.pool.run(forwardBlocks.count + backwardBlocks.count) { job, _ in
      if job < forwardBlocks.count {
        let block = forwardBlocks[job]
        step.kernels.packForward(
          weights, shape: shape, inStride: input.channelStride, block: block,
          packed: packedForward + block.lowerBound * input.channelStride)
      } else {
        let block = backwardBlocks[job - forwardBlocks.count]
        step.kernels.packBackward(
          weights, shape: shape, outStride: output.channelStride, block: block,
          packed: packedBackward + block.lowerBound * output.channelStride)
      }
    }
  }

  func backward(_ step: StepContext) {
    guard let gradient = step.gradient else { return }
    let (inputs, outputs) = (input.channelStride, output.channelStride)
    step.pool.run(Self.groups) { group, _ in
      let sums = partials + group * inputs * outputs
      let biasSums = biasPartials + group * outputs
      sums.update(repeating: 0, count: inputs * outputs)
      biasSums.update(repeating: 0, count: outputs)
      for picture in step.batch * group / Self.groups..<step.batch * (group + 1) / Self.groups {
        forEachRun(of: picture) { read, write, positions in
          backward(step.kernels, read, write, positions, sums, biasSums)
        }
      }
    }
    for group in 0..<Self.groups {
      step.kernels.addPartial(
        partials + group * inputs * outputs, adding: group > 0, rows: shape.inputs,
        outStride: outputs, outputs: shape.outputs,
        gradient: kernel.target(in: gradient))
      guard let bias else { continue }
      step.kernels.addPartial(
        biasPartials + group * outputs, adding: group > 0, rows: 1, outStride: outputs,
        outputs: shape.outputs, gradient: bias.target(in: gradient))
    }
  }

  private func backward(
    _ kernels: any KernelOperations.Type, _ read: Int, _ write: Int, _ positions: Int,
    _ sums: Target, _ biasSums: Target
  ) {
    let own = output.gradient + write
    if bias != nil || relu {
      kernels.copyGradient(
        own, values: output.values + write, relu: relu, positions: positions,
        channels: output.channelStride, target: own, targetPosition: output.channelStride,
        sums: biasSums)
    }
    let row = row(positions)
    kernels.addWeightGradient(
      row, rows: 1, input: input.values + read, inputRows: 0, outputGradient: own,
      gradientStrides: Strides(row: 0, position: output.channelStride),
      channels: output.channelStride, gradient: sums)
    guard wantsInputGradient else { return }
    kernels.convolveRow(
      ConvolutionRow(
        positions: positions, inputPosition: output.channelStride, inputRow: 0, passes: 1,
        run: output.channelStride, outputPosition: row.inputPosition),
      input: own, weights: packedBackward, channels: input.channelStride,
      output: input.gradient + read)
  }

  private func row(_ positions: Int) -> ConvolutionRow {
    ConvolutionRow(
      positions: positions, inputPosition: size.convolution.strides.width * input.channelStride,
      inputRow: 0, passes: 1, run: input.channelStride, outputPosition: output.channelStride)
  }

  /// Calls `body` with where runs of a picture's positions begin, in the input's map and the
  /// output's, and how many they are.
  ///
  /// How they are cut decides the sums' order: by the sizes of the maps alone.
  private func forEachRun(
    of picture: Int, _ body: (_ read: Int, _ write: Int, _ positions: Int) -> Void
  ) {
    let strides = size.convolution.strides
    let width = size.neededWidth
    // Rows without anything between them are one.
    let joins =
      strides == (1, 1) && width == input.shape.width
      && input.rowStride == width * input.channelStride
      && output.rowStride == width * output.channelStride
    let (rows, columns) = joins ? (1, size.neededHeight * width) : (size.neededHeight, width)
    let most = max(12, Self.runFloats / (input.channelStride + output.channelStride) / 12 * 12)
    for row in 0..<rows {
      for first in stride(from: 0, to: columns, by: most) {
        body(
          input.place(picture, row * strides.height, first * strides.width),
          output.place(picture, row, first), min(most, columns - first))
      }
    }
  }
}
