import CountingMalloc
import Engine
import Testing

/// What an engine takes, before it is made.
///
/// The counted bytes are compared with those that are allocated, in a process where nothing else
/// allocates.
@Suite struct MemoryTests {
  @Test(arguments: [1, 3], [1, 20]) func isWhatAnEngineAllocates(_ threads: Int, _ batch: Int) async
  {
    await #expect(processExitsWith: .success) { [threads, batch] in
      for model in [
        try Architecture.book(), try EngineTests.smallModel(), try EngineTests.sigmoidModel(),
      ] {
        let counted = Engine.memory(model, batchCapacity: batch, threads: threads)
        counting_malloc_start()
        let engine = try Engine(
          model, batchCapacity: batch, threads: threads, kernels: try .chosen())
        let taken = counting_malloc_stop().bytes
        // Beside the buffers there are the objects that know them.
        precondition(taken >= counted && taken < counted + 500_000, "\(taken), \(counted)")
        withExtendedLifetime(engine) {}
      }
    }
  }

  @Test func growsWithTheBatchAndTheThreads() throws {
    let model = try Architecture.book()
    let one = Engine.memory(model, batchCapacity: 1, threads: 1)
    let thousands = Engine.memory(model, batchCapacity: 4096, threads: 1)
    #expect(thousands > 9_000_000_000 && thousands < 4096 * one)
    #expect(Engine.memory(model, batchCapacity: 1, threads: 8) > one)
  }

  @Test(arguments: EngineTests.models.indices)
  func anEngineForFewPicturesGivesTheBitsOfARunsSteps(_ index: Int) throws {
    let model = try EngineTests.models[index]()
    let batch = EngineTests.batch(model, count: 2)
    // So many that convolutions are taken in blocks; two alone would be taken whole.
    let digests = try [(2, 64), (64, 64)].map { capacity, step in
      let engine = try Engine(
        model, batchCapacity: capacity, stepSize: step, threads: 2, kernels: try .chosen())
      let weights = ParameterBuffer(model.parameters)
      let gradient = ParameterBuffer(engine.gradientLayout.buffer)
      weights.initialize(seed: 3)
      _ = engine.gradient(batch, weights: weights, into: gradient)
      return gradient.digest
    }
    #expect(digests[0] == digests[1])
    #expect(
      Engine.memory(model, batchCapacity: 2, stepSize: 64, threads: 2) * 2
        < Engine.memory(model, batchCapacity: 64, threads: 2))
  }
}
