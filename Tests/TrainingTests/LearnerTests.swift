import Engine
import Primitives
import Testing
import Training

/// What a run learns: updates that follow from the gradients alone, and the way back.
@Suite struct LearnerTests {
  private let run: TinyRun

  init() throws { run = try TinyRun() }

  private func learner(from state: ModelState? = nil) throws -> Learner {
    try Learner(run.job, from: state, threads: 1, kernels: .chosen())
  }

  /// Takes the gradients of an update in the order of `places`.
  private func take(_ places: [Int], seed: UInt64, _ learner: inout Learner) {
    for place in places {
      let buffer = learner.gradientBuffer()
      let draws = CounterRandom(seed: seed, purpose: .benchmark, UInt64(place))
      for tensor in buffer.layout.tensors {
        for index in buffer[tensor].indices {
          buffer[tensor][index] = draws.symmetricFloat(UInt64(tensor.offset + index))
        }
      }
      learner.take([StepGradient(buffer, pictures: 2)], at: place, of: places.count)
    }
  }

  @Test func theStartFollowsFromTheSeed() throws {
    let learner = try learner()
    let weights = ParameterBuffer(run.job.architecture.parameters)
    weights.initialize(seed: run.job.hyperparameters.seed)
    #expect(learner.digest == weights.digest)
    #expect(learner.state.updates == 0)
    #expect(learner.state.slots.count == 1 && learner.state.slots[0].isFinite)
  }

  @Test func anUpdateDoesNotDependOnTheOrderOfArrival() throws {
    var (one, two) = (try learner(), try learner())
    take([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], seed: 3, &one)
    take([7, 9, 0, 4, 8, 2, 1, 6, 5, 3], seed: 3, &two)
    let start = one.digest
    let areFinite = (one.applyUpdate(), two.applyUpdate())
    #expect(areFinite == (true, true))
    #expect(one.digest == two.digest && one.digest != start)
    #expect(one.state.slots[0].digest == two.state.slots[0].digest)
    #expect(one.state.updates == 1)
  }

  @Test func buffersAreFreeAgainAfterAnUpdate() throws {
    var learner = try learner()
    for seed in 0..<4 {
      take([0, 1, 2], seed: UInt64(seed), &learner)
      _ = learner.applyUpdate()
    }
    #expect(learner.gradientBuffers == 3)
  }

  @Test func itRollsBackToAnEarlierStateAndToTheStart() throws {
    var learner = try learner()
    let start = learner.digest
    take([0, 1], seed: 3, &learner)
    _ = learner.applyUpdate()
    let earlier = learner.state.copy()
    take([0, 1], seed: 4, &learner)
    _ = learner.applyUpdate()
    let later = learner.digest
    take([0], seed: 5, &learner)
    learner.rollBack(to: earlier)
    #expect(learner.digest == earlier.digest && learner.state.updates == 1)
    // The same updates lead to the same weights: nothing of what was forgotten is left.
    take([0, 1], seed: 4, &learner)
    _ = learner.applyUpdate()
    #expect(learner.digest == later && learner.state.updates == 2)
    learner.rollBack(to: nil)
    #expect(learner.digest == start && learner.state.updates == 0)
    #expect(learner.state.slots[0].buffer.allSatisfy { $0 == 0 })
  }

  @Test func gradientsThatAreForgottenLeaveNoTrace() throws {
    var (learner, other) = (try learner(), try learner())
    take([0], seed: 9, &learner)
    learner.forgetGradients()
    for seed in [3, 4] {
      take([0, 1, 2], seed: UInt64(seed), &learner)
      take([0, 1, 2], seed: UInt64(seed), &other)
      _ = (learner.applyUpdate(), other.applyUpdate())
    }
    #expect(learner.digest == other.digest)
  }

  @Test func itGoesOnFromAState() throws {
    var whole = try learner()
    take([0, 1], seed: 3, &whole)
    _ = whole.applyUpdate()
    var rest = try learner(from: whole.state.copy())
    take([0, 1], seed: 4, &whole)
    take([0, 1], seed: 4, &rest)
    _ = (whole.applyUpdate(), rest.applyUpdate())
    #expect(rest.digest == whole.digest && rest.state.updates == 2)
  }

  @Test func numbersThatAreNotFiniteAreSaid() throws {
    var learner = try learner()
    let buffer = learner.gradientBuffer()
    buffer.floats[0] = .infinity
    learner.take([StepGradient(buffer, pictures: 1)], at: 0, of: 1)
    let isFinite = learner.applyUpdate()
    #expect(!isFinite)
  }
}
