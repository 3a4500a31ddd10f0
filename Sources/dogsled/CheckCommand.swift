import ArgumentParser
import Foundation
import Network
import Primitives

/// `dogsled check`: what hosts are, before anything runs on them.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Say of each host whether it can train, how fast its link is, and what is wrong.",
    discussion: """
      HOSTS is a file with a host a line (node1 slots=2), as cluster/launch takes it, or
      one host that ssh knows. Each is asked over ssh; the program is copied to those that
      lack it, into ~/.cache/dogsled. Each then connects to this machine, so that a
      firewall shows. DOGSLED_SSH names ssh and its options, DOGSLED_REMOTE the program on
      the hosts where it is not to be copied. With a coordinator's HOST:PORT or token in
      place of HOSTS, this machine is what is checked: whether a worker here would reach it.

      Exit status: 0 where all hosts can be used, 1 where one cannot.

      Example: dogsled check hosts
      """)

  @Argument(
    help: "A host file, the name of a host, or a coordinator's HOST:PORT or token.",
    completion: .file())
  var hosts: String?

  @OptionGroup var token: TokenOptions

  @Option(
    help: ArgumentHelp(
      "Where hosts connect to measure the link: an address of this machine, or * for all of them; "
        + "port 0 for any that is free.", valueName: "host:port"))
  var listen = Endpoint(host: "*", port: 0)

  @Option(
    help: "A data folder that must be on each host; without it hosts need none.",
    completion: .directory)
  var data: String?

  /// What runs on the hosts.
  @Flag(help: .hidden) var answer = false
  /// What cluster/launch reads: names and slots, without asking.
  @Flag(help: .hidden) var list = false
  /// What cluster/launch reads: what it must know of each host.
  @Flag(help: .hidden) var brief = false

  func validate() throws {
    if isCoordinator { return try CoordinatorChoice.check(hosts, token) }
    guard hosts != nil || answer else { throw ValidationError("name a host file, or a host") }
    guard !token.insecure else {
      throw ValidationError("--insecure is for a coordinator's HOST:PORT")
    }
  }

  func run() throws {
    guard !answer else { return try CheckAnswer.give() }
    guard !isCoordinator else { return try checkCoordinator() }
    let file = try hostFile()
    guard !list else {
      for host in file.hosts { try emit("\(host.name) \(host.slots)") }
      return
    }
    let check = try HostCheck(file, listen: listen, data: data, isWhole: !brief)
    let results = try check.run()
    if brief {
      for line in check.brief(results) { try emit(line) }
    } else {
      let table = CheckTable(
        results, own: try CheckAnswer.answer(nil), port: check.port, hosts: file.hosts)
      for line in table.lines { try emit(line) }
    }
    guard brief || results.allSatisfy({ $0.host != nil }) else { throw ExitCode.failure }
  }

  /// Whether a coordinator is named, rather than hosts.
  private var isCoordinator: Bool {
    guard let hosts else { return token.tokenFile != nil }
    return token.tokenFile != nil || Token.isMeant(by: hosts)
      || Endpoint(argument: hosts) != nil && !FileManager.default.fileExists(atPath: hosts)
  }

  private func checkCoordinator() throws {
    let (lines, isReached) = CoordinatorCheck(choice: try CoordinatorChoice(hosts, token)).run()
    for line in lines { try emit(line) }
    guard isReached else { throw ExitCode.failure }
  }

  private func hostFile() throws -> HostFile {
    let name = hosts ?? ""
    if !FileManager.default.fileExists(atPath: name), !name.contains("/"),
      let host = HostFile(host: name)
    {
      return host
    }
    do {
      return try HostFile(name)
    } catch {
      throw Failure("\(error)", status: .wrongUsage)
    }
  }
}
