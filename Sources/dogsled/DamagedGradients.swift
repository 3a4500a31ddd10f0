import Engine
import Foundation

/// A machine that makes errors, for tests of `--verify`.
///
/// With `DOGSLED_TEST_DAMAGE=N` in its environment a worker flips one random bit in the fraction of
/// one random number of about one gradient in N.
enum DamagedGradients {
  /// What this process does to each of its gradients; nil where it computes as it should.
  static func asked() -> ((ParameterBuffer) -> Void)? {
    guard let text = ProcessInfo.processInfo.environment["DOGSLED_TEST_DAMAGE"],
      let every = UInt64(text), every > 0
    else { return nil }
    var generator = SystemRandomNumberGenerator()
    return { gradient in
      guard generator.next(upperBound: every) == 0 else { return }
      let place = Int(generator.next(upperBound: UInt64(gradient.buffer.count)))
      let bits =
        gradient.floats[place].bitPattern ^ 1 << UInt32(generator.next(upperBound: 23 as UInt))
      gradient.floats[place] = Float(bitPattern: bits)
    }
  }
}
