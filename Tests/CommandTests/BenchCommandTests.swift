import Foundation
import TestSupport
import Testing

/// The verbs that measure, and what a shell needs to complete all of them.
@Suite struct BenchCommandTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func objects(_ command: Command) throws -> [[String: Any]] {
    #expect(command.status == 0, "\(command.errors)")
    return try command.lines.map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
  }

  @Test func `A step is timed, and each of its layers`() throws {
    let lines = try objects(
      Command(
        ["bench", "step", "--input-size", "70x64", "--count", "3", "--threads", "1", "--profile"],
        in: folder, environment: ["DOGSLED_KERNELS": "baseline"]))
    let step = try #require(lines.first)
    #expect(step["input"] as? String == "70x64")
    #expect(step["count"] as? Int == 3)
    #expect(step["kernels"] as? String == "baseline")
    #expect(try #require(step["median_ms"] as? Double) > 0)
    let layers = lines.dropFirst()
    #expect(layers.count >= 4)
    for layer in layers {
      #expect(try #require(layer["forward_ms"] as? Double) > 0, "\(layer)")
      #expect(try #require(layer["backward_ms"] as? Double) > 0, "\(layer)")
    }
  }

  @Test func `Decoding is timed on the files that are named`() throws {
    #expect(try Command("sample", "set", "--train", "1", in: folder).status == 0)
    let files = ["set/train/cats/cat.0.jpg", "set/train/dogs/dog.0.jpg"]
    let result = try #require(try objects(Command(["bench", "decode"] + files, in: folder)).first)
    #expect(result["count"] as? Int == 2)
    #expect(try #require(result["mean_ms"] as? Double) > 0)
    let missing = try Command("bench", "decode", "nowhere.jpg", in: folder)
    #expect(missing.status == 1)
    #expect(missing.errorLines.last?.contains("nowhere.jpg") == true, "\(missing.errors)")
  }

  /// A script that bash can read, and that names every verb.
  @Test(arguments: ["bash", "zsh", "fish"])
  func `Completion scripts are made`(shell: String) throws {
    let script = try Command("--generate-completion-script", shell, in: folder)
    #expect(script.status == 0)
    for verb in ["prepare", "train", "coordinator", "worker", "evaluate", "predict", "bench"] {
      #expect(script.output.contains(verb))
    }
    guard shell == "bash" else { return }
    try folder.write(Data(script.output.utf8), to: "completion")
    let check = Process()
    check.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    check.arguments = ["bash", "-n", folder.path + "/completion"]
    try check.run()
    check.waitUntilExit()
    #expect(check.terminationStatus == 0)
  }
}
