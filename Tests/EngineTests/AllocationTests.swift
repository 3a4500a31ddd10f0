import CountingMalloc
import Engine
import Testing

/// What a step takes from the system: no memory for numbers, once its buffers are planned.
///
/// Each test has a process of its own, in which nothing else allocates.
@Suite struct AllocationTests {
  @Test(arguments: [1, 2]) func aStepAllocatesNoBuffer(_ threads: Int) async {
    await #expect(processExitsWith: .success) { [threads] in
      let model = try Architecture.book(height: 70, width: 70)
      let engine = try Engine(model, batchCapacity: 4, threads: threads, kernels: try .chosen())
      let updater = try Updater(engine.gradientLayout, threads: threads, kernels: try .chosen())
      var state = ModelState(model.parameters, optimizer: RMSprop())
      let gradient = ParameterBuffer(engine.gradientLayout.buffer)
      let optimizer: any Optimizer = RMSprop()
      state.initialize(seed: 1)
      let bytes = [UInt8](repeating: 77, count: model.input.count)
      bytes.withUnsafeBufferPointer { bytes in
        let batch = Batch(
          pictures: [UnsafePointer<UInt8>](repeating: bytes.baseAddress!, count: 4),
          labels: [0, 1, 0, 1])
        let steps = [StepGradient(gradient, pictures: 4)]
        func step() {
          _ = engine.gradient(batch, weights: state.weights, into: gradient)
          updater.apply(optimizer, to: &state, steps: steps)
        }
        // What is made once, as a type's metadata, is made in the first of them.
        var counted = counting_malloc_stop()
        for _ in 0..<2 {
          counting_malloc_start()
          step()
          counted = counting_malloc_stop()
        }
        #if DEBUG
          // Loops that are not optimised box their iterators.
          precondition(counted.count < 100 && counted.largest < 512, "\(counted)")
        #else
          // The context of the closure that a part of a step hands to several threads.
          precondition(counted.count == 0 || threads > 1, "\(counted)")
          precondition(counted.count < 30 && counted.largest < 128, "\(counted)")
        #endif
      }
    }
  }

  @Test func theCounterCounts() async {
    await #expect(processExitsWith: .success) {
      counting_malloc_start()
      let memory = UnsafeMutablePointer<Int>.allocate(capacity: 1000)
      let counted = counting_malloc_stop()
      memory.deallocate()
      precondition(counted.count == 1 && counted.largest == 8000, "\(counted)")
    }
  }
}
