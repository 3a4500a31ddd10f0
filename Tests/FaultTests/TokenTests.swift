import Foundation
import Network
import Primitives
import TestSupport
import Testing
import Wire

extension FaultTests {
  /// Who is let in, and what is told of the token.
  @Suite struct Tokens {
    @Test func whoHasNoGoodTokenIsTurnedAwayAndTheRunGoesOn() throws {
      let run = try FaultRun(isLong: true)
      let coordinator = try run.coordinator()
      _ = [try run.worker(), try run.worker()]
      try run.waitForAnEpoch()
      run.disturb()
      let (key, other) = (try Key(file: run.folder + "/run.key"), try Key())
      func worker(_ token: Token?, _ extra: [String] = []) throws -> Running {
        try run.worker(extra, environment: ["DOGSLED_TOKEN": token?.text ?? ""])
      }
      let foreign = Token(of: other, hosts: ["127.0.0.1"], port: run.port)
      let wrong = Token(
        secret: .random(), fingerprint: key.fingerprint, hosts: ["127.0.0.1"], port: run.port)
      for (running, status, says) in [
        (try worker(foreign), 1, "another key than the token names: the token is another run's"),
        (try worker(wrong), 1, "the coordinator: its token is wrong: it is another run's"),
        (try worker(nil), 2, "its token is missing"),
        (try worker(nil, ["--insecure"]), 1, "the peer speaks TLS, and this side does not"),
      ] as [(Running, Int32, String)] {
        #expect(try running.status() == status, "\(running.output)")
        let line = try #require(running.output.split(separator: "\n").last)
        #expect(line.hasPrefix("dogsled: ") && line.contains(says), "\(running.output)")
      }
      #expect(tool("printf 'GET / HTTP/1.1\\r\\n\\r\\n' >/dev/tcp/127.0.0.1/\(run.port)", "bash"))
      try run.expectUndisturbed(coordinator, "workers with the tokens of others, or none")
      for line in [
        ": it does not know this key: its token is another run's", ": it speaks no TLS",
        ": its token is wrong: it is another run's",
      ] {
        #expect(coordinator.output.contains(line), "\(line): \(coordinator.output)")
      }
      #expect(run.count("joined") == 2)
    }

    /// It is in its own file, and in no other, nor in what a list of processes shows.
    @Test(arguments: [false, true]) func aTokenIsToldToNobody(_ isLocal: Bool) throws {
      let run = try FaultRun(isLong: true)
      let running =
        isLocal ? try run.trainWithWorkers(2) : try run.coordinator()
      if !isLocal { _ = [try run.worker(), try run.worker()] }
      try run.wait(for: "epoch")
      let text = try String(contentsOfFile: run.folder + "/run/token", encoding: .utf8)
        .trimmingCharacters(in: .whitespacesAndNewlines)
      let secret = try #require(text.split(separator: "_", maxSplits: 1).last).prefix(21)
      #expect(text.hasPrefix("dogsled1_") && secret.count == 21)
      let words = try processes().filter { $0.contains(run.folder) || $0.contains("dogsled") }
      #expect(words.count >= 3)
      #expect(words.allSatisfy { !$0.contains(secret) })
      try run.expectUndisturbed(running, "nothing: is the token told?")
      let files = try FileManager.default.subpathsOfDirectory(atPath: run.folder)
      var read = 0
      for file in files where !["run/token", "run/key", "run.key"].contains(file) {
        guard let bytes = FileManager.default.contents(atPath: "\(run.folder)/\(file)") else {
          continue
        }
        read += 1
        #expect(bytes.range(of: Data(secret.utf8)) == nil, "\(file)")
        if let raw = Base64URL.bytes(secret.prefix(20)) {
          #expect(bytes.range(of: Data(raw)) == nil, "\(file)")
        }
      }
      #expect(read > 10)
      for file in ["run/token", isLocal ? "run/key" : "run.key"] {
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(run.folder)/\(file)")
        #expect(attributes[.posixPermissions] as? Int == 0o600, "\(file)")
      }
    }

    /// The words of every process on this machine.
    private func processes() throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { Int($0) != nil }
        .compactMap { FileManager.default.contents(atPath: "/proc/\($0)/cmdline") }
        .map { String(decoding: $0, as: UTF8.self) }
    }

    /// A worker that was started once stays with a run whose coordinator is killed and goes on.
    @Test func aRunThatGoesOnHasItsTokenOfBefore() throws {
      let run = try FaultRun()
      let first = try run.coordinator(workers: 1, lock: [])
      let path = run.folder + "/run/token"
      try waitUntil(60, first.output) { FileManager.default.fileExists(atPath: path) }
      let token = try String(contentsOfFile: path, encoding: .utf8)
      let worker = try run.worker(environment: ["DOGSLED_TOKEN": token])
      try run.waitForAnEpoch()
      run.disturb { first.signal(SIGKILL) }
      _ = try first.status()
      let second = try run.coordinator(workers: 1, resuming: true, lock: [])
      try run.expectUndisturbed(second, "a coordinator that was killed, with the run's own key")
      #expect(try String(contentsOfFile: path, encoding: .utf8) == token)
      #expect(try worker.status() == 0)
    }
  }
}
