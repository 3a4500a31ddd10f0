import Engine
import Foundation
import Testing

/// What every optimizer has to keep, whatever its rule; the rules themselves are compared with
/// Keras's in `TrainingParityTests`.
@Suite struct OptimizerTests {
  static let all: [any Optimizer] = [
    RMSprop(), RMSprop(momentum: 0.9), RMSprop(centered: true),
    RMSprop(momentum: 0.5, centered: true), SGD(), SGD(momentum: 0.9),
    SGD(momentum: 0.9, nesterov: true), Adam(), AdamW(),
  ]

  private func state(_ rule: any Optimizer, _ layout: ParameterLayout) -> ModelState {
    var state = ModelState(layout, optimizer: rule)
    state.initialize(seed: 3)
    return state
  }

  /// - Returns: the digests of weights and slots after three updates.
  private func threeUpdates(
    _ rule: any Optimizer, threads: Int, _ kernels: KernelSet, copying: Bool = false
  ) throws -> [String] {
    let layout = try EngineTests.smallModel().parameters
    let updater = try Updater(
      GradientLayout(layout, batch: 1), threads: threads, kernels: kernels)
    var present = state(rule, layout)
    for number in 1...3 {
      let gradient = ParameterBuffer(layout)
      for (i, x) in noise(layout.bufferCount, UInt64(number)).enumerated() {
        gradient.floats[i] = i % 7 == 0 ? 0 : x * Float(pow(10, Double(i % 9) - 6))
      }
      #expect(updater.apply(rule, to: &present, gradientSum: gradient, pictures: 2))
      #expect(present.updates == number && present.isFinite)
      if copying { present = present.copy() }
    }
    return ([present.weights] + present.slots).map { $0.digest.description }
  }

  @Test(arguments: all.indices)
  func `Bits do not depend on threads or instruction set`(_ index: Int) throws {
    let rule = Self.all[index]
    let expected = try threeUpdates(rule, threads: 1, .baseline)
    #expect(expected.count == 1 + rule.slots.count)
    #expect(Set(expected).count == expected.count)
    for kernels in KernelSet.available {
      #expect(try threeUpdates(rule, threads: 2, kernels, copying: true) == expected)
    }
  }

  /// Whatever a rule depends on changes what it does.
  @Test(arguments: Optimizers.all.indices)
  func `Each setting changes the weights`(_ index: Int) throws {
    let kind = OptimizerName(Optimizers.all[index]).description
    let standard = Optimizers.all[index].init()
    var values = standard.values.map(\.value)
    // Nesterov's form is one of momentum.
    if let place = standard.values.firstIndex(where: { $0.kerasName == "momentum" }) {
      values[place] = 0.5
    }
    let rule = try #require(Optimizers.named(kind, values: values))
    #expect(rule.values.map(\.value) == values)
    let digests = try threeUpdates(rule, threads: 1, .baseline)
    for place in values.indices {
      var other = values
      other[place] = other[place] == 0 ? 1 : other[place] * 0.5
      let changed = try #require(Optimizers.named(kind, values: other))
      let name = rule.values[place].kerasName
      #expect(try threeUpdates(changed, threads: 1, .baseline)[0] != digests[0], "\(name)")
    }
  }

  @Test(arguments: all.indices)
  func `An update says where numbers end`(_ index: Int) throws {
    let (rule, layout) = (Self.all[index], try EngineTests.smallModel().parameters)
    let last = try #require(layout.tensors.last).offset
    for kernels in KernelSet.available {
      let updater = try Updater(GradientLayout(layout, batch: 1), kernels: kernels)
      for place in [0, 17, last] {
        for value in [Float.nan, .infinity, -.infinity, 1] {
          let gradient = ParameterBuffer(layout)
          gradient.floats[place] = value
          var present = state(rule, layout)
          let isFinite = updater.apply(rule, to: &present, gradientSum: gradient, pictures: 1)
          #expect(isFinite == value.isFinite && isFinite == present.isFinite)
        }
      }
    }
  }

  @Test func `A state suits the optimizer whose slots it has, not one with as many`() throws {
    let layout = try EngineTests.smallModel().parameters
    let states = Self.all.map { ModelState(layout, optimizer: $0) }
    for (index, rule) in Self.all.enumerated() {
      for (other, state) in states.enumerated() {
        #expect(state.suits(rule) == (Self.all[other].slots == rule.slots))
        #expect(other != index || state.suits(rule))
      }
    }
    // Two slots each, in another order.
    #expect(!ModelState(layout, optimizer: Adam()).suits(RMSprop(momentum: 0.9)))
    #expect(!ModelState(layout, optimizer: SGD(momentum: 0.9)).suits(RMSprop()))
  }

  @Test func `Optimizers are found by their names`() throws {
    #expect(OptimizerName.all.map(\.description) == ["rmsprop", "sgd", "adam", "adamw"])
    for name in OptimizerName.all {
      #expect(OptimizerName(name.description.uppercased()) == name)
      #expect(OptimizerName(name.rule) == name)
    }
    #expect(OptimizerName("adagrad") == nil && OptimizerName("") == nil)
    #expect(Optimizers.named("adam", values: [1, 2]) == nil)
  }
}
