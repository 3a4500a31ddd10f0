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
  let addWeightGradient:
    @Sendable (
      ConvolutionRow, Int, Source, Int, Source, Int, Int, Int, Target
    ) -> Void
  let packForward: @Sendable (Source, Int, Int, Int, Int, Int, Int, Target) -> Void
  let packBackward: @Sendable (Source, Int, Int, Int, Int, Int, Int, Target) -> Void
  let addPartial: @Sendable (Source, Bool, Int, Int, Int, Target) -> Void
  let spreadInputs: @Sendable (ConvolutionRow, Source, Target) -> Void
  let windowOffsets:
    @Sendable (
      Source, UnsafePointer<Int32>, Int, Int, Int, Int, Int, UnsafeMutablePointer<Int32>, Target,
      Target
    ) -> Void
  let addWindowGradient:
    @Sendable (
      ConvolutionRow, Source, UnsafePointer<Int32>, Source, Int, Target
    ) -> Void
  let addWindowPartial: @Sendable (Source, Bool, Int, Int, Int, Target) -> Void
  let denseForward: @Sendable (Source, Int, Int, Source, Int, Int, Int, Target) -> Void
  let denseWeightGradient: @Sendable (Source, Int, Int, Source, Int, Int, Int, Target, Int) -> Void
  let denseInputGradient: @Sendable (Source, Int, Source, Int, Int, Int, Int, Target) -> Void
  let winogradPad: @Sendable (Source, Int, Int, Int, Bool, Target) -> Void
  let winogradFilter: @Sendable (Source, Int, Int, Int, Int, Target, Target) -> Void
  let winogradInput: @Sendable (TileGrid, Int, Int, Source, Target, Int, Target) -> Void
  let winogradProducts:
    @Sendable (
      TileGrid, Int, Int, Int, Source, Int, Source, Target, Int
    ) -> Void
  let winogradOutputPooled:
    @Sendable (
      TileGrid, Int, Int, Source, Int, Source, Bool, Target, UnsafeMutablePointer<Int32>, Target
    ) -> Void
  let winogradOutput:
    @Sendable (
      TileGrid, Int, Int, Source, Int, Source, Bool, Target, Target
    ) -> Void
  let winogradGradientPooled:
    @Sendable (
      TileGrid, Int, Int, Source, UnsafePointer<Int32>, Target, Int, Target, Target
    ) -> Void
  let winogradGradient:
    @Sendable (
      TileGrid, Int, Int, Source, Source, Bool, Target, Int, Target, Target
    ) -> Void
  let winogradGradientProducts:
    @Sendable (
      TileGrid, Int, Int, Int, Target, Int, Source, Int, Source?, Target, Bool
    ) -> Void
  let winogradInputGradient: @Sendable (TileGrid, Int, Int, Source, Int, Target, Target) -> Void
  let winogradFilterGradient:
    @Sendable (
      Source, Int, Int, Int, Int, Int, Int, Int, Target, Target
    ) -> Void
  let addBias: @Sendable (Source, Target, Int, Int, Bool) -> Void
  let poolRows:
    @Sendable (
      Source, Int, Int, Int, Int, Source, Bool, Target, UnsafeMutablePointer<Int32>
    ) -> Void
  let unpoolRow:
    @Sendable (
      Source, UnsafePointer<Int32>, Int, Int, Int, Target, Int, Int, Target
    ) -> Void
  let copyGradient: @Sendable (Source, Source, Bool, Int, Int, Target, Int, Target) -> Void
  let bytesToFloats: @Sendable (UnsafePointer<UInt8>, Target, Int) -> Void
  let sum: @Sendable (Source, Source, Target, Int) -> Void
  let copyRows: @Sendable (Source, Int, Target, Int, Int, Int) -> Void
  let updateRMSprop: @Sendable (Target, Target, Source, Int, Float, Float, Float, Float) -> Bool
}

