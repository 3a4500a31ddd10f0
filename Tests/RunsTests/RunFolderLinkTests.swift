import Engine
import Foundation
import KerasFiles
import Primitives
import Runs
import TestSupport
import Testing

/// Run folders that somebody prepared: a run writes through no link, and reads through none.
@Suite("Run folders with links in them")
struct RunFolderLinkTests {
  struct Description: Codable { var seed = 7 }

  static let files = [
    "run.json", "history.csv", "events.jsonl", "checkpoint.h5", "checkpoint-previous.h5",
    "model.h5", "best.h5", "curves.svg", "curves.png", "classes.txt", "rollback",
  ]
  static let names = files + files.map { $0 + ".partial" }

  let folder: TemporaryFolder
  let path: String
  let victim: String
  let model: ModelFile

  init() throws {
    folder = try TemporaryFolder()
    path = folder.file("run")
    victim = try folder.write(Data("precious".utf8), to: "victim")
    let architecture = try Architecture(
      input: Shape(height: 2, width: 2, channels: 3),
      layers: [(nil, .flatten), (nil, .dense(units: 1, activation: .sigmoid))])
    model = ModelFile(
      architecture: architecture,
      state: ModelState(architecture.parameters, optimizer: RMSprop()),
      position: RunPosition(updates: 3))
  }

  /// Puts something that is no plain file at `name` in the run folder.
  private func plant(_ kind: String, _ name: String) throws {
    let place = "\(path)/\(name)"
    try? FileManager.default.removeItem(atPath: place)
    switch kind {
    case "a symbolic link": #expect(symlink(victim, place) == 0)
    case "a symbolic link to nothing": #expect(symlink(folder.file("new"), place) == 0)
    case "a pipe": #expect(mkfifo(place, 0o600) == 0)
    default:
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
    }
  }

  private func expectUnharmed(_ name: String) throws {
    #expect(try folder.contents("victim") == Data("precious".utf8), "\(name)")
    #expect(!FileManager.default.fileExists(atPath: folder.file("new")), "\(name)")
  }

  @Test(
    "whatever is no plain file is named, and left as it is",
    arguments: ["a symbolic link", "a symbolic link to nothing", "a pipe", "a folder"])
  func planted(_ kind: String) throws {
    for name in Self.names {
      try? FileManager.default.removeItem(atPath: path)
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      try plant(kind, name)
      for attempt in [
        { try RunFolder.refuseUnusable(path) },
        { _ = try RunFolder.create(path, description: Description()) },
      ] {
        let error = #expect(throws: FileError.self, "\(name)") { try attempt() }
        let said = error?.description ?? ""
        #expect(said.hasPrefix("\(path)/\(name): \(kind.prefix(9))"), "\(said)")
      }
      try expectUnharmed(name)
      #expect(try FileManager.default.contentsOfDirectory(atPath: path) == [name])

      try? FileManager.default.removeItem(atPath: path)
      _ = try RunFolder.create(path, description: Description())
      try plant(kind, name)
      let error = #expect(throws: FileError.self, "\(name)") { try RunFolder.open(path) }
      #expect(error?.description.hasPrefix("\(path)/\(name): ") == true)
      try expectUnharmed(name)
    }
  }

  @Test("what is planted while the run goes on is not written through, or read")
  func later() throws {
    let run = try RunFolder.create(path, description: Description())
    let record = EpochRecord(
      epoch: 1, loss: 1, accuracy: 1, validationLoss: 1, validationAccuracy: 1, seconds: 1,
      picturesPerSecond: 1)
    var best = model
    best.best = BestEpoch(
      epoch: 1, validationLoss: 1, validationAccuracy: 1, digest: model.state.digest)
    func writeAll() throws {
      best.best?.epoch += 1
      try run.writeBest(best)
      try run.writeCheckpoint(model)
      try run.append(record)
      try run.writeModel(model)
      try run.drawCurves()
      _ = try run.rollBack(before: 5)
    }
    try writeAll()
    for name in Self.files where name != "events.jsonl" {
      try plant("a symbolic link", name)
      // A rename takes the link's place: nothing goes through it.
      try writeAll()
      try expectUnharmed(name)
    }
    for name in [
      "checkpoint.h5", "history.csv", "model.h5", "best.h5", "curves.png", "rollback",
    ] {
      try plant("a symbolic link", name + ".partial")
      #expect(throws: (any Error).self, "\(name)") { try writeAll() }
      try expectUnharmed(name)
      unlink("\(path)/\(name).partial")
      // A second name of a file is not cut short either.
      #expect(link(victim, "\(path)/\(name).partial") == 0)
      try writeAll()
      try expectUnharmed(name)
    }
    try model.write(to: victim)
    for name in ["checkpoint.h5", "checkpoint-previous.h5"] {
      try plant("a symbolic link", name)
    }
    let error = #expect(throws: ModelFileError.self) { try run.checkpoint(of: [.ofNothing]) }
    #expect(error?.description.contains("a symbolic link") == true)
    try plant("a symbolic link", "history.csv")
    #expect(throws: FileError.self) { try History(reading: run.historyPath) }
    try plant("a pipe", "run.json")
    #expect(throws: FileError.self) { try run.description(as: Description.self) }
  }

  @Test("a checkpoint that Dogsled did not write is none")
  func unsealed() throws {
    let run = try RunFolder.create(path, description: Description())
    try run.writeCheckpoint(model)
    let whole = try Data(contentsOf: URL(fileURLWithPath: run.checkpointPath))
    let foreign = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../KerasFilesTests/Files/keras.h5")
    for bytes in [whole.dropLast(40), whole.dropLast(1), try Data(contentsOf: foreign)] {
      try bytes.write(to: URL(fileURLWithPath: run.checkpointPath))
      #expect(throws: ModelFileError.self) { try run.checkpoint(of: [.ofNothing]) }
    }
  }

  @Test("the folder itself may be reached through a link")
  func throughALink() throws {
    #expect(symlink(folder.path, folder.file("link")) == 0)
    let run = try RunFolder.create(folder.file("link") + "/run", description: Description())
    try run.writeCheckpoint(model)
    #expect(FileManager.default.fileExists(atPath: path + "/checkpoint.h5"))
  }
}
