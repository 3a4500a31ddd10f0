import Engine
import Foundation
import KerasFiles
import Pictures
import TestSupport
import Testing

/// Damaged model files, given to every verb that reads one: no crash, no hang, no great hunger, and
/// nothing of ours is loaded that is not as it was written.
@Suite struct HostileModelTests {
  /// How many files; the environment may ask for more.
  private static let count =
    ProcessInfo.processInfo.environment["DOGSLED_MUTATIONS"].flatMap { Int($0) } ?? 240

  let folder: TemporaryFolder

  /// A folder with drawn pictures in `data`, a picture, and a run with a checkpoint in `run`.
  init() throws {
    folder = try TemporaryFolder()
    try DrawnPictures.write(
      to: folder.path + "/data", train: 4, validation: 2, test: 2, seed: 4)
    let architecture = try Architecture(
      input: Shape(height: 12, width: 10, channels: 3),
      layers: [
        (nil, .convolution(Convolution(filters: 5))), (nil, .maxPooling(size: 2)), (nil, .flatten),
        (nil, .dense(units: 1, activation: .sigmoid)),
      ])
    try folder.write(Data(KerasConfiguration.encode(architecture).utf8), to: "model.json")
    let run = try Command(
      ["train", "data", "--model", "model.json", "--run", "run"] + Self.short, in: folder)
    try #require(run.status == 0, "\(run.errors)")
  }

  private static let short = ["--epochs", "1", "--steps-per-epoch", "1", "--batch-size", "2"]

  @Test func noVerbIsHarmedByADamagedFile() throws {
    let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../KerasFilesTests/Files")
    let ours = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/run/checkpoint.h5"))
    var files = [ours]
    for name in ["keras", "chunked", "new"] {
      files.append(try Data(contentsOf: fixtures.appendingPathComponent("\(name).h5")))
    }
    // Ours without what shows that it is: its seal, and the name of its group.
    var stripped = ours.dropLast(40)
    let name = try #require(stripped.range(of: Data("dogsled\0".utf8)))
    stripped.replaceSubrange(name, with: Data("dogslea\0".utf8))
    stripped.replaceSubrange(40..<48, with: withUnsafeBytes(of: stripped.count) { Data($0) })
    files.append(stripped)

    var draws = SplitMix(state: 1)
    for index in 0..<Self.count {
      let file = files[index % files.count]
      let damaged = Mutation.any(of: file, &draws)
      guard damaged != file else { continue }
      // Each verb meets each file.
      let verb = Verb.allCases[(index / files.count) % Verb.allCases.count]
      let result = try run(verb, damaged, index)
      let allowed: Set<Int32> = index % files.count == 0 || verb == .resume ? [1] : [0, 1]
      let said = "\(index): \(verb): \(result.status): \(result.errors.suffix(500))"
      #expect(allowed.contains(result.status), "\(said)")
      #expect(
        result.status == 0 || result.errorLines.last?.hasPrefix("dogsled: ") == true, "\(said)")
    }
    // As they are, all but the run's can be read; that is what the damage was done to.
    for (index, file) in files.enumerated() {
      #expect(try run(.digest, file, Self.count + index).status == 0)
    }
  }

  /// What reads a model file.
  private enum Verb: CaseIterable { case summary, digest, predict, evaluate, train, resume }

  /// Runs a verb on a file, with 1 GiB of memory and 20 seconds.
  private func run(_ verb: Verb, _ file: Data, _ index: Int) throws -> Command {
    try folder.write(file, to: "damaged.h5")
    let arguments: [String]
    switch verb {
    case .summary: arguments = ["summary", "--model", "damaged.h5"]
    case .digest: arguments = ["digest", "damaged.h5"]
    case .predict: arguments = ["predict", "damaged.h5", "data/test/cats/cat.0.jpg"]
    case .evaluate: arguments = ["evaluate", "damaged.h5", "data/test"]
    case .train:
      arguments = ["train", "data", "--model", "damaged.h5", "--run", "trained"] + Self.short
    case .resume:
      let copy = folder.path + "/copy"
      try? FileManager.default.removeItem(atPath: copy)
      try FileManager.default.copyItem(atPath: folder.path + "/run", toPath: copy)
      try? FileManager.default.removeItem(atPath: copy + "/checkpoint-previous.h5")
      try folder.write(file, to: "copy/checkpoint.h5")
      arguments = ["train", "data", "--resume", "copy"]
    }
    try? FileManager.default.removeItem(atPath: folder.path + "/trained")
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments =
      [
        "-c", #"ulimit -c 0; ulimit -d 1048576; exec timeout -s KILL 20 "$0" "$@""#,
        Bundle.main.bundleURL.appendingPathComponent("dogsled").path,
      ] + arguments
    shell.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    (shell.standardOutput, shell.standardError) = (Pipe(), Pipe())
    try shell.run()
    return try Command(waitingFor: shell)
  }
}

/// Changes of a file, as a bad disk or a bad person makes them.
private enum Mutation: CaseIterable {
  case flips, bytes, cut, cutOfASeal, swap, removal, words

  static func any(of file: Data, _ draws: inout SplitMix) -> Data {
    let kind = allCases.randomElement(using: &draws) ?? .flips
    return kind.applied(to: file, &draws)
  }

  private func applied(to file: Data, _ draws: inout SplitMix) -> Data {
    var bytes = [UInt8](file)
    func place(_ length: Int = 1) -> Int { Int.random(in: 0...bytes.count - length, using: &draws) }
    switch self {
    case .flips:
      for _ in 0..<Int.random(in: 1...16, using: &draws) {
        bytes[place()] ^= 1 << UInt8.random(in: 0..<8, using: &draws)
      }
    case .bytes:
      for _ in 0..<Int.random(in: 1...16, using: &draws) {
        bytes[place()] = [0, 1, 0x7F, 0xFF].randomElement(using: &draws) ?? 0
      }
    case .cut: bytes.removeLast(place())
    case .cutOfASeal: bytes.removeLast(Int.random(in: 1...40, using: &draws))
    case .swap:
      let length = Int.random(in: 1...512, using: &draws)
      let (one, other) = (place(length), place(length))
      let piece = Array(bytes[one..<one + length])
      bytes.replaceSubrange(one..<one + length, with: bytes[other..<other + length])
      bytes.replaceSubrange(other..<other + length, with: piece)
    case .removal:
      let length = Int.random(in: 1...512, using: &draws)
      let start = place(length)
      bytes.removeSubrange(start..<start + length)
    case .words:
      // Lengths and places in the file are words on multiples of eight.
      for _ in 0..<Int.random(in: 1...4, using: &draws) {
        let word = place(8) & ~7
        let some: [UInt64] = [
          0, 1, 1 << 16, 1 << 31, 1 << 40, 1 << 62, .max - 7, .max, UInt64(bytes.count),
          UInt64(place() & ~7), UInt64(word),
        ]
        let value = some.randomElement(using: &draws) ?? 0
        for index in 0..<8 { bytes[word + index] = UInt8(value >> UInt64(8 * index) & 255) }
      }
    }
    return Data(bytes)
  }
}

/// Sebastiano Vigna's splitmix64: the same draws in every run.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    return word ^ word >> 31
  }
}
