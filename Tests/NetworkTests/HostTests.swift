import Foundation
import Network
import TestSupport
import Testing

/// What is asked of hosts over ssh, and what they may answer.
@Suite struct HostTests {
  @Test func aHostFileIsReadAsMPIs() throws {
    let text =
      "# two hosts\n\nnode1 slots=2   # this one has two\r\nme@node2.local\nfe80::1%eth0 #x"
    let file = try HostFile(text: text, path: "hosts")
    #expect(file.hosts.map(\.name) == ["node1", "me@node2.local", "fe80::1%eth0"])
    #expect(file.hosts.map(\.slots) == [2, 1, 1])
    #expect(HostFile(host: "node1")?.hosts.map(\.slots) == [1])
    #expect(HostFile(host: "-oProxyCommand=x") == nil)
  }

  @Test(
    "what is wrong is named with its line",
    arguments: [
      ("node1\n-oProxyCommand=false", "hosts, line 2: '-oProxyCommand=false' is no host name"),
      ("node1 slots=0", "hosts, line 1: expected 'NAME slots=N'"),
      ("node1 slots=1000", "hosts, line 1: expected 'NAME slots=N'"),
      ("node1 slots=1 fast", "hosts, line 1: expected 'NAME slots=N'"),
      ("node1\n\nnode1", "hosts, line 3: node1 is named a second time"),
      ("nöde", "hosts, line 1: 'nöde' is no host name"), ("# nobody", "hosts: names no host"),
    ])
  func wrongHostFile(text: String, line: String) {
    let error = #expect(throws: HostFileError.self) { try HostFile(text: text, path: "hosts") }
    #expect(error?.description.hasPrefix(line) == true, "\(String(describing: error))")
  }

  @Test func theNewerProgramIsChosen() throws {
    let folder = try TemporaryFolder()
    let paths = try ["build", "package"].map { try folder.write([1], to: $0) }
    for (ages, chosen) in [([100, 50], 1), ([50, 100], 0), ([50, 50], 0)] {
      for (path, age) in zip(paths, ages) {
        try FileManager.default.setAttributes(
          [.modificationDate: Date(timeIntervalSince1970: 1e9 - Double(age))], ofItemAtPath: path)
      }
      #expect(ProgramFile.newer(paths[0], paths[1]) == paths[chosen])
    }
    #expect(ProgramFile.newer(paths[0], folder.file("none")) == paths[0])
  }

  @Test func aQuestionIsReadAsItWasWritten() {
    let question = HostQuestion(
      word: Array(1...16), port: 7777, addresses: ["10.0.0.1", "fd00::1"], isAddressChosen: true,
      isWhole: false)
    #expect(HostQuestion(question.text) == question)
    for text in ["", "00 7777 any whole", "\(String(repeating: "0", count: 32)) 0 any whole"] {
      #expect(HostQuestion(text) == nil)
    }
  }

  private let answer = HostAnswer(
    version: "0.1.0", architecture: "aarch64", kernels: "baseline", cores: 4, memory: 1 << 30,
    seen: "10.0.0.1", reached: ["10.0.0.1"], problem: "", bitsToHost: 1e9, probe: "00ff")

  @Test func anAnswerIsBelievedInItsFormAlone() {
    #expect(HostAnswer(line: answer.line) == answer)
    let changes: [(inout HostAnswer) -> Void] = [
      { $0.version = "0.1;touch x" }, { $0.kernels = "$(x)" }, { $0.architecture = "a b" },
      { $0.cores = 0 }, { $0.cores = 10000 }, { $0.memory = -1 }, { $0.seen = "10.0.0.1 x" },
      { $0.reached = ["-oX"] }, { $0.reached = [""] }, { $0.probe = "\u{1B}[2J" },
      { $0.reached = Array(repeating: "::1", count: 17) }, { $0.bitsToHost = -1 },
    ]
    for change in changes {
      var other = answer
      change(&other)
      #expect(HostAnswer(line: other.line) == nil, "\(other)")
    }
    var loud = answer
    loud.problem = "a\u{1B}]0;b\u{7}\u{9B}c\u{202E}"
    #expect(HostAnswer(line: loud.line)?.problem == "a]0;bc")
    #expect(HostAnswer(line: "dogsled-answer {") == nil)
    #expect(HostAnswer(line: String(answer.line.dropFirst())) == nil)
  }

  @Test func wordsOfACommandAreSplitAtBlanks() {
    #expect(
      SecureShell.words("ssh  -F 'a b' -o \"X Y\" c\\ d") == [
        "ssh", "-F", "a b", "-o", "X Y", "c d",
      ])
    #expect(SecureShell.words(" ") == [])
    #expect(SecureShell.words("''") == [""])
    #expect(SecureShell.words("ssh 'a") == nil)
    #expect(SecureShell.words("ssh \\") == nil)
  }

  @Test func aScriptReachesShWhole() throws {
    let script = "printf %s 'it'\\''s \"a\" $HOME `b` \\ \\0101 !! %s é~*?;&|<#>(x)[y]{z}'"
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", SecureShell.command(script)]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let said = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(
      String(decoding: said, as: UTF8.self)
        == "it's \"a\" $HOME `b` \\ \\0101 !! %s é~*?;&|<#>(x)[y]{z}")
  }

  @Test func aLinkIsMeasuredBothWaysForWhoKnowsTheWord() throws {
    let (one, other) = ([UInt8](repeating: 1, count: 16), [UInt8](repeating: 2, count: 16))
    let meter = try LinkMeter(host: "127.0.0.1", port: 0, words: [one, other])
    defer { meter.stop() }
    let endpoint = Endpoint(host: "127.0.0.1", port: meter.port)
    let down = try LinkTrial.run(endpoint, word: one, measuring: true)
    #expect(try #require(down) > 1e6)
    #expect(try LinkTrial.run(endpoint, word: other, measuring: false) == nil)
    #expect(throws: NetworkError.self) {
      try LinkTrial.run(endpoint, word: [UInt8](repeating: 3, count: 16), measuring: false)
    }
    let seen = try #require(meter.seen(one))
    #expect(abs(seen.clock) < 1 && (seen.bitsFromHost ?? 0) > 1e6)
    let reached = try #require(meter.seen(other))
    #expect(abs(reached.clock) < 1 && reached.bitsFromHost == nil)
    #expect(meter.seen([UInt8](repeating: 3, count: 16)) == nil)
  }

  @Test func aPortIsFreeOnceTheMeterHasStopped() throws {
    let meter = try LinkMeter(host: "*", port: 0, words: [])
    #expect(throws: NetworkError.self) { try LinkMeter(host: "*", port: meter.port, words: []) }
    meter.stop()
    let again = try LinkMeter(host: "*", port: meter.port, words: [])
    again.stop()
  }
}
