import ArgumentParser
import Engine
import Foundation
import Primitives
import Simulation
import Synchronization

/// `simulate`: runs schedules of the simulated world.
@main struct Simulate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run simulated training runs in which everything goes wrong.",
    discussion: """
      Each seed is one schedule, replayed exactly. A seed that fails is printed with the shortest \
      log of events that fails too.

      Example: swift run -c release simulate --count 10000
      """)

  @Option(help: "Run this seed alone, and print what happens.") var seed: UInt64?
  @Option(help: "How many seeds to run.") var count = 1000
  @Option(help: "The first of them.") var from: UInt64 = 0
  @Option(help: "Threads; as many as the machine has cores where not given.")
  var threads = Cores.ofThisProcess.usable

  func validate() throws {
    guard count > 0, threads > 0 else {
      throw ValidationError("--count and --threads must be positive")
    }
  }

  func run() throws {
    let jobs = try SimulatedJob.all(kernels: KernelSet.chosen())
    if let seed {
      let outcome = Simulation.run(Scenario(seed: seed), jobs, logs: true)
      print(([outcome.scenario.description] + outcome.log).joined(separator: "\n"))
      guard let violation = outcome.violation else { return print("seed \(seed) is well") }
      print("seed \(seed) fails: \(violation)")
      throw ExitCode.failure
    }
    let next = Atomic<Int>(0)
    let failed = Mutex<(seeds: [UInt64], events: Int)>(([], 0))
    try ThreadPool(threads: threads).run(threads) { _, _ in
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        guard index < count else { return }
        let seed = from &+ UInt64(index)
        let outcome = Simulation.run(Scenario(seed: seed), jobs)
        failed.withLock {
          $0.events += outcome.events
          if outcome.violation != nil { $0.seeds.append(seed) }
        }
      }
    }
    let (seeds, events) = failed.withLock { ($0.seeds.sorted(), $0.events) }
    guard let first = seeds.first else {
      return print("\(count) schedules, \(events) events: all end with the undisturbed weights")
    }
    let shortest = Simulation.shortest(Scenario(seed: first), jobs)
    print(([shortest.scenario.description] + shortest.log).joined(separator: "\n"))
    print("seed \(first) fails: \(shortest.violation ?? "")")
    print("\(seeds.count) of \(count) seeds fail: \(seeds.prefix(20))")
    throw ExitCode.failure
  }
}
