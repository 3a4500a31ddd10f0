import Foundation
import Primitives
import TestSupport
import Testing

/// Where a coordinator listens, and what it tells its workers to type.
@Suite(.serialized) struct ListenTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try DrawnPictures.write(to: folder.path + "/data", train: 20, validation: 4, test: 1)
  }

  /// A coordinator that others reach is locked, wherever it listens.
  @Test(arguments: ["*:0", "0.0.0.0:0", "[::]:0", "0:0", "[0:0::0]:0", "[::ffff:0.0.0.0]:0"])
  func allAddressesAreLocked(_ listen: String) throws {
    let errors = try untilItListens(listen, [])
    #expect(errors.contains(#/on workers  dogsled worker --token-file \S+/token\n/#))
    #expect(!errors.contains("insecure"), "\(errors)")
  }

  @Test(arguments: [
    ("no-such-machine.invalid:7777", "no machine is known by that name"),
    ("..:7777", "no machine is known by that name"),
    ("198.51.100.1:7777", "this machine has no such address"),
    ("[2001:db8::1]:7777", "this machine has no such address"),
    ("[::ffff:198.51.100.1]:7777", "this machine has no such address"),
    ("255.255.255.255:7777", "this machine has no such address"),
    ("224.0.0.1:7777", "this machine has no such address"),
  ])
  func whatIsNoAddressOfThisMachine(_ listen: String, _ reason: String) throws {
    let result = try Command("coordinator", "data", "--listen", listen, "--insecure", in: folder)
    #expect(result.status == 2, "\(result.errors)")
    #expect(result.errorLines.count == 1 && result.errors.contains(reason), "\(result.errors)")
  }

  @Test(arguments: ["127.0.0.1", "127.1", "127.99.0.1", "localhost", "[::ffff:127.0.0.1]"])
  func loopbackThatSaysSoIsSaidToBe(_ host: String) throws {
    let errors = try untilItListens("\(host):0", [])
    let address = try #require(
      errors.firstMatch(of: #/listens at  (127\.[0-9.]+):\d+ /#))
    #expect(host.hasPrefix("127.99") == (address.1 == "127.99.0.1"))
    #expect(errors.contains("(only this machine can reach that address)"), "\(errors)")
  }

  @Test func everyAddressThatOthersReachIsPrinted() throws {
    let errors = try untilItListens("*:0", ["--insecure"])
    #expect(!errors.contains("worker *"), "\(errors)")
    #expect(
      errors.contains(#/on workers  dogsled worker \S+:\d+ --insecure\n/#), "\(errors)")
    #expect(errors.contains("insecure    anybody who reaches this address can join"), "\(errors)")
  }

  @Test(arguments: ["*:7777", "0.0.0.0:7777", "[::]:7777", "0:7777"])
  func aWorkerNeedsOneAddress(_ coordinator: String) throws {
    let result = try Command("worker", coordinator, "--insecure", "--data", "data", in: folder)
    #expect(result.status == 2)
    #expect(result.errorLines.count == 1 && result.errors.contains("a worker needs one of them"))
  }

  @Test func aPortInUseMayBeFreeTheNextTime() throws {
    let first = try Command.start(
      ["coordinator", "data", "--listen", "127.0.0.1:0", "--run", "a"], in: folder)
    defer { end(first) }
    let port = try self.port(in: errors(of: first, until: "waiting for"))
    for listen in ["127.0.0.1:\(port)", "localhost:\(port)", "*:\(port)"] {
      let second = try Command("coordinator", "data", "--listen", listen, "--insecure", in: folder)
      #expect(second.status == 128, "\(listen): \(second.errors)")
      #expect(second.errorLines.count == 1 && second.errors.contains("in use"), "\(second.errors)")
    }
  }

  @Test func aCoordinatorIsCheckedWithoutJoining() throws {
    let coordinator = try Command.start(
      ["coordinator", "data", "--listen", "127.0.0.1:0", "--run", "a"], in: folder)
    defer { end(coordinator) }
    let port = try self.port(in: errors(of: coordinator, until: "waiting for"))
    let good = try Command("check", "--token-file", "a/token", in: folder)
    #expect(good.status == 0, "\(good.errors)")
    let line = try #require(good.lines.first)
    #expect(
      line.contains(#/^127\.0\.0\.1:\d+: a coordinator, reached in \d+ ms, and its key is .*/#))
    // Another run's token; a port where nobody listens.
    #expect(try Command("key", "other.key", in: folder).status == 0)
    for (address, says) in [
      ("127.0.0.1:\(port)", "another key than the token names"),
      ("127.0.0.1:1", "connection refused"),
    ] {
      let token = try Command("key", "other.key", "--token", address, in: folder)
      try folder.write(Data(token.output.utf8), to: "other")
      #expect(chmod(folder.file("other"), 0o600) == 0)
      let bad = try Command("check", "--token-file", "other", in: folder)
      #expect(bad.status == 1)
      #expect(bad.output.contains(says), "\(bad.output)")
    }
    let missing = try Command("check", "127.0.0.1:\(port)", in: folder)
    #expect(missing.status == 2 && missing.errors.contains("its token is missing"))
  }

  @Test func whatLetsWorkersInAndOthersMayReadIsRefused() throws {
    #expect(try Command("key", "lab.key", in: folder).status == 0)
    let token = try Command("key", "lab.key", "--token", "127.0.0.1:1", in: folder)
    try folder.write(Data(token.output.utf8), to: "token")
    #expect(chmod(folder.file("lab.key"), 0o640) == 0 && chmod(folder.file("token"), 0o644) == 0)
    for (words, file, mode) in [
      (["worker", "--token-file", "token", "--once"], "token", 644),
      (["check", "--token-file", "token"], "token", 644),
      (["coordinator", "data", "--key", "lab.key", "--run", "a"], "lab.key", 640),
      (["key", "lab.key", "--token", "127.0.0.1:1"], "lab.key", 640),
    ] {
      let refused = try Command(words, in: folder)
      #expect(refused.status == 1, "\(words): \(refused.errors)")
      #expect(refused.output.isEmpty && refused.errorLines.count == 1, "\(refused.errors)")
      let line = refused.errors
      #expect(line.hasPrefix("dogsled: \(file): others may read or write this file"), "\(line)")
      #expect(line.contains("whose mode is \(mode)") && line.contains("chmod 600 \(file)\n"))
    }
  }

  @Test func aRunDoesNotGoOnWithAKeyThatOthersMayRead() throws {
    let first = try Command.start(
      ["coordinator", "data", "--listen", "127.0.0.1:0", "--run", "a"], in: folder)
    _ = try errors(of: first, until: "waiting for")
    end(first)
    #expect(chmod(folder.file("a/key"), 0o604) == 0)
    let second = try Command("coordinator", "--resume", "a", "--listen", "127.0.0.1:0", in: folder)
    #expect(second.status == 1)
    #expect(second.errorLines.last?.contains("a/key: others may read or write") == true)
  }

  static let mayTestPrivilege =
    getuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv")
    && (try? String(
      contentsOfFile: "/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding: .utf8))
      .flatMap { Int($0.dropLast()) } ?? 0 > 1

  @Test(
    .enabled(if: mayTestPrivilege, "needs root, setpriv and ports that are the administrator's"))
  func aPortOfTheAdministrators() throws {
    let result = try inside(
      ["setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"],
      ["--listen", "127.0.0.1:1"])
    #expect(result.status == 2, "\(result.errors)")
    #expect(
      result.errorLines.count == 1 && result.errors.contains("the administrator's"),
      "\(result.errors)")
  }

  /// Debian writes a machine's own name into /etc/hosts with the address 127.0.1.1.
  @Test(.enabled(if: getuid() == 0, "needs root, for another /etc/hosts"))
  func aNameThatIsLoopbackHereIsRefused() throws {
    try folder.write(
      Data("127.0.0.1 localhost\n127.0.1.1 kennel\n::1 kennel6\n0.0.0.0 all\n".utf8)
        + Data("198.51.100.7 elsewhere\n".utf8), to: "hosts")
    let script = "mount --bind hosts /etc/hosts && exec \"$0\" \"$@\""
    let place = ["unshare", "--mount", "sh", "-c", script]
    for (name, address) in [("kennel", "127.0.1.1"), ("KENNEL", "127.0.1.1"), ("kennel6", "::1")] {
      for more in [[], ["--insecure"]] {
        let result = try inside(place, ["--listen", "\(name):0"] + more)
        #expect(result.status == 2, "\(result.errors)")
        #expect(result.errorLines.count == 1)
        #expect(
          result.errors.contains("this name is \(address), which no other machine can reach"),
          "\(result.errors)")
      }
    }
    let elsewhere = try inside(place, ["--listen", "elsewhere:0", "--insecure"])
    #expect(elsewhere.status == 2, "\(elsewhere.errors)")
    #expect(elsewhere.errors.contains("no such address as 198.51.100.7"), "\(elsewhere.errors)")
  }

  // MARK: Coordinators that wait

  /// Starts a coordinator and ends it when it listens.
  /// - Returns: what it wrote to standard error.
  private func untilItListens(_ listen: String, _ options: [String]) throws -> String {
    let process = try Command.start(
      ["coordinator", "data", "--listen", listen, "--run", UUID().uuidString] + options,
      in: folder)
    defer { end(process) }
    return try errors(of: process, until: "waiting for")
  }

  private func end(_ process: Process) {
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// What `process` writes to standard error, up to `word`.
  private func errors(of process: Process, until word: String) throws -> String {
    let pipe = try #require(process.standardError as? Pipe)
    var text = ""
    while !text.contains(word) {
      let data = pipe.fileHandleForReading.availableData
      try #require(!data.isEmpty, "it ended: \(text)")
      text += String(decoding: data, as: UTF8.self)
    }
    return text
  }

  private func port(in errors: String) throws -> Int {
    let match = try #require(errors.firstMatch(of: #/listens at  [0-9.]+:(\d+) /#))
    return try #require(Int(match.1))
  }

  /// Runs a coordinator behind another command.
  private func inside(_ place: [String], _ arguments: [String]) throws -> Command {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments =
      place + [Bundle.main.bundleURL.appendingPathComponent("dogsled").path, "coordinator", "data"]
      + arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    process.standardOutput = Pipe()
    process.standardError = Pipe()
    try process.run()
    return try Command(waitingFor: process)
  }
}
