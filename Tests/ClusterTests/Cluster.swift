import Foundation
import TestSupport
import Testing

/// Hosts node1 and node2 on this machine, and node3, where nobody listens; or three namespaces.
///
/// An sshd of our own on loopback, or one in each namespace, with its own keys; a folder with drawn
/// pictures, a small model and host files.
final class Cluster {
  let folder: String
  private let spaces: Namespaces?
  private var sshds: [Launch] = []

  /// Whether there is an sshd to start.
  static let hasServer = FileManager.default.isExecutableFile(atPath: "/usr/sbin/sshd")
  /// Why the tests are skipped where there is none.
  static let needs: Comment = "needs sshd (openssh-server)"

  /// Starts sshd.
  ///
  /// - Parameters:
  ///   - shell: the shell that users of the hosts have; nil is this system's.
  ///   - spaces: where the hosts are.
  init(shell: String? = nil, in spaces: Namespaces? = nil) async throws {
    self.spaces = spaces
    folder = NSTemporaryDirectory() + "dogsled-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    if getuid() == 0 {
      try FileManager.default.createDirectory(
        atPath: "/run/sshd", withIntermediateDirectories: true)
    }
    for key in ["hostkey", "key"] {
      try await run("/usr/bin/ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file(key)])
    }
    let port = try freePort()
    try write(
      """
      Port \(port)
      \(spaces == nil ? "ListenAddress 127.0.0.1\nListenAddress 127.0.0.2" : "")
      HostKey \(file("hostkey"))
      AuthorizedKeysFile \(file("key.pub"))
      PidFile none
      StrictModes no
      UsePAM no
      \(shell.map { "ForceCommand exec \($0) -c \"$SSH_ORIGINAL_COMMAND\"" } ?? "")
      """, to: "sshd_config")
    try write(
      """
      Host node1 localhost
        HostName 127.0.0.1
      Host node2
        HostName \(spaces?.second ?? "127.0.0.2")
      Host node3
        HostName \(spaces?.third ?? "127.0.0.3")
      Host *
        Port \(port)
        IdentityFile \(file("key"))
        IdentitiesOnly yes
        StrictHostKeyChecking no
        UserKnownHostsFile \(file("known_hosts"))
        LogLevel ERROR
      """, to: "ssh_config")
    let command = ["/usr/sbin/sshd", "-D", "-e", "-f", file("sshd_config")]
    for (index, place) in (spaces?.all ?? [[]]).enumerated() {
      // What is kept on a host.
      let line = place + command + ["-o", "SetEnv=XDG_CACHE_HOME=\(cache(index))"]
      sshds.append(try Launch(line[0], Array(line[1...]), output: file("sshd-\(index).log")))
    }
    for host in spaces == nil ? ["node2"] : ["node1", "node2", "node3"] {
      try await eventually("sshd listens") { try await self.isReached(host) }
    }
    try write(Self.model, to: "model.json")
    try DrawnPictures.write(to: file("data"), train: 30, validation: 10, test: 1)
  }

  /// Ends sshd and what a test that failed left behind, and removes the folder.
  func stop() {
    for sshd in sshds { sshd.stop() }
    for id in processes().keys { kill(id, SIGKILL) }
    try? FileManager.default.removeItem(atPath: folder)
  }

  func file(_ name: String) -> String { "\(folder)/\(name)" }

  /// Where the hosts of the sshd with this number keep what they are sent.
  func cache(_ number: Int) -> String { file("cache-\(number)") }

  func write(_ text: String, to name: String) throws {
    try Data((text + "\n").utf8).write(to: URL(fileURLWithPath: file(name)))
  }

  /// What the last lines of a run on the data say the weights' digest is.
  static func digest(_ output: String) -> Substring? {
    output.split(separator: "\n").first { $0.hasPrefix("digest ") }?.split(separator: " ").last
  }

  /// Options of a short run.
  func options(epochs: Int = 2, run: String) -> [String] {
    [
      "--model", file("model.json"), "--epochs", "\(epochs)", "--steps-per-epoch", "10",
      "--validation-steps", "2", "--seed", "7", "--run", file(run),
    ]
  }

  /// Starts `cluster/launch` with a host file that has these lines.
  func launch(
    _ hosts: String, _ options: [String], environment: [String: String] = [:]
  ) throws -> Launch {
    try write(hosts, to: "hosts")
    let own = ["DOGSLED": Self.dogsled, "DOGSLED_SSH": ssh, "TMPDIR": folder]
    return try start(
      [Self.root + "/cluster/launch", file("hosts"), file("data")] + options,
      environment: own.merging(environment) { $1 })
  }

  /// ssh, as it reaches the hosts.
  private var ssh: String { "ssh -F \(file("ssh_config"))" }

  /// Starts `dogsled` in one of the namespaces; without a place in the first, where there are some.
  func dogsled(_ arguments: [String], in place: [String]? = nil) throws -> Launch {
    try start([Self.dogsled] + arguments, in: place, environment: ["DOGSLED_SSH": ssh])
  }

