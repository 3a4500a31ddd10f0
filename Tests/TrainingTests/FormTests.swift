import Coordination
import Engine
import Foundation
import Primitives
import Runs
import Synchronization
import Testing
import Training
import Wire

/// Whole runs: however the weights travel, they are those of one process.
@Suite struct FormTests {
  private static let forms = WeightsForm.allCases

  private func options(
    _ form: WeightsForm, verify: Double = 0, partFloats: Int = 64
  ) -> CoordinatorHost.Options {
    var options = CoordinatorHost.Options(kernels: .baseline)
    options.weights = form
    options.verify = verify
    options.partFloats = partFloats
    return options
  }

  /// A model whose dense layer travels as factors, and one where that does not pay; parts of all
  /// there is of a tensor, and small ones.
  @Test(arguments: forms, [0, 0.5])
  func `Every form leaves the weights that one process makes`(
    form: WeightsForm, verify: Double
  ) throws {
    for (units, perUpdate, partFloats) in [(16, 3, 1 << 14), (16, 2, 64), (8, 2, 48), (8, 5, 16)] {
      let run = try TinyRun(units: units) { $0.batchesPerUpdate = perUpdate }
      let alone = try run.alone(try run.makeFolder("alone"))
      let crew = try run.crew(
        run.makeFolder("crew"), minimum: 3, first: 3,
        options: options(form, verify: verify, partFloats: partFloats))
      #expect(crew == alone, "\(units) units, \(perUpdate) steps, parts of \(partFloats)")
      let records = try ["alone", "crew"].map {
        try History(reading: run.folder.file("\($0)/history.csv")).records.map {
          [$0.loss, $0.accuracy, $0.validationLoss, $0.validationAccuracy]
        }
      }
      #expect(records[0] == records[1])
    }
  }

  @Test(arguments: forms, [0, 0.5])
  func `Workers that come and go in the middle of updates change nothing`(
    form: WeightsForm, verify: Double
  ) throws {
    let run = try TinyRun(units: 16) { $0.batchesPerUpdate = 3 }
    let alone = try run.alone(try run.makeFolder("alone"))
    var storm = Storm()
    let stormy = try run.crew(
      run.makeFolder("stormy"), minimum: 2, first: 2,
      options: options(form, verify: verify)
    ) { report, crew in
      storm.rage(report, crew)
    }
    #expect(stormy == alone)
  }

  /// The digest of large weights takes a while, on another thread than the one that computes.
  @Test(arguments: forms)
  func `That a worker holds weights is said before it answers with them`(
    form: WeightsForm
  ) throws {
    let run = try TinyRun(units: 16)
    let alone = try run.alone(try run.makeFolder("alone"))
    let crew = Crew(data: run.data)
    crew.start(change: { message in
      if case .holds = message { usleep(20_000) }
      return message
    })
    let (ending, notes) = try run.train(crew, minimum: 1, options(form))
    #expect(ending == alone)
    #expect(!notes.contains { if case .lost = $0 { true } else { false } }, "\(notes)")
  }

  private static func isSentAnew(_ note: CoordinatorNote) -> Bool {
    guard case .failure(_, let reason) = note else { return false }
    return reason.contains("is sent them anew")
  }

  /// Where it did one update wrong it is sent the state anew, and goes on.
  @Test func `A machine that once errs in an update is sent the weights anew`() throws {
    let run = try TinyRun(units: 16) {
      $0.epochs = 6
      $0.batchesPerUpdate = 2
    }
    let alone = try run.alone(try run.makeFolder("alone"))
    let crew = Crew(data: run.data)
    let updates = Atomic(0)
    crew.start()
    crew.start(
      damageToWeights: { weights in
        if updates.wrappingAdd(1, ordering: .relaxed).newValue == 3 { weights.floats[7] += 1e-6 }
      })
    let (ending, notes) = try run.train(crew, minimum: 2, options(.update))
    #expect(ending == alone)
    let losses = notes.filter { if case .lost = $0 { true } else { false } }
    #expect(losses.isEmpty, "\(losses)")
    #expect(notes.count(where: Self.isSentAnew) == 1, "\(notes)")
  }

