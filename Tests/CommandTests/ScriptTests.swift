import Foundation
import TestSupport
import Testing

/// The scripts that README begins with.
@Suite struct ScriptTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private func demo() throws -> Command {
    let script = Process()
    script.executableURL = Self.root.appendingPathComponent("scripts/demo")
    script.arguments = [folder.path + "/demo"]
    script.environment = ProcessInfo.processInfo.environment.merging(
      ["DOGSLED": Bundle.main.bundleURL.appendingPathComponent("dogsled").path]
    ) { $1 }
    (script.standardOutput, script.standardError) = (Pipe(), Pipe())
    try script.run()
    return try Command(waitingFor: script)
  }

  @Test func `The demonstration leaves a model that tells drawn cats from drawn dogs`() throws {
    let first = try demo()
    #expect(first.status == 0, "\(first.errors)")
    let evaluation = try #require(first.lines.first { $0.hasPrefix("loss ") })
    let words = evaluation.split(separator: " ")
    let accuracy = try #require(words.firstIndex(of: "accuracy").map { Double(words[$0 + 1]) })
    #expect(try #require(accuracy) > 0.7, "\(evaluation)")
    for file in ["model.h5", "curves.svg", "curves.png"] {
      #expect(FileManager.default.fileExists(atPath: "\(folder.path)/demo/run/\(file)"))
    }
    // A second try does not touch what the first left.
    let second = try demo()
    #expect(second.status == 1)
    #expect(second.errorLines.last?.contains("is there already") == true, "\(second.errors)")
  }
}
