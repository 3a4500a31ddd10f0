import Engine
import Foundation
import KerasFiles
import Runs
import TestSupport
import Testing

/// `best.h5`, and what a run may have to go back to.
@Suite struct BestFilesTests {
  struct Description: Codable { var seed = 7 }

  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = folder.file("run")
  }

  /// A model whose weights are all `epoch`.
  private func model(_ epoch: Int) throws -> ModelFile {
    let architecture = try Architecture(
      input: Shape(height: 2, width: 2, channels: 3),
      layers: [(nil, .flatten), (nil, .dense(units: 1, activation: .sigmoid))])
    var state = ModelState(architecture.parameters, optimizer: RMSprop())
    state.weights.buffer.update(repeating: Float(epoch))
    state.updates = epoch
    return ModelFile(
      architecture: architecture, state: state,
      best: BestEpoch(
        epoch: epoch, validationLoss: 1 / Double(epoch), validationAccuracy: 0.5,
        digest: state.digest))
  }

  /// The checkpoint after an epoch, which names the best one until then.
  private func checkpoint(_ epoch: Int, naming best: Int) throws -> ModelFile {
    var file = try model(epoch)
    file.position = RunPosition(epochs: epoch, updates: epoch)
    file.position?.best = try model(best).best
    file.best = nil
    return file
  }

  private var files: [String] {
    get throws {
      try FileManager.default.contentsOfDirectory(atPath: path)
        .filter { $0.hasPrefix("best") }.sorted()
    }
  }

  private func epoch(_ name: String) throws -> Int? {
    let file = try ModelFile(reading: "\(path)/\(name)", asCheckpoint: true)
    #expect(file.best?.digest == file.state.digest)
    return file.best?.epoch
  }

  @Test func `An earlier one stays while a checkpoint names it`() throws {
    let run = try RunFolder.create(path, description: Description())
    #expect(run.best == nil)
    for epoch in 1...3 {
      try run.writeBest(model(epoch))
      try run.writeCheckpoint(checkpoint(epoch, naming: epoch))
      #expect(try self.epoch("best.h5") == epoch)
    }
    // The checkpoints are those of epochs 2 and 3.
    #expect(try files == ["best-2.h5", "best.h5"])
    #expect(try epoch("best-2.h5") == 2)
    for epoch in 4...5 { try run.writeCheckpoint(checkpoint(epoch, naming: 3)) }
    #expect(try files == ["best.h5"])
    // Before the checkpoint that names it the one before is still named twice.
    try run.writeBest(model(6))
    #expect(try files == ["best-3.h5", "best.h5"])
    #expect(run.best?.epoch == 6)
    try run.writeModel(model(6))
    #expect(try files == ["best.h5"])
  }

  @Test(arguments: [3, 2, 1])
  func `A rollback takes it back`(to epoch: Int) throws {
    do {
      let run = try RunFolder.create(path, description: Description())
      for epoch in 1...3 {
        try run.writeBest(model(epoch))
        try run.writeCheckpoint(checkpoint(epoch, naming: epoch))
      }
      // Epoch 4 was better, and is forgotten.
      try run.writeBest(model(4))
      let newest = try run.rollBack(before: epoch)
      // Epoch 1's checkpoint is gone.
      let expected = epoch == 1 ? nil : epoch
      #expect(newest?.position?.best?.epoch == expected && run.best?.epoch == expected)
      #expect(try FileManager.default.fileExists(atPath: path + "/best.h5") == (expected != nil))
      if let expected { #expect(try self.epoch("best.h5") == expected) }
    }
    // The same run goes on, and finds its own again.
    let run = try RunFolder.open(path)
    let checkpoint = try run.checkpoint(of: [.ofNothing]).file
    #expect(try run.restoreBest(checkpoint?.position?.best))
    #expect(run.best?.epoch == (epoch == 1 ? nil : epoch))
    try run.writeBest(model(9))
    #expect(try self.epoch("best.h5") == 9)
  }

  @Test func `Who is killed between the model and the checkpoint goes on with the one before`()
    throws
  {
    do {
      let run = try RunFolder.create(path, description: Description())
      try run.writeBest(model(1))
      try run.writeCheckpoint(checkpoint(1, naming: 1))
      try run.writeBest(model(2))
      #expect(try epoch("best.h5") == 2)
    }
    let run = try RunFolder.open(path)
    #expect(try run.restoreBest(checkpoint(1, naming: 1).position?.best))
    #expect(try epoch("best.h5") == 1 && files == ["best.h5"])
  }

  @Test func `One that is missing, damaged or another is not taken`() throws {
    do {
      let run = try RunFolder.create(path, description: Description())
      try run.writeBest(model(3))
    }
    let named = try model(3).best
    let run = try RunFolder.open(path)
    #expect(try run.restoreBest(named) && run.best == named)
    var other = named
    other?.validationLoss = 0.25
    #expect(try !run.restoreBest(other) && run.best == nil)
    try FileManager.default.removeItem(atPath: path + "/best.h5")
    #expect(try !run.restoreBest(named))
    try Data("damaged".utf8).write(to: URL(fileURLWithPath: path + "/best.h5"))
    #expect(try !run.restoreBest(named))
    // At a run's start there is none.
    #expect(try run.restoreBest(nil))
    #expect(try files == [])
  }

  @Test func `Of equal epochs the first is the best, and by the figure that was asked for`() {
    func record(_ loss: Double, _ accuracy: Double) -> EpochRecord {
      EpochRecord(
        epoch: 2, loss: 1, accuracy: 1, validationLoss: loss, validationAccuracy: accuracy,
        seconds: 1, picturesPerSecond: 1)
    }
    let best = BestEpoch(
      epoch: 1, validationLoss: 0.5, validationAccuracy: 0.75, digest: .ofNothing)
    var values = Hyperparameters()
    #expect(values.isBetter(record(0.7, 0.1), than: nil))
    #expect(values.isBetter(record(0.49, 0.1), than: best))
    #expect(!values.isBetter(record(0.5, 0.9), than: best))
    values.best = .accuracy
    #expect(values.isBetter(record(0.9, 0.76), than: best))
    #expect(!values.isBetter(record(0.1, 0.75), than: best))
    for measure in BestMeasure.allCases {
      values.best = measure
      #expect(!values.isBetter(record(.nan, .nan), than: nil))
    }
  }
}
