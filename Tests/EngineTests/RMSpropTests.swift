import Engine
import Foundation
import Testing

/// RMSprop's update: its formula, and where numbers end.
@Suite struct RMSpropTests {
  @Test func updateIsTheFormulaInDoubles() throws {
    let model = try EngineTests.smallModel()
    let layout = model.parameters
    for kernels in KernelSet.available {
      var state = ModelState(layout, optimizer: RMSprop())
      let (weights, moment, gradient) = (state.weights, state.slots[0], ParameterBuffer(layout))
      // Squares from 1e-30 to 10, and some zeros.
      for (i, x) in noise(layout.bufferCount, 1).enumerated() {
        gradient.floats[i] = i % 7 == 0 ? 0 : x * Float(pow(10, Double(i % 16) - 15))
        moment.floats[i] = i % 5 == 0 ? 0 : abs(x) * Float(pow(10, Double(i % 31) - 30))
      }
      let before = Array(moment.buffer)
      try Updater(GradientLayout(layout, batch: 1), threads: 2, kernels: kernels).apply(
        RMSprop(learningRate: 1e-4), to: &state, gradientSum: gradient, pictures: 1)
      #expect(state.updates == 1)
      var expected: [Double] = []
      for i in 0..<layout.bufferCount {
        let g = Double(gradient.floats[i])
        let a = 0.9 * Double(before[i]) + 0.1 * g * g
        expected.append(-1e-4 * g / (a.squareRoot() + 1e-7))
        #expect(abs(Double(moment.floats[i]) - a) <= 1e-6 * a + 1e-44)
        #expect(abs(Double(weights.floats[i]) - expected[i]) <= 1e-6 * abs(expected[i]))
      }
      #expect(relativeError(Array(weights.buffer), expected) < 1e-6)
    }
  }

  /// Wherever it comes from: a gradient, a sum or a square that overflows, or the step size.
  @Test(arguments: KernelSet.available)
  func anUpdateSaysWhereNumbersEnd(_ kernels: KernelSet) throws {
    let layout = try EngineTests.smallModel().parameters
    let updater = try Updater(GradientLayout(layout, batch: 1), threads: 2, kernels: kernels)
    let last = try #require(layout.tensors.last).offset
    func update(_ value: Float, at place: Int, rate: Float = 1e-4) -> Bool {
      var state = ModelState(layout, optimizer: RMSprop())
      let gradient = ParameterBuffer(layout)
      gradient.floats[place] = value
      let isFinite = updater.apply(
        RMSprop(learningRate: rate), to: &state, gradientSum: gradient, pictures: 1)
      #expect(isFinite == state.isFinite)
      // It is told of each update anew.
      gradient.floats[place] = 1
      var another = ModelState(layout, optimizer: RMSprop())
      let isCalm = updater.apply(RMSprop(), to: &another, gradientSum: gradient, pictures: 1)
      #expect(isCalm)
      return isFinite
    }
    for place in [0, 1, 15, layout.tensors[1].offset, last] {
      for value in [Float.nan, .infinity, -.infinity, 1e20] { #expect(!update(value, at: place)) }
      for value in [0, Float(1), -1e18, .leastNonzeroMagnitude] {
        #expect(update(value, at: place))
      }
      #expect(!update(1, at: place, rate: 3e38))
    }
  }
}
