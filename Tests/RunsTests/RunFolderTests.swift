import Engine
import Foundation
import KerasFiles
import Primitives
import Runs
import TestSupport
import Testing

@Suite("Run folders")
struct RunFolderTests {
  struct Description: Codable, Equatable {
    var seed = 7
    var data = "/a/b"
    var rate = Float(1e-4)
  }

  let folder: TemporaryFolder
  let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = folder.file("deep/run")
  }

  func record(_ epoch: Int, loss: Double = 0.5) -> EpochRecord {
    EpochRecord(
      epoch: epoch, loss: loss, accuracy: 0.75, validationLoss: .nan,
      validationAccuracy: 1.0 / 3, seconds: 12.3456, picturesPerSecond: 98.76, bytesReceived: 5,
      bytesSent: 6, gradientsAwaited: 1.5, weightsAwaited: 0.25, learningRate: 0.25,
      validationTopFive: 0.875)
  }

  @Test("a new folder has its description and an empty history")
  func create() throws {
    let run = try RunFolder.create(path, description: Description())
    #expect(try run.description(as: Description.self) == Description())
    let json = try String(contentsOfFile: run.descriptionPath, encoding: .utf8)
    #expect(json.contains("\"data\" : \"/a/b\",\n"))
    #expect(
      try String(contentsOfFile: run.historyPath, encoding: .utf8)
        == "epoch,loss,acc,val_loss,val_acc,seconds,images_per_second,bytes_received,bytes_sent,"
        + "gradients_awaited_s,weights_awaited_s,learning_rate,val_top5_acc\n")
  }

  @Test("a folder that holds a run is refused, and stays as it is")
  func refusesRun() throws {
    try RunFolder.create(path, description: Description()).append(record(1))
    let error = #expect(throws: FileError.self) {
      try RunFolder.create(path, description: Description(seed: 8))
    }
    #expect(error?.description.hasPrefix("\(path): holds a run already (run.json)") == true)
    #expect(try RunFolder.open(path).description(as: Description.self) == Description())
    #expect(try RunFolder.open(path).history.records.count == 1)
  }

  @Test("a folder in use is refused until its run is over")
  func locked() throws {
    var run: RunFolder? = try RunFolder.create(path, description: Description())
    let error = #expect(throws: FileError.self) { try RunFolder.open(path) }
    #expect(error?.description.contains("in use") == true)
    #expect(run?.path == path)
    run = nil
    _ = try RunFolder.open(path)
  }

  @Test("what cannot be made or is not there is named")
  func wrongPlaces() throws {
    let file = try folder.write(Data(), to: "file")
    for path in [file, file + "/run"] {
      let error = #expect(throws: FileError.self) {
        try RunFolder.create(path, description: Description())
      }
      #expect(error?.description.hasPrefix(path) == true, "\(error?.description ?? "")")
      #expect(error?.description.contains("\n") == false)
    }
    let error = #expect(throws: FileError.self) { try RunFolder.open(path) }
    #expect(error?.description == "\(path): holds no run: there is no run.json in it")
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test("epochs are kept in order, and repeated ones replaced")
  func history() throws {
    do {
      let run = try RunFolder.create(path, description: Description())
      for epoch in 1...4 { try run.append(record(epoch)) }
    }
    let run = try RunFolder.open(path)
    #expect(run.history.records.map(\.epoch) == [1, 2, 3, 4])
    try run.append(record(3, loss: .infinity))
    let read = try History(reading: run.historyPath).records
    #expect(read.map(\.epoch) == [1, 2, 3])
    #expect(read[0].validationAccuracy == 1.0 / 3)
    #expect(read[0].validationLoss.isNaN)
    #expect(read[2].loss == .infinity)
    let text = try String(contentsOfFile: run.historyPath, encoding: .utf8)
    #expect(
      text.contains("\n1,0.5,0.75,nan,0.3333333333333333,12.346,98.8,5,6,1.500,0.250,0.25,0.875\n"))
  }

  /// Earlier ones have no columns of what was waited for, or none of the learning rate.
  @Test func `A history of an earlier version is read, and written anew with what it lacks`() throws
  {
    let run = try RunFolder.create(path, description: Description())
    let lines =
      "epoch,loss,acc,val_loss,val_acc,seconds,images_per_second,bytes_received,bytes_sent\n"
      + "1,0.5,0.75,0.25,0.5,12.346,98.8,5,6\n"
    try Data(lines.utf8).write(to: URL(fileURLWithPath: run.historyPath))
    let old = try History(reading: run.historyPath).records
    #expect(old.count == 1 && old[0].bytesSent == 6)
    #expect(old[0].gradientsAwaited == 0 && old[0].weightsAwaited == 0)
    #expect(History(old).csv.hasSuffix(",5,6,0.000,0.000,nan,nan\n"))
    let later =
      lines.replacing("bytes_sent", with: "bytes_sent,gradients_awaited_s,weights_awaited_s")
      .replacing(",5,6", with: ",5,6,1.5,2.5")
    try Data(later.utf8).write(to: URL(fileURLWithPath: run.historyPath))
    let newer = try History(reading: run.historyPath).records
    #expect(newer.count == 1 && newer[0].weightsAwaited == 2.5 && newer[0].learningRate == nil)
  }

  @Test("a history that is none is refused with its line")
  func wrongHistory() throws {
    let path = try folder.write(Data("\(History.header)\n1,2,3\n".utf8), to: "history.csv")
    var error = #expect(throws: FileError.self) { try History(reading: path) }
    let reason = "line 2 is not an epoch: 1,2,3: restore the file from a copy"
    #expect(error?.description == "\(path): \(reason)")
    _ = try folder.write(Data("a,b\n".utf8), to: "history.csv")
    error = #expect(throws: FileError.self) { try History(reading: path) }
    #expect(error?.description.contains("not a history") == true)
  }

  @Test("events are one JSON object a line, from any thread, and go on after a resume")
  func events() throws {
    do {
      let run = try RunFolder.create(path, description: Description())
      DispatchQueue.concurrentPerform(iterations: 200) { index in
        run.record(Event(.joined, worker: index, address: "10.0.0.\(index):80"))
      }
    }
    let run = try RunFolder.open(path)
    run.record(
      Event(
        .lost, worker: 3, reason: "a \"late\"\nheartbeat", time: Date(timeIntervalSince1970: 0.5)))
    let lines = try String(contentsOfFile: run.eventsPath, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 201)
    let workers = try lines.map { line in
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      return try #require(object?["worker"] as? Int)
    }
    #expect(Set(workers.prefix(200)) == Set(0..<200))
    let last = #"{"kind":"lost","reason":"a \"late\"\nheartbeat","#
    let end = #""time":"1970-01-01T00:00:00.500Z","worker":3}"#
    #expect(lines.last.map(String.init) == last + end)
  }

  @Test("a rollback forgets what came later, on the disk too", arguments: [10, 7, 5, 4])
  func goesBack(_ updates: Int) throws {
    let architecture = try Architecture(
      input: Shape(height: 2, width: 2, channels: 3),
      layers: [(nil, .flatten), (nil, .dense(units: 1, activation: .sigmoid))])
    do {
      let run = try RunFolder.create(path, description: Description())
      for epoch in 1...3 { try run.append(record(epoch)) }
      for position in [RunPosition(epochs: 1, updates: 5), RunPosition(epochs: 2, updates: 10)] {
        var state = ModelState(architecture.parameters, optimizer: RMSprop())
        state.updates = position.updates
        try run.writeCheckpoint(
          ModelFile(architecture: architecture, state: state, position: position))
      }
      let expected = updates >= 10 ? 10 : updates >= 5 ? 5 : nil
      #expect(try run.rollBack(before: updates)?.position?.updates == expected)
    }
    // Killed on the way: the intention is there, and what came later is not removed yet.
    if updates == 5 { try Data("4\n".utf8).write(to: URL(fileURLWithPath: path + "/rollback")) }
    let run = try RunFolder.open(path)
    #expect(!FileManager.default.fileExists(atPath: path + "/rollback"))
    let epochs = updates == 5 ? 0 : updates >= 10 ? 2 : updates >= 5 ? 1 : 0
    #expect(run.history.records.map(\.epoch) == Array(0..<epochs).map { $0 + 1 })
    let position = try run.checkpoint(of: [.ofNothing]).file?.position
    #expect(position?.epochs ?? 0 == epochs)
  }

  @Test("a checkpoint of another number of updates than its position says is none")
  func contradictoryCheckpoint() throws {
    let architecture = try Architecture(
      input: Shape(height: 2, width: 2, channels: 3),
      layers: [(nil, .flatten), (nil, .dense(units: 1, activation: .sigmoid))])
    let run = try RunFolder.create(path, description: Description())
    try run.writeCheckpoint(
      ModelFile(
        architecture: architecture,
        state: ModelState(architecture.parameters, optimizer: RMSprop()),
        position: RunPosition(epochs: 1, updates: 5)))
    #expect(throws: ModelFileError.self) { try run.checkpoint(of: [.ofNothing]) }
    let earlier = try run.rollBack(before: 9)
    #expect(earlier?.position == nil)
  }

  @Test("curves, checkpoint and model are written into it")
  func files() throws {
    let run = try RunFolder.create(path, description: Description())
    try run.append(record(1))
    try run.drawCurves()
    let architecture = try Architecture(
      input: Shape(height: 2, width: 2, channels: 3),
      layers: [(nil, .flatten), (nil, .dense(units: 1, activation: .sigmoid))])
    let model = ModelFile(
      architecture: architecture,
      state: ModelState(architecture.parameters, optimizer: RMSprop()))
    try run.writeCheckpoint(model)
    try run.writeModel(model)
    let files = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    #expect(
      files == [
        "checkpoint.h5", "curves.png", "curves.svg", "events.jsonl", "history.csv", "model.h5",
        "run.json",
      ])
  }
}
