import KernelInterface

extension KernelSet {
  /// Floating-point operations a second, in 1e9, that the matrix microkernel reaches on one core
  /// with operands in the first-level cache: what a layer's speed is a share of.
  ///
  /// Measured, in some 50 ms; a multiply-add is two operations.
  public func measurePeak() -> Double {
    let (positions, depth) = (12, 256)
    let memory = allocateFloats(positions * depth + (depth + positions) * blockColumns)
    defer { memory.deallocate() }
    let row = ConvolutionRow(
      positions: positions, inputPosition: depth, inputRow: 0, passes: 1, run: depth,
      outputPosition: blockColumns)
    let weights = memory + positions * depth
    let output = weights + depth * blockColumns
    let kernels = operations
    let repeats = 1000
    var best = Duration.seconds(1)
    for _ in 0..<10 {
      let time = ContinuousClock().measure {
        for _ in 0..<repeats {
          kernels.convolveRow(
            row, input: memory, weights: weights, channels: blockColumns, output: output)
        }
      }
      best = min(best, time)
    }
    return 2e-9 * Double(positions * depth * blockColumns * repeats) / (best / .seconds(1))
  }
}
