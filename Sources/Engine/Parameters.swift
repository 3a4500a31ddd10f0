// The tensors of a model: where each lies in one flat buffer, and such buffers. Weights,
// gradients and an optimizer's slots all have the same layout.

import Primitives

/// Where each tensor of a model lies in a flat buffer of 32-bit floats.
///
/// Every tensor starts on a multiple of 16 floats (a cache line); the floats between two tensors
/// stay zero and never count.
public struct ParameterLayout: Hashable, Sendable {
  /// What a tensor is to its layer.
  public enum Kind: String, Hashable, Sendable {
    /// Weights: [height, width, in, out] of a convolution, [in, out] of a dense layer.
    case kernel
    /// One number an output channel.
    case bias
    /// [height, width, channels, 1]: weights of each channel alone.
    case depthwiseKernel = "depthwise_kernel"
    /// [1, 1, in, out]: those behind them.
    case pointwiseKernel = "pointwise_kernel"
    /// What a normalised channel is multiplied by.
    case gamma
    /// What is added to it then.
    case beta
    /// The mean that a channel is normalised with at inference; in a gradient, the batch's.
    case movingMean = "moving_mean"
    /// Its variance, likewise.
    case movingVariance = "moving_variance"
    /// What a channel of the input is normalised with.
    case mean
    /// Likewise.
    case variance
    /// Pictures that the two are of.
    case count
    /// In a `GradientLayout`: the inputs of a dense layer, [batch, in].
    case inputs
    /// In a `GradientLayout`: the gradients of a dense layer's outputs, [batch, out].
    case outputGradients

    /// Whether it holds weights that inputs are multiplied by.
    public var isKernel: Bool {
      switch self {
      case .kernel, .depthwiseKernel, .pointwiseKernel: true
      default: false
      }
    }
  }

  /// One tensor of the layout.
  public struct Tensor: Hashable, Sendable {
    /// The name of its layer.
    public let layer: String
    /// Kernel or bias.
    public let kind: Kind
    /// Its dimensions, row-major, last innermost.
    public let shape: [Int]
    /// Inputs that one output sums over; 0 for a bias.
    public let fanIn: Int
    /// Outputs that one input reaches; 0 for a bias.
    public let fanOut: Int
    /// What its numbers are at the start of a run; nil for what most of its kind are.
    package internal(set) var initializer: Initializer?
    /// How updates change it; only a kernel's decay may be above 0.
    package internal(set) var rule = UpdateRule()
    /// For moving statistics, which no optimizer updates: what they keep of themselves in a step.
    public internal(set) var momentum: Float?
    /// Whether no update changes it.
    public internal(set) var isFrozen = false
    /// The index of its first float in the buffer.
    public internal(set) var offset = 0
    /// Its floats.
    public var count: Int { shape.reduce(1, *) }
    /// A layer's bias: a number for each output channel.
    static func bias(of layer: String, _ channels: Int) -> Tensor {
      Tensor(layer: layer, kind: .bias, shape: [channels], fanIn: 0, fanOut: 0)
    }

    /// Whether an optimizer updates it.
    public var isTrained: Bool { momentum == nil && !isFrozen }

    /// What no other tensor of the model is called.
    public var name: TensorName { TensorName(layer: layer, kind: kind) }
  }

  /// How a tensor is found, in the weights, in a gradient, or in a slot of an optimizer.
  public struct TensorName: Hashable, Sendable {
    /// The name of its layer.
    public let layer: String
    /// What it is to the layer.
    public let kind: Kind
  }

  /// The tensors in Keras's order.
  public let tensors: [Tensor]
  /// The floats of a buffer, padding included; a multiple of 16.
  public let bufferCount: Int
  /// The parameters, padding excluded.
  public var parameterCount: Int { tensors.reduce(0) { $0 + $1.count } }

  /// Neighbouring tensors of one rule that are trained, and that.
  let rules: [(floats: Range<Int>, rule: UpdateRule)]
  /// The moving statistics that follow the batches': no optimizer updates them.
  let statistics: [Tensor]

  /// The tensors that an optimizer updates.
  package var trained: [Tensor] { tensors.filter(\.isTrained) }

  /// The tensor of this name; nil where the model has none.
  public subscript(_ name: TensorName) -> Tensor? { tensors.first { $0.name == name } }

  init(_ tensors: [Tensor]) {
    var offset = 0
    self.tensors = tensors.map { tensor in
      var placed = tensor
      placed.offset = offset
      offset += (tensor.count + 15) / 16 * 16
      return placed
    }
    bufferCount = offset
    var rules: [(floats: Range<Int>, rule: UpdateRule)] = []
    for tensor in self.tensors where tensor.isTrained {
      let end = tensor.offset + (tensor.count + 15) / 16 * 16
      if let last = rules.last, last.rule == tensor.rule,
        last.floats.upperBound == tensor.offset
      {
        rules[rules.count - 1].floats = last.floats.lowerBound..<end
      } else {
        rules.append((tensor.offset..<end, tensor.rule))
      }
    }
    self.rules = rules
    statistics = self.tensors.filter { $0.momentum != nil && !$0.isFrozen }
  }

