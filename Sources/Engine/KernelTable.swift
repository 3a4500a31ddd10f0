// The same kernels for each instruction set, and nothing that computes: the one file that names all
// of their modules. The kernels' own doc comments say what each argument is.

import Kernels

#if arch(x86_64)
  import KernelsAVX2
  import KernelsAVX512
#endif

/// Memory that a kernel reads.
typealias Source = UnsafePointer<Float>
/// Memory that a kernel writes.
typealias Target = UnsafeMutablePointer<Float>

/// Every kernel, of one instruction set.
struct KernelTable: Sendable {
  let convolveRow: @Sendable (ConvolutionRow, Source, Source, Int, Target) -> Void
  let addWeightGradient: @Sendable (
    ConvolutionRow, Int, Source, Int, Source, Int, Int, Int, Target
  ) -> Void
  let packForward: @Sendable (Source, Int, Int, Int, Int, Int, Target) -> Void
  let packBackward: @Sendable (Source, Int, Int, Int, Int, Int, Target) -> Void
  let addPartial: @Sendable (Source, Bool, Int, Int, Int, Target) -> Void
  let denseForward: @Sendable (Source, Int, Int, Source, Int, Int, Int, Target) -> Void
  let denseWeightGradient: @Sendable (Source, Int, Int, Source, Int, Int, Int, Target) -> Void
  let denseInputGradient: @Sendable (Source, Int, Source, Int, Int, Int, Int, Target) -> Void
  let addBias: @Sendable (Source, Target, Int, Int, Bool) -> Void
  let poolRows: @Sendable (
    Source, Int, Int, Int, Int, Source, Bool, Target, UnsafeMutablePointer<Int32>
  ) -> Void
  let unpoolRow: @Sendable (Source, UnsafePointer<Int32>, Int, Int, Int, Target, Int, Int) -> Void
  let copyGradient: @Sendable (Source, Source, Bool, Int, Int, Target, Int) -> Void
  let addBiasGradient: @Sendable (Source, Int, Int, Int, Target) -> Void
  let bytesToFloats: @Sendable (UnsafePointer<UInt8>, Target, Int) -> Void
  let add: @Sendable (Source, Target, Int) -> Void
  let copyRows: @Sendable (Source, Int, Target, Int, Int, Int) -> Void
  let updateRMSprop: @Sendable (Target, Target, Source, Int, Float, Float, Float, Float) -> Void
}

/// The sizes that one output row of a convolution is computed with; see `Kernels.ConvolutionRow`.
typealias ConvolutionRow = Kernels.ConvolutionRow

extension KernelTable {
  /// The kernels of `set`, which must be available.
  static func of(_ set: KernelSet) -> KernelTable {
    #if arch(x86_64)
      switch set {
      case .baseline: return baseline
      case .avx2: return avx2
      case .avx512: return avx512
      }
    #else
      return baseline
    #endif
  }

  private static let baseline = KernelTable(
    convolveRow: Kernels.convolveRow,
    addWeightGradient: Kernels.addWeightGradient,
    packForward: Kernels.packForward,
    packBackward: Kernels.packBackward,
    addPartial: Kernels.addPartial,
    denseForward: Kernels.denseForward,
    denseWeightGradient: Kernels.denseWeightGradient,
    denseInputGradient: Kernels.denseInputGradient,
    addBias: Kernels.addBias,
    poolRows: Kernels.poolRows,
    unpoolRow: Kernels.unpoolRow,
    copyGradient: Kernels.copyGradient,
    addBiasGradient: Kernels.addBiasGradient,
    bytesToFloats: Kernels.bytesToFloats,
    add: Kernels.add,
    copyRows: Kernels.copyRows,
    updateRMSprop: Kernels.updateRMSprop)

  #if arch(x86_64)
    private static let avx2 = KernelTable(
      convolveRow: KernelsAVX2.convolveRow,
      addWeightGradient: KernelsAVX2.addWeightGradient,
      packForward: KernelsAVX2.packForward,
      packBackward: KernelsAVX2.packBackward,
      addPartial: KernelsAVX2.addPartial,
      denseForward: KernelsAVX2.denseForward,
      denseWeightGradient: KernelsAVX2.denseWeightGradient,
      denseInputGradient: KernelsAVX2.denseInputGradient,
      addBias: KernelsAVX2.addBias,
      poolRows: KernelsAVX2.poolRows,
      unpoolRow: KernelsAVX2.unpoolRow,
      copyGradient: KernelsAVX2.copyGradient,
      addBiasGradient: KernelsAVX2.addBiasGradient,
      bytesToFloats: KernelsAVX2.bytesToFloats,
      add: KernelsAVX2.add,
      copyRows: KernelsAVX2.copyRows,
      updateRMSprop: KernelsAVX2.updateRMSprop)

    private static let avx512 = KernelTable(
      convolveRow: KernelsAVX512.convolveRow,
      addWeightGradient: KernelsAVX512.addWeightGradient,
      packForward: KernelsAVX512.packForward,
      packBackward: KernelsAVX512.packBackward,
      addPartial: KernelsAVX512.addPartial,
      denseForward: KernelsAVX512.denseForward,
      denseWeightGradient: KernelsAVX512.denseWeightGradient,
      denseInputGradient: KernelsAVX512.denseInputGradient,
      addBias: KernelsAVX512.addBias,
      poolRows: KernelsAVX512.poolRows,
      unpoolRow: KernelsAVX512.unpoolRow,
      copyGradient: KernelsAVX512.copyGradient,
      addBiasGradient: KernelsAVX512.addBiasGradient,
      bytesToFloats: KernelsAVX512.bytesToFloats,
      add: KernelsAVX512.add,
      copyRows: KernelsAVX512.copyRows,
      updateRMSprop: KernelsAVX512.updateRMSprop)
  #endif
}
