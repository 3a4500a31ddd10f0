import KernelInterface

/// The weights of a Winograd stage as its products read them, and their gradient as these leave it.
final class WinogradFilters {
  /// [36][out / 32][in][32].
  let u: Target
  /// U of the transposed weights, [36][in / 32][out][32]; nil where no input gradient is wanted.
  let uTransposed: Target?

  private let grid: TileGrid
  private let kernel: StageTensor
  /// Floats of U, and of each group's gradient.
  private let floats: Int
  /// [groups][36][in][out].
  private let partialGradients: Target
  /// Nil where the weights have no channels that want padding.
  private let paddedWeights: Target?
  private let transposedWeights: Target
  private let blocks: [Range<Int>]
  private let transposedBlocks: [Range<Int>]

  /// - Parameter groups: partial sums of the gradient.
  init(_ plan: StagePlan, _ grid: TileGrid, groups: Int) {
    let memory = plan.memory
    self.grid = grid
    kernel = plan.tensor(.kernel)
    let (inputs, outputs) = (grid.input.channels, grid.output.channels)
    let area = inputs * outputs
    floats = winogradPositions * (area + winogradGap)
    blocks = columnBlocks(outputs)
    transposedBlocks = plan.wantsInputGradient ? columnBlocks(inputs) : []
    let shape = kernel.weights.shape
    let needsPadding = shape[2] != inputs || shape[3] != outputs
    paddedWeights = needsPadding ? memory.floats(9 * area) : nil
    u = memory.floats(floats)
    transposedWeights = memory.floats(plan.wantsInputGradient ? 9 * area : 0)
    uTransposed = plan.wantsInputGradient ? memory.floats(floats) : nil
    partialGradients = memory.floats(groups * floats)
  }

  /// One group's gradient of U.
  func gradient(group: Int) -> Target { partialGradients + group * floats }

  /// The weights' shape, without padding.
  private var shape: FilterShape {
    FilterShape(area: 9, inputs: kernel.weights.shape[2], outputs: kernel.weights.shape[3])
  }

  /// U, and U of the transposed weights where the input's gradient will be wanted.
  /// - Parameter scratch: of each thread.
  func transform(_ step: StepContext, _ scratch: [Target]) {
    let kernels = step.kernels
    let weights = step.weights.floats + kernel.weights.offset
    let (inputs, outputs, shape) = (grid.input.channels, grid.output.channels, shape)
    let uTransposed = step.gradient == nil ? nil : uTransposed
    step.pool.run(shape.area) { tap, _ in
      let source = weights + tap * shape.inputs * shape.outputs
      if uTransposed != nil {
        kernels.winogradPad(
          source, inputs: shape.inputs, outputs: shape.outputs, columns: inputs, transposed: true,
          padded: transposedWeights + tap * inputs * outputs)
      }
      if let paddedWeights {
        kernels.winogradPad(
          source, inputs: shape.inputs, outputs: shape.outputs, columns: outputs,
          transposed: false, padded: paddedWeights + tap * inputs * outputs)
      }
    }
    let jobs = blocks.count + (uTransposed == nil ? 0 : transposedBlocks.count)
    step.pool.run(jobs) { job, thread in
      if job < blocks.count {
        kernels.winogradFilter(
          paddedWeights ?? weights, rows: inputs, columns: outputs, block: blocks[job], u: u,
          scratch: scratch[thread])
      } else if let uTransposed {
        kernels.winogradFilter(
          transposedWeights, rows: outputs, columns: inputs,
          block: transposedBlocks[job - blocks.count], u: uTransposed, scratch: scratch[thread])
      }
    }
  }

  /// The weights' gradient from the groups', in their order.
  func finishGradient(
    _ step: StepContext, _ gradient: ParameterBuffer, groups: Int, _ scratch: [Target]
  ) {
    let (shape, target) = (shape, kernel.target(in: gradient))
    step.pool.run((shape.inputs + 3) / 4) { job, thread in
      for channel in job * 4..<min(job * 4 + 4, shape.inputs) {
        step.kernels.winogradFilterGradient(
          grid, du: partialGradients, groups: groups, groupStride: floats, shape: shape,
          input: channel, gradient: target, scratch: scratch[thread])
      }
    }
  }
}
