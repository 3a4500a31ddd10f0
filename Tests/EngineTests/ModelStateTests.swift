import Engine
import Testing

/// What a run has learnt is copied, checked and digested as one.
@Suite struct ModelStateTests {
  private func state(seed: UInt64) throws -> ModelState {
    let layout = try EngineTests.smallModel().parameters
    var state = ModelState(layout, optimizer: RMSprop())
    state.initialize(seed: seed)
    state.slots[0].initialize(seed: seed + 1)
    state.updates = Int(seed)
    return state
  }

  @Test func aCopyHasBuffersOfItsOwn() throws {
    let (one, two) = (try state(seed: 3), try state(seed: 5))
    var copy = one.copy()
    #expect(copy.digest == one.digest && copy.updates == 3)
    #expect(copy.slots.map(\.digest) == one.slots.map(\.digest))
    copy.copy(from: two)
    #expect(copy.digest == two.digest && copy.updates == 5)
    #expect(copy.slots.map(\.digest) == two.slots.map(\.digest))
    #expect(one.digest == (try state(seed: 3)).digest && one.digest != two.digest)
  }

  @Test func theDigestIsOfTheWeightsAlone() throws {
    let state = try state(seed: 3)
    let digest = state.digest
    state.slots[0].floats[0] += 1
    #expect(state.digest == digest && state.digest == state.weights.digest)
    state.weights.floats[0] += 1
    #expect(state.digest != digest)
  }

  @Test func oneNumberThatIsNotFiniteIsFound() throws {
    for isInSlot in [false, true] {
      let state = try state(seed: 3)
      #expect(state.isFinite)
      (isInSlot ? state.slots[0] : state.weights).floats[7] = .infinity
      #expect(!state.isFinite)
    }
  }

  @Test func aRunsStartForgetsAll() throws {
    var state = try state(seed: 3)
    let moment = state.slots[0]
    state.initialize(seed: 3)
    #expect(state.updates == 0 && moment.buffer.allSatisfy { $0 == 0 })
    #expect(state.digest == (try self.state(seed: 3)).digest)
  }

  @Test func weightsAloneSuitNoRule() throws {
    let state = try state(seed: 3)
    #expect(state.suits(RMSprop()))
    #expect(!ModelState(weights: state.weights).suits(RMSprop()))
  }
}