  /// Writes a program to stand for ssh: it does as `script` says, a shell's, which has the host's
  /// name as `$host`, and the command there as `$command`; by default the real ssh is next.
  func standIn(_ script: String) throws -> [String: String] {
    try write(
      """
      host=${*: -2:1} command=${*: -1}
      \(script)
      exec ssh -F '\(file("ssh_config"))' "$@"
      """, to: "stand-in")
    return ["DOGSLED_SSH": "bash \(file("stand-in"))"]
  }

  /// Starts a command; without a place in the first namespace, where there are some.
  private func start(
    _ command: [String], in place: [String]? = nil, environment: [String: String] = [:]
  ) throws -> Launch {
    let line = (place ?? spaces?.all[0] ?? []) + command
    return try Launch(
      line[0], Array(line[1...]), environment: environment,
      output: file("launch-\(UUID().uuidString)"))
  }

  /// Trains in one process.
  func trainAlone(_ options: [String]) async throws -> String {
    try await run(Self.dogsled, ["train", file("data")] + options)
  }

  /// The processes that name the folder in their arguments or environment, sshd left out.
  func processes(where isWanted: (String) -> Bool = { _ in true }) -> [Int32: String] {
    var found: [Int32: String] = [:]
    for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
      guard let id = Int32(name), !sshds.contains(where: { $0.processID == id }) else { continue }
      let texts = ["cmdline", "environ"].map { file in
        String(
          decoding: FileManager.default.contents(atPath: "/proc/\(id)/\(file)") ?? Data(),
          as: UTF8.self
        ).replacing("\0", with: " ")
      }
      if texts.contains(where: { $0.contains(folder) }), isWanted(texts[0]) {
        found[id] = texts[0]
      }
    }
    return found
  }

  /// Nothing that a launcher started is left, at the latest after some seconds.
  func expectNothingLeft(_ location: SourceLocation = #_sourceLocation) async throws {
    for _ in 0..<100 where !processes().isEmpty { try await Task.sleep(for: .milliseconds(100)) }
    #expect(processes().isEmpty, sourceLocation: location)
  }

  private func isReached(_ host: String) async throws -> Bool {
    let ssh = try start(
      ["/usr/bin/ssh", "-F", file("ssh_config"), "-o", "BatchMode=yes", host, "true"])
    return try await ssh.status() == 0
  }

  /// Runs a command to its end.
  /// - Returns: its standard output and error.
  @discardableResult
  private func run(_ command: String, _ arguments: [String]) async throws -> String {
    let process = try Launch(command, arguments, output: file("run-\(UUID().uuidString)"))
    let status = try await process.status()
    try #require(status == 0, "\(command) exited with status \(status): \(process.output)")
    return process.output
  }

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path

  /// The program beside the tests.
  static let dogsled: String = {
    let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    let beside = URL(fileURLWithPath: tests).deletingLastPathComponent().path + "/dogsled"
    return FileManager.default.isExecutableFile(atPath: beside)
      ? beside : root + "/.build/release/dogsled"
  }()

  static let model = """
    {"class_name": "Sequential", "config": {"name": "small", "layers": [
      {"class_name": "Conv2D", "config": {"name": "conv2d_1", "batch_input_shape":
        [null, 24, 24, 3], "filters": 4, "kernel_size": [3, 3], "strides": [1, 1],
        "padding": "valid", "activation": "relu", "use_bias": true}},
      {"class_name": "MaxPooling2D", "config": {"name": "max_pooling2d_1", "pool_size": [2, 2],
        "strides": [2, 2], "padding": "valid"}},
      {"class_name": "Flatten", "config": {"name": "flatten_1"}},
      {"class_name": "Dense", "config": {"name": "dense_1", "units": 8, "activation": "relu",
        "use_bias": true}},
      {"class_name": "Dense", "config": {"name": "dense_2", "units": 1, "activation": "sigmoid",
        "use_bias": true}}]}}
    """
}

/// Waits until `condition` holds; throws after two minutes: other tests may keep the cores busy.
func eventually(_ what: Comment, _ condition: () async throws -> Bool) async throws {
  let start = ContinuousClock.now
  while !(try await condition()) {
    try #require(.now - start < .seconds(120), "in two minutes never: \(what)")
    try await Task.sleep(for: .milliseconds(50))
  }
}

/// A TCP port on which nobody listens.
private func freePort() throws -> Int {
  let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(listener) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let isBound = withUnsafeMutableBytes(of: &address) { bytes in
    bytes.withMemoryRebound(to: sockaddr.self) {
      guard let base = $0.baseAddress else { return false }
      return bind(listener, base, length) == 0 && getsockname(listener, base, &length) == 0
    }
  }
  try #require(isBound, "no free port")
  return Int(UInt16(bigEndian: address.sin_port))
}
