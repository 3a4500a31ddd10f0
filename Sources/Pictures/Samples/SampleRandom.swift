import Foundation
import Primitives

/// The draws of one sample picture, in the order they are asked for.
struct SampleRandom {
  private let random: CounterRandom
  private var index: UInt64 = 0

  init(_ random: CounterRandom) { self.random = random }

  /// 64 random bits.
  mutating func bits() -> UInt64 {
    defer { index += 1 }
    return random.bits(index)
  }

  /// Uniform in `range`.
  mutating func within(_ range: ClosedRange<Double>) -> Double {
    defer { index += 1 }
    return range.lowerBound + (range.upperBound - range.lowerBound) * random.double(index)
  }

  /// A whole number of `range`.
  mutating func whole(_ range: ClosedRange<Int>) -> Int {
    Int(within(Double(range.lowerBound)...Double(range.upperBound + 1)).rounded(.down))
  }

  /// Whether something of this probability happens.
  mutating func chance(_ probability: Double) -> Bool { within(0...1) < probability }

  /// One of `choices`.
  mutating func one<T>(of choices: [T]) -> T { choices[whole(0...choices.count - 1)] }

  /// `color`, a little changed in every part.
  mutating func near(_ color: Color, _ spread: Double) -> Color {
    func part(_ value: Double, _ random: inout SampleRandom) -> Double {
      max(0, min(1, value + random.within(-spread...spread)))
    }
    return Color(part(color.red, &self), part(color.green, &self), part(color.blue, &self))
  }

  /// Any colour of these saturations and brightnesses.
  mutating func color(
    saturation: ClosedRange<Double>, brightness: ClosedRange<Double>
  ) -> Color {
    Color(
      hue: within(0...1), saturation: within(saturation), brightness: within(brightness))
  }
}
