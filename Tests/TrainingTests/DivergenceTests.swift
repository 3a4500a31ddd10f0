import Coordination
import Engine
import Foundation
import KerasFiles
import Primitives
import Synchronization
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
  @Test(
    arguments: [
      "a gradient of NaN", "an infinite gradient", "a negative loss", "a loss of 1e300",
      "minus infinity", "one more right", "fewer than none right", "one picture more",
      "another digest", "a part too few", "a part twice", "a part that there is not",
      "no parts", "a sum",
    ], [8, 16])
  func `An answer that cannot be honest puts its sender out`(_ lie: String, units: Int) throws {
    let run = try TinyRun(units: units) { $0.batchesPerUpdate = 2 }
    let alone = try run.alone(try run.makeFolder("alone"))
    let crew = Crew(data: run.data)
    crew.start()
    let liar = Liar(lie, run.job.gradients)
    crew.start(change: { liar.change($0) })
    let (ending, losses) = try run.losses(crew)
    #expect(ending == alone)
    #expect(losses.count == 1, "\(losses)")
    let expected =
      switch lie {
      case "a gradient of NaN", "an infinite gradient": "is not finite"
      case "another digest", "a part too few": "is not the one it names"
      case "a part twice", "a part that there is not": "out of turn"
      case "no parts": "did not come"
      case "a sum": "numbers that are no gradient's"
      default: "its answer to"
      }
    #expect(losses.first?.contains(expected) == true, "\(losses)")
  }

  /// Says something else than its worker.
  private final class Liar: Sendable {
    private let lie: String
    private let parts: [GradientPart]
    /// Of the parts of the gradient that it tells, by index.
    private let digests = Mutex<[Int: Digest]>([:])

    init(_ lie: String, _ layout: GradientLayout) {
      self.lie = lie
      parts = layout.parts(most: Limits.standard.partFloats)
    }

    func change(_ message: WorkerMessage) -> WorkerMessage? {
      switch (message, lie) {
      case (.part(let part), _): return change(part).map { .part($0) }
      case (.gradient(var header, nil), "a gradient of NaN"),
        (.gradient(var header, nil), "an infinite gradient"):
        header.digest = digests.withLock { digests in
          Digest(of: digests.sorted { $0.key < $1.key }.map(\.value))
        }
        return .gradient(header, nil)
      case (.gradient(var header, nil), "another digest"):
        header.digest = .ofNothing
        return .gradient(header, nil)
      case (.gradient(var header, nil), _):
        var totals = header.totals[0]
        DivergenceTests.change(lie, &totals.loss, &totals.correct, &totals.count)
        header.totals = [totals]
        return .gradient(header, nil)
      case (.evaluated(var header), _):
        DivergenceTests.change(lie, &header.loss, &header.correct, &header.count)
        return .evaluated(header)
      default: return message
      }
    }

    private func change(_ part: Part) -> Part? {
      var (content, index) = (part.content, part.index)
      var floats = [Float](repeating: 0, count: parts[index].floats.count)
      try? floats.withUnsafeMutableBufferPointer { try part.decode(into: $0) }
      switch lie {
      case "a gradient of NaN" where index == 0: floats[3] = .nan
      case "an infinite gradient" where index == 0: floats[3] = .infinity
      case "a part too few" where index == 1: return nil
      case "a part twice" where index == 1: index = 0
      case "a part that there is not" where index == 1: index = parts.count
      case "no parts": return nil
      case "a sum" where index == 1: content = .sum
      default: break
      }
      let part = floats.withUnsafeBufferPointer {
        Part(content, version: part.version, index: index, floats: $0, bytesPerSecond: nil)
      }
      digests.withLock { $0[index] = part.digest }
      return part
    }
  }

  fileprivate static func change(
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
