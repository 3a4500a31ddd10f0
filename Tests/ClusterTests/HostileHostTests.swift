import Foundation
import Testing

@Suite(
  "what hosts say, and the shells that they have",
  .enabled(if: Cluster.hasServer, Cluster.needs), .serialized, .timeLimit(.minutes(10)))
struct HostileHostTests {
  /// An answer of the right form, but for what is put in its place.
  private static func answer(
    _ key: String = "", _ value: String = "", program: String = "/bin/true"
  ) -> String {
    var fields = [
      "version": #""0.1.0""#, "architecture": #""x86_64""#, "kernels": #""avx2""#, "cores": "1",
      "memory": "4000000000", "seen": #""127.0.0.1""#, "reached": #"["127.0.0.1"]"#,
      "problem": #""""#,
    ]
    fields[key] = key.isEmpty ? nil : value
    let json = fields.map { "\"\($0)\": \($1)" }.joined(separator: ", ")
    return "dogsled-host x86_64\ndogsled-program \(program)\ndogsled-answer {\(json)}"
  }

  /// With commands, other addresses, numbers and characters in them.
  static let answers = [
    answer(), answer("seen", #""127.0.0.1'&touch${IFS}owned;'""#),
    answer("reached", #"["127.0.0.1;touch${IFS}owned"]"#),
    answer("reached", #"["::1%$(touch${IFS}owned)"]"#), answer("reached", #"["-oProxyCommand"]"#),
    answer("reached", "[]"), answer("cores", "\"a[$(touch${IFS}owned)]\""),
    answer("cores", "99999999999999999999"), answer("cores", "-1"), answer("memory", "1e400"),
    answer("version", #""\u001b]0;owned""#), answer(program: "$(touch${IFS}owned)"),
    "dogsled-host $(touch${IFS}owned)\ndogsled-lacks", "dogsled-host x86_64\ndogsled-lacks",
    "dogsled-host riscv64", "dogsled-answer {",
    "dogsled-answer \(String(repeating: "[", count: 3000))",
    "\u{1B}]0;owned\u{7}\u{9B}2J",
  ]

  @Test("an answer of the wrong form is not believed, and commands nothing")
  func hostileAnswers() async throws {
    let cluster = try await Cluster()
    defer { cluster.stop() }
    let owned = cluster.file("owned")
    let standIn = try cluster.standIn("[ $host != evil ] || exec cat '\(cluster.file("answer"))'")
    for (index, answer) in Self.answers.enumerated() {
      try cluster.write(answer.replacing("owned", with: owned), to: "answer")
      let launch = try cluster.launch(
        "evil\nnode2", cluster.options(epochs: 1, run: "run\(index)"), environment: standIn)
      #expect(try await launch.status() == 0, "\(answer): \(launch.output)")
      #expect(launch.output.contains("cluster/launch: evil cannot be used: "), "\(launch.output)")
      #expect(launch.lines.contains("node2 | the run is over"), "\(launch.output)")
      #expect(
        launch.lines.contains { $0.hasPrefix("cluster/launch: the run is over without evil") })
      #expect(!FileManager.default.fileExists(atPath: owned), "\(answer)")
      expectNoControlCharacters(launch.output)
    }
    try await cluster.expectNothingLeft()
  }

  @Test("a host that floods, as an answer and as a log", arguments: ["yes", "cat /dev/zero"])
  func flood(with flood: String) async throws {
    let cluster = try await Cluster()
    defer { cluster.stop() }
    let standIn = try cluster.standIn(
      """
      [ $host != wild ] || exec \(flood)
      [[ $host != evil || $command != *worker* ]] || exec \(flood)
      [ $host != evil ] || set -- "${@:1:$#-2}" node1 "$command"
      """)
    let launch = try cluster.launch(
      "wild\nevil\nnode2", cluster.options(run: "run"), environment: standIn)
    #expect(try await launch.status() == 0, "\(launch.output.suffix(2000))")
    #expect(launch.output.contains("cluster/launch: wild cannot be used: "))
    #expect(launch.lines.contains("node2 | the run is over"))
    #expect(launch.lines.count { $0.hasPrefix("evil | ") } <= 1001)
    expectNoControlCharacters(launch.output)
    try await cluster.expectNothingLeft()
  }

  @Test("a host whose worker never comes: named, and waited for no longer than it can come")
  func neverReached() async throws {
    let cluster = try await Cluster()
    defer { cluster.stop() }
    let standIn = try cluster.standIn(
      """
      [[ $host != deaf || $command != *worker* ]] || exit 128
      [ $host != deaf ] || set -- "${@:1:$#-2}" node1 "$command"
      """)
    let two = try cluster.launch(
      "deaf\nnode2", cluster.options(run: "two") + ["--workers=2"], environment: standIn)
    #expect(try await two.status() == 1, "\(two.output)")
    #expect(two.output.contains("launch: a worker on deaf ended with status 128"), "\(two.output)")
    #expect(two.output.contains("launch: --workers 2 cannot be had any more, with 1 left"))
    let one = try cluster.launch(
      "deaf\nnode2", cluster.options(run: "one"), environment: standIn)
    #expect(try await one.status() == 0, "\(one.output)")
    #expect(one.output.contains("launch: the run is over without deaf"), "\(one.output)")

    let down = try cluster.launch(
      "node2\nnode3", cluster.options(run: "down") + ["--workers", "2"])
    #expect(try await down.status() == 1)
    #expect(down.lines.count == 2, "\(down.output)")
    #expect(down.output.contains("--workers 2 cannot be had: "), "\(down.output)")
    let never = try cluster.launch("node2\nnode3", cluster.options(run: "no") + ["--workers", "3"])
    #expect(try await never.status() == 2)
    #expect(never.lines.count == 1 && never.output.contains("--workers 3: "), "\(never.output)")
    try await cluster.expectNothingLeft()
  }

  /// Debian has dash everywhere; the others are tested where they are installed.
  static let shells = ["/usr/bin/dash", "/usr/bin/busybox sh", "/usr/bin/fish", "/usr/bin/tcsh"]
    .filter {
      FileManager.default.isExecutableFile(atPath: String($0.split(separator: " ")[0]))
    }

  @Test("any shell at the other end, and names with all that shells change", arguments: shells)
  func anyShell(shell: String) async throws {
    let cluster = try await Cluster(shell: shell)
    defer { cluster.stop() }
    let awkward = cluster.file("it's \"a\" $HOME `b` \\ \\0101 !! %s é~*?;&|<#>(x)[y]{z}")
    try FileManager.default.createDirectory(atPath: awkward, withIntermediateDirectories: true)
    for (link, name) in [("data", "data"), ("program", "dogsled")] {
      try FileManager.default.createSymbolicLink(
        atPath: "\(awkward)/\(link)",
        withDestinationPath: name == "data" ? cluster.file("data") : Cluster.dogsled)
    }
    let launch = try cluster.launch(
      "node1\nnode2", cluster.options(epochs: 1, run: "run") + ["--workers", "2"],
      environment: [
        "DOGSLED_REMOTE": "\(awkward)/program", "DOGSLED_DATA": "\(awkward)/data",
        "DOGSLED_SSH": "ssh -F '\(cluster.file("ssh_config"))' -o \"LogLevel ERROR\"",
      ])
    #expect(try await launch.status() == 0, "\(launch.output)")
    for host in ["node1", "node2"] {
      #expect(launch.lines.contains("\(host) | the run is over"), "\(launch.output)")
    }
    try await cluster.expectNothingLeft()
  }

  @Test("settings of the wrong form: one line and status 2")
  func wrongSettings() async throws {
    let cluster = try await Cluster()
    defer { cluster.stop() }
    for (name, value) in [
      ("DOGSLED_ADDRESS", "127.0.0.1;touch x"), ("DOGSLED_ADDRESS", "-oProxyCommand x"),
      ("DOGSLED_PORT", "0"), ("DOGSLED_PORT", "65536"), ("DOGSLED_PORT", "a[$(touch x)]"),
      ("DOGSLED_SSH", "ssh -F 'a"), ("DOGSLED_SSH", " "),
    ] {
      let launch = try cluster.launch("node1", [], environment: [name: value])
      #expect(try await launch.status() == 2, "\(launch.output)")
      #expect(launch.lines.count == 1 && launch.output.contains(name), "\(launch.output)")
    }
  }

  private func expectNoControlCharacters(
    _ text: String, _ location: SourceLocation = #_sourceLocation
  ) {
    let controls = text.unicodeScalars.filter {
      $0.properties.generalCategory == .control && $0 != "\n"
    }
    #expect(controls.isEmpty, sourceLocation: location)
  }
}
