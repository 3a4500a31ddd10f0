import KernelInterface

/// The gradient of a convolution's input: a convolution of the output's gradient, which lies in a
/// border of zeros, with the turned kernel.
///
/// With strides an input position meets only some taps of the kernel: of 3 x 3 with a stride of 2
/// one, two or four of the nine. The positions that meet the same taps are a phase, and each phase
/// is a convolution with its own taps, so that nothing is multiplied by zeros between gradients.
final class ConvolutionInputGradient {
  /// Rows of zeros above and below the output's gradient, and columns on both sides.
  let border: Extent

  private let size: ConvolutionSize
  private let input: FeatureMap
  private let outChannels: Int
  private let blocks: [Range<Int>]
  private let phases: [Phase]

  /// The input positions whose row and column, zeros in front included, leave the same remainders
  /// when divided by the strides.
  private struct Phase {
    let row: Int
    let column: Int
    /// Of the kernel, the rows and columns that they meet: those with the same remainders.
    let taps: Extent
    /// Those taps, [height][width][in][out], where they are not the whole kernel.
    let kernel: Target?
    /// Turned, as the kernels read them.
    let packed: Target

    var area: Int { taps.height * taps.width }
  }

  init(_ size: ConvolutionSize, input: FeatureMap, outChannels: Int, memory: PlanMemory) {
    self.size = size
    self.input = input
    self.outChannels = outChannels
    blocks = columnBlocks(input.channelStride)
    let (kernel, strides) = (size.convolution.kernel, size.convolution.strides)
    border = Extent(
      height: (kernel.height - 1) / strides.height, width: (kernel.width - 1) / strides.width)
    let channels = (input: input.shape.channels, filters: size.convolution.filters)
    phases = (0..<strides.height).flatMap { row in
      (0..<strides.width).map { column in
        let taps = Extent(
          height: Self.taps(kernel.height, strides.height, row),
          width: Self.taps(kernel.width, strides.width, column))
        let area = taps.height * taps.width
        return Phase(
          row: row, column: column, taps: taps,
          kernel: strides == (1, 1)
            ? nil : memory.floats(area * channels.input * channels.filters),
          packed: memory.floats(area * input.channelStride * outChannels))
      }
    }
  }

  /// How many of `kernel` taps leave a remainder when divided by the stride.
  private static func taps(_ kernel: Int, _ stride: Int, _ remainder: Int) -> Int {
    max(0, (kernel - remainder + stride - 1) / stride)
  }

  // MARK: Weights

  /// Jobs of `pack`, which any threads may do.
  var packJobs: Int { phases.count * blocks.count }

  /// Turns the weights of one phase for one block of input channels.
  /// - Parameter weights: [height][width][in][out], of `shape`.
  func pack(
    _ job: Int, _ weights: Source, _ shape: FilterShape, _ kernels: any KernelOperations.Type
  ) {
    let (phase, block) = (phases[job / blocks.count], blocks[job % blocks.count])
    guard phase.area > 0 else { return }
    kernels.packBackward(
      phase.kernel.map { Source($0) } ?? weights,
      shape: FilterShape(area: phase.area, inputs: shape.inputs, outputs: shape.outputs),
      outStride: outChannels, block: block,
      packed: phase.packed + block.lowerBound * phase.area * outChannels)
  }

  /// Takes each phase's taps out of the kernel; to be called before `pack`.
  func takeTaps(_ weights: Source, _ shape: FilterShape) {
    let (kernel, strides) = (size.convolution.kernel, size.convolution.strides)
    let tap = shape.inputs * shape.outputs
    for phase in phases {
      guard let target = phase.kernel else { continue }
      for y in 0..<phase.taps.height {
        for x in 0..<phase.taps.width {
          let place =
            (phase.row + y * strides.height) * kernel.width + phase.column + x * strides.width
          (target + (y * phase.taps.width + x) * tap).update(
            from: weights + place * tap, count: tap)
        }
      }
    }
  }

  // MARK: The gradient

  /// Sets the gradient of one picture's input.
  ///
  /// The rows and columns that no computed output reads keep the gradient zero.
  /// - Parameters:
  ///   - map: the output's gradient in its border, [rows][columns][out].
  ///   - mapRow: floats between two of its rows.
  func compute(
    _ picture: Int, map: Source, mapRow: Int, _ kernels: any KernelOperations.Type
  ) {
    let (needed, strides) = (size.neededInput, size.convolution.strides)
    for y in 0..<needed.height {
      let (row, phaseRow) = (y + size.zerosAbove).quotientAndRemainder(dividingBy: strides.height)
      for phase in phases where phase.row == phaseRow {
        // The first column of the phase that is no zero in front.
        let x = (phase.column + strides.width * size.zerosLeft - size.zerosLeft) % strides.width
        guard x < needed.width else { continue }
        let positions = (needed.width - x + strides.width - 1) / strides.width
        let column = (x + size.zerosLeft) / strides.width
        let target = input.gradient + input.place(picture, y, x)
        guard phase.area > 0 else {
          for position in 0..<positions {
            (target + position * strides.width * input.channelStride).update(
              repeating: 0, count: input.channelStride)
          }
          continue
        }
        // The last of the gradients that they meet is that of (row, column).
        let first =
          (row + border.height + 1 - phase.taps.height) * mapRow
          + (column + border.width + 1 - phase.taps.width) * outChannels
        kernels.convolveRow(
          ConvolutionRow(
            positions: positions, inputPosition: outChannels, inputRow: mapRow,
            passes: phase.taps.height, run: phase.taps.width * outChannels,
            outputPosition: strides.width * input.channelStride),
          input: map + first, weights: phase.packed, channels: input.channelStride,
          output: target)
      }
    }
  }
}
