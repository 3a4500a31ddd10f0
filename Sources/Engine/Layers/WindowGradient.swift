import KernelInterface

/// The weight gradient of a first convolution under max pooling: what one thread needs to sum it,
/// one product for each window and not for each of the window's elements.
///
/// `Kernels/WindowGradient.swift` tells how.
final class WindowGradient {
  /// Floats of a group's sums.
  let floats: Int

  private let size: ConvolutionSize
  private let output: FeatureMap
  /// One output row, as the convolution reads it.
  private let row: ConvolutionRow
  /// Floats of one kernel row of an element's inputs.
  private let run: Int
  private let inputs: Target
  /// [window][out]: which inputs each pooled gradient meets, and the gradient.
  private let offsets: UnsafeMutablePointer<Int32>
  private let kept: Target

  /// Windows that are summed at once: their inputs stay in the first-level cache.
  ///
  /// A multiple of the windows whose codes share a word, whatever their size.
  private static let windowsAtOnce = 48

  /// - Parameters:
  ///   - row: one output row of all columns.
  ///   - output: the pooled map.
  init(_ size: ConvolutionSize, row: ConvolutionRow, output: FeatureMap, memory: PlanMemory) {
    self.size = size
    self.output = output
    self.row = row
    run = spreadFloats(run: row.run)
    let channels = output.channelStride
    floats = channels * row.passes * run
    let windows = Self.windowsAtOnce
    inputs = memory.floats(
      ((size.poolSize - 1) * size.convolution.strides.height + row.passes) * windows
        * size.poolSize * run)
    offsets = memory.words(windows * channels)
    kept = memory.floats(windows * channels)
  }

  /// Adds a picture's share to the sums of weights and bias.
  /// - Parameter source: what the picture's first output position reads.
  func add(
    _ picture: Int, _ source: Source, _ codes: PoolingCodes, _ kernels: any KernelOperations.Type,
    kernelSums: Target, biasSums: Target
  ) {
    let (pool, channels) = (size.poolSize, output.channelStride)
    let strideHeight = size.convolution.strides.height
    for y in 0..<size.neededHeight {
      for first in stride(from: 0, to: size.neededWidth, by: Self.windowsAtOnce) {
        let count = min(Self.windowsAtOnce, size.neededWidth - first)
        var elements = row
        elements.positions = count * pool
        elements.passes = (pool - 1) * strideHeight + row.passes
        kernels.spreadInputs(
          elements,
          input: source + y * pool * strideHeight * row.inputRow
            + first * pool * row.inputPosition,
          spread: inputs)
        var windows = row
        windows.positions = count
        windows.inputPosition = pool * run
        windows.inputRow = elements.positions * run
        let pooled = picture * output.pictureStride + y * output.rowStride + first * channels
        kernels.windowOffsets(
          WindowRow(size: pool, positions: count, channels: channels),
          gradient: output.gradient + pooled, codes: codes.row(y, of: picture, from: first),
          steps: Strides(row: strideHeight * windows.inputRow, position: run), offsets: offsets,
          kept: kept, sums: biasSums)
        kernels.addWindowGradient(
          windows, input: inputs, offsets: offsets, kept: kept, channels: channels,
          gradient: kernelSums)
      }
    }
  }

  /// Adds a group's sums to the weights' gradient, [height][width][in][out], or sets it.
  func finish(
    _ sums: Source, adding: Bool, filters: Int, _ kernels: any KernelOperations.Type,
    gradient: Target
  ) {
    kernels.addWindowPartial(
      sums, adding: adding, passes: row.passes, run: row.run, outputs: filters,
      gradient: gradient)
  }
}
