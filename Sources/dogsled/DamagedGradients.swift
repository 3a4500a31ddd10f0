import Engine
import Foundation

/// A machine that makes errors, for tests of `--verify`: one bit of one in so many gradients, as
/// `DOGSLED_TEST_DAMAGE` says, is wrong.
enum DamagedGradients {
  /// What to do with each gradient of this process.
  static func damage() -> (ParameterBuffer) -> Void {
    guard let text = ProcessInfo.processInfo.environment["DOGSLED_TEST_DAMAGE"],
      let every = UInt64(text), every > 0
    else { return { _ in } }
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