/// The sizes that one output row of a convolution is computed with; see `Kernels.ConvolutionRow`.
typealias ConvolutionRow = Kernels.ConvolutionRow
/// How Winograd tiles lie on a map; see `Kernels.TileGrid`.
typealias TileGrid = Kernels.TileGrid

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
    spreadInputs: Kernels.spreadInputs,
    windowOffsets: Kernels.windowOffsets,
    addWindowGradient: Kernels.addWindowGradient,
    addWindowPartial: Kernels.addWindowPartial,
    denseForward: Kernels.denseForward,
    denseWeightGradient: Kernels.denseWeightGradient,
    denseInputGradient: Kernels.denseInputGradient,
    winogradPad: Kernels.winogradPad,
    winogradFilter: Kernels.winogradFilter,
    winogradInput: Kernels.winogradInput,
    winogradProducts: Kernels.winogradProducts,
    winogradOutputPooled: Kernels.winogradOutputPooled,
    winogradOutput: Kernels.winogradOutput,
    winogradGradientPooled: Kernels.winogradGradientPooled,
    winogradGradient: Kernels.winogradGradient,
    winogradGradientProducts: Kernels.winogradGradientProducts,
    winogradInputGradient: Kernels.winogradInputGradient,
    winogradFilterGradient: Kernels.winogradFilterGradient,
    addBias: Kernels.addBias,
    poolRows: Kernels.poolRows,
    unpoolRow: Kernels.unpoolRow,
    copyGradient: Kernels.copyGradient,
    bytesToFloats: Kernels.bytesToFloats,
    sum: Kernels.sum,
    copyRows: Kernels.copyRows,
    updateRMSprop: Kernels.updateRMSprop)

  #if arch(x86_64)
    private static let avx2 = KernelTable(
      convolveRow: KernelsAVX2.convolveRow,
      addWeightGradient: KernelsAVX2.addWeightGradient,
      packForward: KernelsAVX2.packForward,
      packBackward: KernelsAVX2.packBackward,
      addPartial: KernelsAVX2.addPartial,
      spreadInputs: KernelsAVX2.spreadInputs,
      windowOffsets: KernelsAVX2.windowOffsets,
      addWindowGradient: KernelsAVX2.addWindowGradient,
      addWindowPartial: KernelsAVX2.addWindowPartial,
      denseForward: KernelsAVX2.denseForward,
      denseWeightGradient: KernelsAVX2.denseWeightGradient,
      denseInputGradient: KernelsAVX2.denseInputGradient,
      winogradPad: KernelsAVX2.winogradPad,
      winogradFilter: KernelsAVX2.winogradFilter,
      winogradInput: KernelsAVX2.winogradInput,
      winogradProducts: KernelsAVX2.winogradProducts,
      winogradOutputPooled: KernelsAVX2.winogradOutputPooled,
      winogradOutput: KernelsAVX2.winogradOutput,
      winogradGradientPooled: KernelsAVX2.winogradGradientPooled,
      winogradGradient: KernelsAVX2.winogradGradient,
      winogradGradientProducts: KernelsAVX2.winogradGradientProducts,
      winogradInputGradient: KernelsAVX2.winogradInputGradient,
      winogradFilterGradient: KernelsAVX2.winogradFilterGradient,
      addBias: KernelsAVX2.addBias,
      poolRows: KernelsAVX2.poolRows,
      unpoolRow: KernelsAVX2.unpoolRow,
      copyGradient: KernelsAVX2.copyGradient,
      bytesToFloats: KernelsAVX2.bytesToFloats,
      sum: KernelsAVX2.sum,
      copyRows: KernelsAVX2.copyRows,
      updateRMSprop: KernelsAVX2.updateRMSprop)

    private static let avx512 = KernelTable(
      convolveRow: KernelsAVX512.convolveRow,
      addWeightGradient: KernelsAVX512.addWeightGradient,
      packForward: KernelsAVX512.packForward,
      packBackward: KernelsAVX512.packBackward,
      addPartial: KernelsAVX512.addPartial,
      spreadInputs: KernelsAVX512.spreadInputs,
      windowOffsets: KernelsAVX512.windowOffsets,
      addWindowGradient: KernelsAVX512.addWindowGradient,
      addWindowPartial: KernelsAVX512.addWindowPartial,
      denseForward: KernelsAVX512.denseForward,
      denseWeightGradient: KernelsAVX512.denseWeightGradient,
      denseInputGradient: KernelsAVX512.denseInputGradient,
      winogradPad: KernelsAVX512.winogradPad,
      winogradFilter: KernelsAVX512.winogradFilter,
      winogradInput: KernelsAVX512.winogradInput,
      winogradProducts: KernelsAVX512.winogradProducts,
      winogradOutputPooled: KernelsAVX512.winogradOutputPooled,
      winogradOutput: KernelsAVX512.winogradOutput,
      winogradGradientPooled: KernelsAVX512.winogradGradientPooled,
      winogradGradient: KernelsAVX512.winogradGradient,
      winogradGradientProducts: KernelsAVX512.winogradGradientProducts,
      winogradInputGradient: KernelsAVX512.winogradInputGradient,
      winogradFilterGradient: KernelsAVX512.winogradFilterGradient,
      addBias: KernelsAVX512.addBias,
      poolRows: KernelsAVX512.poolRows,
      unpoolRow: KernelsAVX512.unpoolRow,
      copyGradient: KernelsAVX512.copyGradient,
      bytesToFloats: KernelsAVX512.bytesToFloats,
      sum: KernelsAVX512.sum,
      copyRows: KernelsAVX512.copyRows,
      updateRMSprop: KernelsAVX512.updateRMSprop)
  #endif
}
