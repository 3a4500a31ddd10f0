import KernelInterface

/// One layer of a model, as data: its output's shape, its tensors, and the operations that compute
/// it.
///
/// A new layer is one file here with a type that conforms, its twin in `KerasFiles`, and a test.
package protocol Layer: Hashable, Sendable {
  /// Keras's default name of one; those after the first are counted: `conv2d`, `conv2d_1`.
  var kerasName: String { get }
  /// How many inputs one takes.
  static var inputCounts: ClosedRange<Int> { get }
  /// The output's shape and the tensors, in Keras's order, for inputs of some shapes.
  /// - Parameter name: the layer's, which its tensors have.
  /// - Throws: `ArchitectureError`, which does not name the layer, where it does not fit on them.
  func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor])
  /// What computes it, in order: the first operation takes the layer's inputs, each of the others
  /// the output of the one before. An activation is one of its own.
  var operations: [any Operation] { get }
}

extension Layer {
  /// One.
  package static var inputCounts: ClosedRange<Int> { 1...1 }
}

/// Whether both are of one kind and equal.
package func == (a: any Layer, b: any Layer) -> Bool { AnyHashable(a) == AnyHashable(b) }

/// Something that one stage computes: a layer, a part of one, or several that pay when computed
/// together.
package protocol Operation: Sendable {
  /// The output's shape for inputs that fit.
  func output(of inputs: [Shape]) -> Shape
  /// Of an input, the rows and columns that some of the output's are computed from.
  func needed(of input: Shape, for output: Extent) -> Extent
  /// The zeros that it reads around an input.
  func border(around input: Shape, for output: Extent) -> FeatureMap.Border
  /// Whether in training it draws.
  var isRandom: Bool { get }
  /// Whether its input must be flat, without padding.
  var readsFlat: Bool { get }
  /// Whether it can make floats of the pictures' bytes itself, whenever it reads them.
  func readsBytes(of input: Shape, for output: Extent) -> Bool
  /// Rows and columns between the positions of its inputs that it reads, and gives a gradient to:
  /// the others' is never written.
  var inputSteps: Extent { get }
  /// Whether it is a convolution of any kind.
  var isConvolution: Bool { get }
  /// The same computed by sums of products, where something coarser would compute it; else nil.
  func bySums(of input: Shape) -> (any Operation)?
  /// Whether the gradient of each input is its output's.
  var passesGradient: Bool { get }
  /// Whether it can make the rows of its output of those of its input, whenever they are read.
  var makesRows: Bool { get }
  /// Whether it can read an input whose rows are made and not stored.
  var readsMadeRows: Bool { get }
  /// What computes it together with the operation that alone reads its output; nil where nothing
  /// does.
  func absorbing(_ next: any Operation) -> (any Operation)?
  /// What computes it.
  func stage(_ plan: StagePlan) -> any Stage
}

extension Operation {
  package func needed(of input: Shape, for output: Extent) -> Extent { input.extent }
  package func border(around input: Shape, for output: Extent) -> FeatureMap.Border { .init() }
  package var isRandom: Bool { false }
  package var readsFlat: Bool { false }
  package func readsBytes(of input: Shape, for output: Extent) -> Bool { false }
  package var inputSteps: Extent { Extent(height: 1, width: 1) }
  package var isConvolution: Bool { false }
  package func bySums(of input: Shape) -> (any Operation)? { nil }
  package var passesGradient: Bool { false }
  package var makesRows: Bool { false }
  package var readsMadeRows: Bool { false }
  package func absorbing(_ next: any Operation) -> (any Operation)? { nil }
}

/// Rows and columns of a map, from its top left corner on.
package struct Extent: Hashable, Sendable {
  package var height: Int
  package var width: Int

  /// The smallest that has both.
  func union(_ other: Extent) -> Extent {
    Extent(height: max(height, other.height), width: max(width, other.width))
  }
}

extension Shape {
  /// All rows and columns.
  var extent: Extent { Extent(height: height, width: width) }
}
