// The range of an axis and the round numbers marked on it.

import Foundation

/// One axis of a panel: what it spans and where its ticks are.
struct CurvesAxis {
  let range: ClosedRange<Double>
  let ticks: [Double]
  /// Digits after the point that tell the ticks apart.
  let decimals: Int

  /// An axis that holds all of `values`, which may be none, with `room` of the span free on both
  /// sides and ticks 1, 2 or 5 times a power of ten apart.
  init(holding values: [Double], room: Double, smallestStep: Double = 0) {
    let lowest = values.min() ?? 0
    let highest = values.max() ?? 1
    // Around a single value, a span in which neighbouring doubles still differ.
    let span = max(highest - lowest, abs(highest) * 1e-3, smallestStep, 1e-9)
    let middle = lowest / 2 + highest / 2
    let half = min(span * (0.5 + room), .greatestFiniteMagnitude / 8)
    let range = (middle - half)...(middle + half)
    self.range = range
    let step = max(Self.roundStep(2 * half / 8), smallestStep)
    decimals = max(0, -Int(log10(step).rounded(.down)))
    let first = (range.lowerBound / step).rounded(.up)
    let last = (range.upperBound / step).rounded(.down)
    // Adding zero makes the negative zero positive.
    ticks = stride(from: first, through: last, by: 1).map { $0 * step + 0 }
  }

  /// What is written at `tick`.
  func label(_ tick: Double) -> String {
    abs(tick) < 1e6 && decimals < 7
      ? String(format: "%.\(decimals)f", tick) : String(format: "%g", tick)
  }

  /// Where `value` lies between the ends, 0 to 1.
  func position(_ value: Double) -> Double {
    (value - range.lowerBound) / (range.upperBound - range.lowerBound)
  }

  /// The smallest of 1, 2 and 5 times a power of ten that is at least `step`.
  private static func roundStep(_ step: Double) -> Double {
    let power = pow(10, log10(step).rounded(.down))
    return [1, 2, 5].map { $0 * power }.first { $0 >= step * 0.999 } ?? 10 * power
  }
}