  @Test func `A machine that errs in each update goes`() throws {
    let run = try TinyRun(units: 8) {
      // So many that it errs three times also where it is slow.
      $0.epochs = 60
      $0.batchesPerUpdate = 2
    }
    let alone = try run.alone(try run.makeFolder("alone"))
    let crew = Crew(data: run.data)
    crew.start()
    crew.start(damageToWeights: { $0.floats[7] += 1e-6 })
    let (ending, notes) = try run.train(crew, minimum: 2, options(.update))
    #expect(ending == alone)
    // The third time nothing is sent any more; a slow one may not come so far.
    #expect((1...2).contains(notes.count(where: Self.isSentAnew)), "\(notes)")
    let reasons = notes.compactMap { if case .lost(_, _, let reason) = $0 { reason } else { nil } }
    #expect(reasons.count <= 1 && reasons.allSatisfy { $0.contains("makes errors") }, "\(reasons)")
  }

  /// One that stops in the middle of a gradient, after its parts have gone to all others; what
  /// another computes of the step is equal, so nothing is computed twice.
  @Test(arguments: [8, 16])
  func `A worker that is lost in the middle of a gradient changes nothing`(units: Int) throws {
    let run = try TinyRun(units: units) { $0.batchesPerUpdate = 2 }
    let alone = try run.alone(try run.makeFolder("alone"))
    let crew = Crew(data: run.data)
    let left = Atomic(20)
    crew.start()
    crew.start(change: { message in
      guard case .part = message else { return message }
      let now = left.wrappingSubtract(1, ordering: .relaxed).newValue
      // The leave overtakes nothing; what follows it is of nobody.
      return now == 0 ? .leaving : now > 0 ? message : nil
    })
    let (ending, notes) = try run.train(crew, minimum: 2, options(.update))
    #expect(ending == alone)
    let rollbacks = notes.filter { if case .rolledBack = $0 { true } else { false } }
    #expect(rollbacks.isEmpty)
  }

  /// The same, where its machine made errors: others were sent what is wrong.
  @Test(arguments: [8, 16])
  func `A machine that errs, and is lost in the middle of a gradient, changes nothing`(
    units: Int
  ) throws {
    let run = try TinyRun(units: units) {
      // So many that it computes a second one also where it is slow.
      $0.epochs = 30
      $0.batchesPerUpdate = 2
    }
    let alone = try run.alone(try run.makeFolder("alone"))
    let crew = Crew(data: run.data)
    // Its second gradient is wrong in each tensor, and it is lost half way through.
    let parts = run.job.gradients.parts(most: 64).count
    let computed = Atomic(0)
    let left = Atomic(parts + parts / 2)
    crew.start()
    crew.start(
      damage: { gradient in
        guard computed.wrappingAdd(1, ordering: .relaxed).newValue == 2 else { return }
        for tensor in gradient.layout.tensors { gradient.floats[tensor.offset] += 1 }
      },
      change: { message in
        guard case .part = message else { return message }
        let now = left.wrappingSubtract(1, ordering: .relaxed).newValue
        return now == 0 ? .leaving : now > 0 ? message : nil
      })
    let (ending, notes) = try run.train(crew, minimum: 2, options(.update))
    #expect(ending == alone)
    // Unless its step was done before by another, which nobody is told of.
    let reasons = notes.compactMap { if case .lost(_, _, let reason) = $0 { reason } else { nil } }
    #expect(reasons.allSatisfy { $0 == "it left the run" }, "\(reasons)")
  }
}

extension TinyRun {
  /// Trains with a crew, and tells what was noted.
  fileprivate func train(
    _ crew: Crew, minimum: Int, _ options: CoordinatorHost.Options
  ) throws -> (ending: (ending: RunEnding, digest: Digest), notes: [CoordinatorNote]) {
    var options = options
    options.minimumWorkers = minimum
    var notes: [CoordinatorNote] = []
    let coordinator = try CoordinatorHost(
      job, options: options, store: makeFolder("crew"), mailbox: crew.coordinator,
      links: crew.links,
      report: { if case .note(let note) = $0 { notes.append(note) } })
    let ending = coordinator.run()
    crew.wait()
    return ((ending, coordinator.digest), notes)
  }
}
