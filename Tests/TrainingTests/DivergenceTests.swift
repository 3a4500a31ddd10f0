import Coordination
import Engine
import Foundation
import KerasFiles
import Primitives
import Testing
import Training
import Wire

/// Numbers that are none: of a run that diverges, or of one machine.
@Suite struct DivergenceTests {
  /// Relu makes zero of NaN, so the loss stays a number; or the weights themselves overflow.
  @Test(arguments: [1e3, 1e8, 1e11, 1e20, 1e30, 3e38] as [Float], [1, 3, 10])
  func `A run that diverges ends with one line, and leaves no weights that are no numbers`(
    rate: Float, perUpdate: Int
  ) throws {
    let run = try TinyRun {
      $0.learningRate = rate
      $0.batchesPerUpdate = perUpdate
      $0.epochs = 12
    }
    let folder = try run.makeFolder("run")
    let (ending, _) = try run.alone(folder)
    if ending == .finished {
      // Large, but numbers.
      #expect(try ModelFile(reading: folder.modelPath).isFinite)
    } else {
      let reason = try #require(ending.reason)
      guard case .failed = ending else {
        Issue.record("\(ending)")
        return
      }
      #expect(reason.contains("is no longer a finite number in"), "\(reason)")
      #expect(reason.contains("choose a smaller --learning-rate"))
      #expect(!FileManager.default.fileExists(atPath: folder.modelPath))
    }
    for path in [folder.checkpointPath, folder.previousCheckpointPath]
    where FileManager.default.fileExists(atPath: path) {
      #expect(try ModelFile(reading: path).isFinite)
    }
  }

  @Test func `Weights that overflow in an update are not in the checkpoint before it`() throws {
    let run = try TinyRun { $0.learningRate = 3e38 }
    let folder = try run.makeFolder("run")
    var notes: [CoordinatorNote] = []
    let (ending, _) = try run.alone(folder) { if case .note(let note) = $0 { notes.append(note) } }
    #expect(
      ending
        == .failed(
          "a weight is no longer a finite number in update 1: choose a smaller --learning-rate"))
    #expect(notes.count { if case .rolledBack = $0 { true } else { false } } == 1)
    #expect(!FileManager.default.fileExists(atPath: folder.checkpointPath))
  }

  /// What a peer can say that no honest worker does; the run goes on with the other one.
  @Test(arguments: [
    "a gradient of NaN", "an infinite gradient", "a negative loss", "a loss of 1e300",
    "minus infinity", "one more right", "fewer than none right", "one picture more",
    "another digest",
  ])
  func `An answer that cannot be honest puts its sender out`(_ lie: String) throws {
    let run = try TinyRun { $0.batchesPerUpdate = 2 }
    let alone = try run.alone(try run.makeFolder("alone"))
    let crew = Crew(data: run.data)
    crew.start()
    crew.start(change: { try? Self.lie(lie, $0) })
    let (ending, losses) = try run.losses(crew)
    #expect(ending == alone)
    #expect(losses.count == 1, "\(losses)")
    let expected =
      switch lie {
      case "a gradient of NaN", "an infinite gradient": "is not finite"
      case "another digest": "is not the one it names"
      default: "its answer to"
      }
    #expect(losses.first?.contains(expected) == true, "\(losses)")
  }

  private static func lie(_ lie: String, _ message: WorkerMessage) throws -> WorkerMessage {
    switch (message, lie) {
    case (.gradient(var header, let body), "a gradient of NaN"),
      (.gradient(var header, let body), "an infinite gradient"):
      let layout = try #require(layout)
      let gradient = ParameterBuffer(layout.buffer)
      try TensorCoding.decode(body, into: gradient)
      gradient.floats[3] = lie == "a gradient of NaN" ? .nan : .infinity
      header.digest = gradient.digest
      return .gradient(header, try TensorCoding.encode(gradient))
    case (.gradient(var header, let body), "another digest"):
      header.digest = .ofNothing
      return .gradient(header, body)
    case (.gradient(var header, let body), _):
      change(lie, &header.loss, &header.correct, &header.count)
      return .gradient(header, body)
    case (.evaluated(var header), _):
      change(lie, &header.loss, &header.correct, &header.count)
      return .evaluated(header)
    default: return message
    }
  }

  private static func change(
    _ lie: String, _ loss: inout Double, _ correct: inout Int, _ count: inout Int
  ) {
    switch lie {
    case "a negative loss": loss = -loss
    case "a loss of 1e300": loss = 1e300
    case "minus infinity": loss = -.infinity
    case "one more right": correct = count + 1
    case "fewer than none right": correct = -1
    case "one picture more": count += 1
    default: break
    }
  }

  private static let layout = try? TinyRun().job.gradients

  /// A machine that once comes to no number: computed again, the step is one, and it goes.
  @Test func `One machine's NaN is no divergence`() throws {
    let run = try TinyRun { $0.batchesPerUpdate = 2 }
    let alone = try run.alone(try run.makeFolder("alone"))
    let crew = Crew(data: run.data)
    crew.start()
    crew.start(damage: { $0.floats[5] = .nan })
    let (ending, losses) = try run.losses(crew)
    #expect(ending == alone)
    #expect(losses.count == 1 && losses[0].contains("makes errors"), "\(losses)")
  }
}

extension TinyRun {
  /// Trains with a crew of two, and tells why workers were lost.
  fileprivate func losses(
    _ crew: Crew
  ) throws -> (ending: (ending: RunEnding, digest: Digest), losses: [String]) {
    var options = CoordinatorHost.Options(kernels: .baseline)
    options.minimumWorkers = 2
    var losses: [String] = []
    let folder = try makeFolder("crew")
    let coordinator = try CoordinatorHost(
      job, options: options, store: folder, mailbox: crew.coordinator, links: crew.links,
      report: { report in
        if case .note(.lost(_, _, let reason)) = report { losses.append(reason) }
      })
    let ending = coordinator.run()
    crew.wait()
    return ((ending, coordinator.digest), losses)
  }
}
