import Engine
import Foundation
import KerasFiles
import Pictures
import TestSupport
import Testing

/// What is refused before it is taken, where a shell allows a process little memory.
@Suite(.serialized) struct MemoryCommandTests {
  let folder: TemporaryFolder

  /// A folder with pictures in `data`, the book's network in `book.h5`, and in `large.json` one of
  /// which a picture takes 256 MB to train.
  init() throws {
    folder = try TemporaryFolder()
    try DrawnPictures.write(
      to: folder.path + "/data", train: 20, validation: 7, test: 1, seed: 4)
    let book = try Architecture.book()
    try ModelFile(
      architecture: book, state: ModelState(weights: ParameterBuffer(book.parameters))
    ).write(
      to: folder.path + "/book.h5")
    let large = try Architecture(
      input: Shape(height: 1000, width: 1000, channels: 3),
      layers: [
        (nil, .convolution(Convolution(filters: 32))),
        (nil, .convolution(Convolution(filters: 8, stride: 8))), (nil, .flatten),
        (nil, .dense(units: 1, activation: .sigmoid)),
      ])
    try folder.write(Data(KerasConfiguration.encode(large).utf8), to: "large.json")
  }

  /// Starts `dogsled` with at most so many kilobytes of address space.
  private func start(_ arguments: [String], kilobytes: Int) throws -> Process {
    let process = Process()
    process.executableURL = URL(filePath: "/bin/sh")
    let program = Bundle.main.bundleURL.appendingPathComponent("dogsled").path
    process.arguments = ["-c", "ulimit -v \(kilobytes); exec \"$0\" \"$@\"", program] + arguments
    process.currentDirectoryURL = URL(filePath: folder.path)
    (process.standardOutput, process.standardError) = (Pipe(), Pipe())
    try process.run()
    return process
  }

  private func run(_ arguments: [String], kilobytes: Int = 3_000_000) throws -> Command {
    try Command(waitingFor: start(arguments, kilobytes: kilobytes))
  }

  @Test func aSmallPredictionNeedsNoRoomForThousands() throws {
    let picture = "data/test/cats/cat.27.jpg"
    let few = try run(["predict", "book.h5", picture, "--threads", "2"])
    let result = try run(
      ["predict", "book.h5", picture, "--threads", "2", "--batch-size", "4096"])
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains(picture) && result.output == few.output)
    let evaluation = try run(
      [
        "evaluate", "book.h5", "data/test", "--threads", "2", "--batch-size", "4096", "--classes",
        "cats,dogs",
      ])
    #expect(evaluation.status == 0, "\(evaluation.errors)")
  }

  @Test(
    "one line with the figure and what to do",
    arguments: [
      ["bench", "step", "--batch-size", "4096", "--threads", "2"],
      ["bench", "step", "--batch-size", "40", "--threads", "2", "--model", "large.json"],
      [
        "train", "data", "--model", "large.json", "--batch-size", "40", "--threads", "2",
        "--steps-per-epoch", "1",
      ],
      [
        "train", "data", "--model", "large.json", "--batch-size", "40", "--threads", "2",
        "--steps-per-epoch", "1", "--workers", "2",
      ],
    ])
  func refused(_ arguments: [String]) throws {
    let result = try run(arguments)
    #expect(result.status == 128, "\(result.errors)")
    #expect(result.errorLines.count == 1, "\(result.errors)")
    #expect(result.errors.contains(" GB of memory, but the limit of ulimit -v leaves "))
    #expect(result.errors.contains("choose a smaller --batch-size"))
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/runs"))
  }

  @Test func aModelThatNoMemoryHoldsIsRefused() throws {
    // 200 million parameters: 0.8 GB of weights, and as much again for RMSprop.
    let many = try Architecture(
      input: Shape(height: 100, width: 100, channels: 3),
      layers: [
        (nil, .flatten), (nil, .dense(units: 6666, activation: .linear)),
        (nil, .dense(units: 1, activation: .sigmoid)),
      ])
    try folder.write(Data(KerasConfiguration.encode(many).utf8), to: "many.json")
    let summary = try Command("summary", "--model", "many.json", in: folder)
    #expect(summary.output.contains("199,993,333"))
    let result = try run(
      ["bench", "step", "--model", "many.json", "--threads", "1"], kilobytes: 1_500_000)
    #expect(result.status == 128)
    #expect(result.errorLines.count == 1, "\(result.errors)")
  }

  /// The coordinator has the memory that its probe takes; the worker has not what a batch takes.
  @Test func aWorkerRefusesAWelcomeThatAsksForMoreThanItHas() throws {
    let port = try #require((20000...32000).randomElement())
    let coordinator = try Command.start(
      [
        "coordinator", "data", "--listen", "127.0.0.1:\(port)", "--insecure",
        "--model", "large.json",
        "--batch-size", "40", "--steps-per-epoch", "1", "--threads", "1", "--run", "run",
      ], in: folder)
    defer { coordinator.terminate() }
    let worker = try run(
      ["worker", "127.0.0.1:\(port)", "--insecure", "--data", "data", "--threads", "1"],
      kilobytes: 3_000_000)
    #expect(worker.status == 128, "\(worker.errors)")
    #expect(worker.errorLines.last?.contains("the coordinator's run takes ") == true)
    #expect(worker.errors.contains("GB of memory, but the limit of ulimit -v leaves "))
  }
}
