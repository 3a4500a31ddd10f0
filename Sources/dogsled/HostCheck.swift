import Foundation
import Network
import Primitives

/// Asks all hosts at once, and has each connect to this machine.
struct HostCheck {
  /// What came of one.
  struct Result: Sendable {
    let name: String
    let slots: Int
    /// Nil where it cannot be used.
    var host: HostSurvey.Host?
    /// What this machine saw of its connection.
    var link: LinkSeen?
    /// The address of this machine that its workers are told.
    var address = ""
    /// Why it cannot be used.
    var reason = ""
  }

  private let file: HostFile
  private let survey: HostSurvey
  private let listen: ListenAddress
  private let isAddressChosen: Bool
  private let isWhole: Bool
  private let words: [[UInt8]]
  private let meter: LinkMeter
  /// Where this machine listens while it asks.
  var port: Int { meter.port }

  init(_ file: HostFile, listen endpoint: Endpoint, data: String?, isWhole: Bool) throws {
    let variables = ProcessInfo.processInfo.environment
    func setting(_ name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }
    self.file = file
    self.isWhole = isWhole
    listen = try ListenAddress(endpoint)
    isAddressChosen = listen.host != "*"
    let shell: SecureShell
    do {
      shell = try SecureShell(setting("DOGSLED_SSH") ?? "ssh")
    } catch {
      throw Failure("DOGSLED_SSH: \(error)", status: .wrongUsage)
    }
    let remote = setting("DOGSLED_REMOTE")
    survey = HostSurvey(
      shell, programs: remote == nil ? try Self.programs(isWhole) : [:], remote: remote, data: data)
    words = file.hosts.map { _ in
      (0..<LinkMeter.wordSize).map { _ in UInt8.random(in: 0...255) }
    }
    meter = try LinkMeter(host: listen.host, port: endpoint.port, words: words)
  }

  /// This program, and the packages for other processors that are beside it.
  /// - Parameter mayChoose: whether a newer package for this processor is taken, as cluster/launch
  ///   takes it before it asks.
  private static func programs(_ mayChoose: Bool) throws -> [String: ProgramFile] {
    let (own, here) = (ProgramFile.own, ProgramFile.architecture)
    let path = mayChoose ? ProgramFile.newer(own, ProgramFile.package(here)) : own
    var programs = [here: try ProgramFile(path)]
    for architecture in ["x86_64", "aarch64"] where programs[architecture] == nil {
      let path = ProgramFile.package(architecture)
      guard FileManager.default.fileExists(atPath: path) else { continue }
      programs[architecture] = try ProgramFile(path)
    }
    return programs
  }

  /// - Returns: a result a host, in the file's order.
  /// - Throws: where this machine has no threads.
  func run() throws -> [Result] {
    defer { meter.stop() }
    let answers = Mailbox<(Int, Swift.Result<HostSurvey.Host, any Error>)>()
    for (index, host) in file.hosts.enumerated() {
      let question = HostQuestion(
        word: words[index], port: meter.port, addresses: listen.hosts,
        isAddressChosen: isAddressChosen, isWhole: isWhole)
      try OwnThread.start("host \(index + 1)", of: file.hosts.count) { [survey] in
        answers.put((index, Swift.Result { try survey.ask(host.name, question) }))
      }
    }
    var results = file.hosts.map { Result(name: $0.name, slots: $0.slots) }
    for _ in results {
      guard let (index, answer) = answers.next() else { break }
      do {
        results[index].host = try answer.get()
      } catch {
        results[index].reason = "\(error)"
      }
      results[index].link = meter.seen(words[index])
    }
    choose(&results)
    return results
  }

  /// Finds the address that each is told.
  ///
  /// All get loopback where all are this machine, so that
  /// nobody else can reach the run; otherwise what each has reached first.
  private func choose(_ results: inout [Result]) {
    let isHere = results.allSatisfy { result in
      guard let answer = result.host?.answer else { return true }
      return CheckAnswer.isLoopback(answer.seen) && answer.reached.contains(answer.seen)
    }
    for index in results.indices {
      guard let answer = results[index].host?.answer else { continue }
      let others = answer.reached.filter { !CheckAnswer.isLoopback($0) }
      let told =
        isHere && !isAddressChosen
        ? answer.seen : isAddressChosen ? answer.reached.first : others.first
      if let told, results[index].link != nil {
        results[index].address = told
        continue
      }
      results[index].host = nil
      results[index].reason =
        "it cannot reach this machine at "
        + (answer.problem.isEmpty
          ? "port \(meter.port)" : answer.problem)
    }
  }

  /// Lines for cluster/launch: `host NAME CORES ADDRESS PORT PROGRAM`, `useless NAME REASON`.
  func brief(_ results: [Result]) -> [String] {
    results.map { result in
      guard let host = result.host else { return "useless \(result.name) \(result.reason)" }
      return "host \(result.name) \(host.answer.cores) \(result.address) \(port) \(host.program)"
    }
  }
}
