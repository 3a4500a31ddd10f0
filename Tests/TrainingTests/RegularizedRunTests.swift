import Engine
import KerasFiles
import Primitives
import Runs
import TestSupport
import Testing
import Training

/// Runs with all that works against overfitting, and with Adam: the weights are as exact as others.
@Suite struct RegularizedRunTests {
  private static func run(
    _ change: (inout Hyperparameters) -> Void = { _ in }
  ) throws -> TinyRun {
    try TinyRun(units: 16) {
      $0.choose(OptimizerName(Adam.self))
      $0.dropout = 0.4
      $0.weightDecay = 0.01
      $0.labelSmoothing = 0.1
      $0.classWeights = .named(["dogs": 2])
      $0.batchesPerUpdate = 2
      change(&$0)
    }
  }

  private static let forms: [WeightsForm] = [.whole, .update]

  @Test(arguments: forms)
  func `Workers that come and go leave the weights as one process makes them`(
    _ form: WeightsForm
  ) throws {
    let run = try Self.run()
    let alone = try run.alone(try run.makeFolder("alone"), threads: 2)
    #expect(alone.ending == .finished)
    #expect(alone == (try run.alone(try run.makeFolder("again"), threads: 1)))
    var options = CoordinatorHost.Options(kernels: .baseline)
    options.weights = form
    options.probe = try Probe(
      run.job.architecture, run.job.hyperparameters, threads: 1, kernels: .baseline)
    let three = try run.crew(run.makeFolder("three"), minimum: 3, first: 3, options: options)
    #expect(three == alone)
    options.probe = nil
    var storm = Storm()
    let stormy = try run.crew(
      run.makeFolder("stormy"), minimum: 2, first: 2, options: options
    ) { report, crew in storm.rage(report, crew) }
    #expect(stormy == alone)
  }

  @Test(arguments: [1, 4, 7])
  func `An interrupted run goes on in the middle of an epoch`(after progress: Int) throws {
    let run = try Self.run()
    let (folder, other) = (try run.makeFolder("part"), try run.makeFolder("whole"))
    let whole = try run.alone(other)
    let rest = try run.interrupted(folder, after: progress) { checkpoint, _ in
      #expect(checkpoint.optimizer as? Adam == Adam())
    }
    #expect(rest == whole)
    // The same losses too, what the weights' decay adds to them included.
    #expect(folder.history.records.map(\.loss) == other.history.records.map(\.loss))
  }

  @Test func `The weights depend on each setting`() throws {
    func digest(_ change: (inout Hyperparameters) -> Void) throws -> Digest {
      let run = try Self.run {
        $0.epochs = 1
        change(&$0)
      }
      return try run.alone(try run.makeFolder("run")).digest
    }
    let digests: [Digest] = try [
      digest { _ in }, digest { $0.seed = 2 }, digest { $0.dropout = 0 },
      digest { $0.dropout = 0.3 }, digest { $0.weightDecay = 0 }, digest { $0.weightDecay = 0.1 },
      digest { $0.labelSmoothing = 0 }, digest { $0.labelSmoothing = 0.2 },
      digest { $0.classWeights = .equal }, digest { $0.classWeights = .named(["cats": 2]) },
      digest { $0.choose(OptimizerName(AdamW.self)) }, digest { $0.beta1 = 0.8 },
    ]
    #expect(Set(digests).count == digests.count)
  }

  @Test func `Class weights for a class that there is not are refused`() throws {
    let error = #expect(throws: HyperparameterError.self) {
      try Self.run { $0.classWeights = .named(["birds": 2]) }
    }
    #expect(error?.description.contains("the classes are cats, dogs") == true)
  }
}