  /// Equal tensors at equal places.
  public static func == (a: Self, b: Self) -> Bool { a.tensors == b.tensors }

  /// Hashes the tensors.
  public func hash(into hasher: inout Hasher) { hasher.combine(tensors) }
}

extension ParameterBuffer {
  /// What the weights' decay adds to the loss of a picture in an update, counted from 0.
  ///
  /// The sum of the squares of each tensor that is trained then, times its decay: in doubles, in
  /// one order.
  public func penalty(inUpdate update: Int) -> Double {
    layout.tensors.reduce(0) { sum, tensor in
      guard tensor.rule.decay > 0, !tensor.isFrozen, !tensor.rule.isFrozen(inUpdate: update)
      else { return sum }
      var squares = SIMD8<Double>.zero
      let values = self[tensor]
      var i = 0
      while i + 8 <= values.count {
        var eight = SIMD8<Double>.zero
        for lane in 0..<8 { eight[lane] = Double(values[i + lane]) }
        squares += eight * eight
        i += 8
      }
      var total = squares.sum()
      for value in values[i...] { total += Double(value) * Double(value) }
      return sum + Double(tensor.rule.decay) * total
    }
  }
}

/// A buffer in a model's `ParameterLayout`: weights, a gradient, or a slot of an optimizer.
///
/// A reference: whoever holds it says who may write. Not locked.
public final class ParameterBuffer: @unchecked Sendable {
  /// Where each tensor lies.
  public let layout: ParameterLayout
  /// `layout.bufferCount` floats, on a 64-byte boundary.
  public let floats: UnsafeMutablePointer<Float>

  /// What the floats belong to; nil where they are the buffer's own.
  private let memory: PlanMemory?

  /// All zeros.
  public init(_ layout: ParameterLayout) {
    self.layout = layout
    memory = nil
    floats = allocateFloats(layout.bufferCount)
  }

  /// All zeros, in a plan's memory.
  init(_ layout: ParameterLayout, in memory: PlanMemory) {
    self.layout = layout
    self.memory = memory
    floats = memory.floats(layout.bufferCount)
  }

  deinit { if memory == nil { floats.deallocate() } }

  /// The floats of one tensor, row-major.
  public subscript(_ tensor: ParameterLayout.Tensor) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: floats + tensor.offset, count: tensor.count)
  }

  /// The whole buffer, padding included.
  public var buffer: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: floats, count: layout.bufferCount)
  }

  /// Makes every float that of `other`, which must have the same layout.
  public func copy(from other: ParameterBuffer) {
    precondition(layout == other.layout)
    floats.update(from: other.floats, count: layout.bufferCount)
  }

  /// Makes some floats those of `other`, which must have the same layout.
  public func copy(_ range: Range<Int>, from other: ParameterBuffer) {
    precondition(layout == other.layout)
    buffer[range].update(fromContentsOf: other.buffer[range])
  }

  /// Makes the tensors of some layers those of the same names in `other`.
  /// - Parameter layers: whose tensors have the same shapes in both.
  public func take(from other: ParameterBuffer, layers: Set<String>) {
    for tensor in layout.tensors where layers.contains(tensor.layer) {
      guard let source = other.layout[tensor.name] else { continue }
      precondition(source.shape == tensor.shape)
      _ = self[tensor].update(fromContentsOf: other[source])
    }
  }

  /// Whether no float is an infinity or NaN.
  public var isFinite: Bool { isFinite(0..<layout.bufferCount) }

  /// Whether none of some floats is an infinity or NaN.
  /// - Parameter range: of a tensor, from a multiple of 16 on.
  public func isFinite(_ range: Range<Int>) -> Bool {
    // Zero times a finite number is zero; NaN times infinity or NaN.
    typealias Vector = SIMD16<Float>
    var zeros = Vector.zero
    for first in stride(from: range.lowerBound, to: range.upperBound, by: 16) {
      zeros += UnsafeRawPointer(floats + first).load(as: Vector.self) * Vector.zero
    }
    return zeros == Vector.zero
  }

  /// The digest of all tensors in order (padding excluded), little-endian floats.
  public var digest: Digest {
    var hasher = DigestHasher()
    for tensor in layout.tensors { hasher.update(UnsafeRawBufferPointer(self[tensor])) }
    return hasher.finish()
  }

  /// Sets what every tensor starts with, drawn from `seed` alone.
  public func initialize(seed: UInt64) {
    for (index, tensor) in layout.tensors.enumerated() {
      let initializer = tensor.initializer ?? .standard(tensor.kind)
      initializer.fill(
        self[tensor], fanIn: tensor.fanIn, fanOut: tensor.fanOut,
        CounterRandom(seed: seed, purpose: .initialWeights, UInt64(index)))
    }
  }
}

/// `count` zero floats on a 64-byte boundary.
func allocateFloats(_ count: Int) -> UnsafeMutablePointer<Float> {
  let raw = UnsafeMutableRawPointer.allocate(
    byteCount: max(count, 16) * MemoryLayout<Float>.stride, alignment: 64)
  let floats = raw.bindMemory(to: Float.self, capacity: max(count, 16))
  floats.initialize(repeating: 0, count: max(count, 16))
  return floats
}
