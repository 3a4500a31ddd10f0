/// Computes with one model: gradients, losses and probabilities.
///
/// Not thread-safe: one caller at a time. Inside a call it uses `threads` threads; results do not
/// depend on how many, nor on the instruction set.
public final class Engine {
  /// What a batch came to: sums over its pictures.
  public struct Totals: Sendable, Equatable {
    /// Binary cross-entropy, summed over the pictures.
    public var loss: Double = 0
    /// Pictures whose probability rounds to their label.
    public var correct = 0
    /// Pictures.
    public var count = 0
    /// No pictures.
    public init() {}
    /// Sums; add in one fixed order, as floating-point addition does not commute over many.
    public static func += (a: inout Totals, b: Totals) {
      a.loss += b.loss
      a.correct += b.correct
      a.count += b.count
    }
  }

  /// The model.
  public let architecture: Architecture
  /// The most pictures of one call.
  public let batchCapacity: Int

  /// Plans all buffers.
  public init(
    _ architecture: Architecture, batchCapacity: Int, threads: Int = 1,
    kernels: KernelSet = .best
  ) {
    self.architecture = architecture
    self.batchCapacity = batchCapacity
  }

  /// The gradient of the SUM of the pictures' losses (not the mean), and the batch's totals.
  ///
  /// - Parameters:
  ///   - pictures: per picture, height x width x 3 bytes; the engine divides by 255.
  ///   - labels: per picture 0 or 1.
  ///   - weights: in the model's layout.
  ///   - gradient: overwritten.
  public func gradient(
    pictures: [UnsafePointer<UInt8>], labels: [Float], weights: ParameterBuffer,
    into gradient: ParameterBuffer
  ) -> Totals { Totals() }

  /// The batch's totals, without a gradient.
  public func evaluate(
    pictures: [UnsafePointer<UInt8>], labels: [Float], weights: ParameterBuffer
  ) -> Totals { Totals() }

  /// The probability of class 1, per picture.
  public func predict(
    pictures: [UnsafePointer<UInt8>], weights: ParameterBuffer
  ) -> [Float] { [] }
}

/// The instruction sets that the kernels are compiled for.
public enum KernelSet: String, CaseIterable, Sendable {
  case baseline, avx2, avx512
  /// The widest that this processor has, or what `DOGSLED_KERNELS` names.
  public static var best: KernelSet { .baseline }
}

/// RMSprop as Keras 2.2 computes it.
public struct RMSprop: Sendable {
  /// Step size.
  public var learningRate: Float
  /// Decay of the average of squared gradients.
  public var rho: Float
  /// Added after the square root.
  public var epsilon: Float
  /// The book's: 1e-4, 0.9, 1e-7.
  public init(learningRate: Float = 1e-4, rho: Float = 0.9, epsilon: Float = 1e-7) {
    (self.learningRate, self.rho, self.epsilon) = (learningRate, rho, epsilon)
  }
  /// g = gradientSum / pictures; average = rho average + (1 - rho) g^2;
  /// weights -= learningRate g / (sqrt(average) + epsilon).
  public func update(
    weights: ParameterBuffer, average: ParameterBuffer, gradientSum: ParameterBuffer,
    pictures: Int, threads: Int = 1
  ) {}
}

/// Element-wise sums of gradients.
public enum GradientSum {
  /// a += b, element by element.
  public static func add(_ b: ParameterBuffer, to a: ParameterBuffer) {}
}
