import Engine
import Runs
import Testing

@Suite("Memory: what a run takes")
struct MemoryTests {
  @Test("each part of a run is in its sum")
  func parts() throws {
    let book = try Architecture.book()
    func run(_ change: (inout Hyperparameters) -> Void = { _ in }, workers: Int = 0) -> Int {
      var values = Hyperparameters()
      change(&values)
      return MemoryNeed.networkRun(
        book, values, threads: 1, localWorkers: workers, workerThreads: 1
      ).bytes
    }
    let weights = 4 * book.parameters.bufferCount
    #expect(run() > 6 * weights)
    let worker = run(workers: 1) - run()
    #expect(worker > Engine.memory(book, batchCapacity: 20, threads: 1) + 2 * weights)
    #expect(run(workers: 3) == run() + 3 * worker)
    // Above eight steps an update's gradients are summed as they come.
    #expect(run({ $0.batchesPerUpdate = 64 }) > run() + 8 * weights)
    let alone = MemoryNeed.oneProcess(book, Hyperparameters(), threads: 1).bytes
    #expect(alone > run() && alone < run(workers: 1))
  }
}
