import Engine
import Foundation
import KerasFiles
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
        [
          "bench", "step", "--input-size", "70x64", "--batch-size", "2", "--count", "3",
          "--threads", "1", "--profile",
        ], in: folder, environment: ["DOGSLED_KERNELS": "baseline"]))
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
    try DrawnPictures.write(to: folder.path + "/set", train: 1, validation: 1, test: 0)
    let files = ["set/train/cats/cat.0.jpg", "set/train/dogs/dog.0.jpg"]
    let result = try #require(try objects(Command(["bench", "decode"] + files, in: folder)).first)
    #expect(result["count"] as? Int == 2)
    #expect(try #require(result["mean_ms"] as? Double) > 0)
    let missing = try Command("bench", "decode", "nowhere.jpg", in: folder)
    #expect(missing.status == 1)
    #expect(missing.errorLines.last?.contains("nowhere.jpg") == true, "\(missing.errors)")
  }

  @Test func `Augmentation is timed`() throws {
    let result = try #require(
      try objects(
        Command(["bench", "augment", "--count", "20", "--input-size", "40x50"], in: folder)
      ).first)
    #expect(result["size"] as? String == "40x50")
    #expect(result["count"] as? Int == 20)
    let (median, speed) = (
      try #require(result["median_ms"] as? Double),
      try #require(result["pictures_per_second"] as? Double)
    )
    #expect(median > 0 && abs(speed * median - 1000) <= 0.001 * speed + 1)
    let wrong = try Command("bench", "augment", "--count", "0", in: folder)
    #expect(wrong.status == 2 && wrong.errors.contains("--count must be"), "\(wrong.errors)")
  }

  /// Of a small model, on pictures that were drawn: every encoding gives the floats back.
  @Test func `A gradient is encoded, tensor by tensor`() throws {
    try DrawnPictures.write(to: folder.path + "/set", train: 4, validation: 1, test: 0)
    let model = try KerasConfiguration.encode(
      Architecture(
        input: Shape(height: 20, width: 20, channels: 3),
        layers: [
          (nil, .convolution(Convolution(filters: 16))), (nil, .flatten),
          (nil, .dense(units: 32, activation: .relu)),
          (nil, .dense(units: 1, activation: .sigmoid)),
        ]))
    try folder.write(Data(model.utf8), to: "small.json")
    let arguments = [
      "bench", "gradient", "--model", "small.json", "--batch-size", "4", "--updates", "2",
      "--threads", "1",
    ]
    for data in [[], ["--data", "set"]] {
      let lines = try objects(Command(arguments + data, in: folder))
      let tensors = lines.filter { $0["layer"] != nil }
      #expect(tensors.map { $0["layer"] as? String }.suffix(3) == ["dense_1", "dense_1", "all"])
      #expect(tensors.map { $0["kind"] as? String }.contains("inputs"))
      let all = try #require(tensors.last)
      let floats = try #require(all["floats"] as? Int)
      #expect(tensors.dropLast().reduce(0) { $0 + ($1["floats"] as? Int ?? 0) } == floats)
      let plain = try #require(all["plain"] as? [String: Any])
      #expect(plain["bytes"] as? Int == 4 * floats)
      for encoding in ["planes", "sparse"] {
        let measured = try #require(all[encoding] as? [String: Any])
        #expect(try #require(measured["bytes"] as? Int) < 4 * floats)
        #expect(try #require(measured["encode_ms"] as? Double) > 0)
        #expect(try #require(measured["decode_ms"] as? Double) > 0)
      }
      let links = lines.suffix(4)
      #expect(
        links.map { $0["link"] as? String }
          == ["100 Mbit/s", "1000 Mbit/s", "10000 Mbit/s", "loopback"])
      let chosen = try #require(links.first?["chosen"] as? [String: Any])
      #expect(try #require(chosen["bytes"] as? Int) < 4 * floats)
      #expect(links.last?["parts"] as? [String: Int] == ["plain": all["parts"] as? Int ?? 0])
    }
    let one = try objects(Command(arguments + ["--link", "2.5"], in: folder))
    #expect(one.suffix(2).map { $0["link"] as? String } == ["2.5 Mbit/s", "loopback"])
  }

  @Test(arguments: [
    (["--link", "0"], "--link must be"), (["--updates", "-1"], "--updates must be"),
    (["--batch-size", "0"], "--batch-size must be"), (["--data", ""], "--data needs"),
    (["--data", "nowhere"], "nowhere: no such folder"),
  ])
  func `What a gradient cannot be made of is said`(arguments: [String], says: String) throws {
    let result = try Command(["bench", "gradient"] + arguments, in: folder)
    #expect(result.status == (says.hasPrefix("--") ? 2 : 1))
    #expect(result.errorLines.count == 1)
    #expect(result.errors.contains(says), "\(result.errors)")
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
