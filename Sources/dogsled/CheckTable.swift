import Foundation
import Network
import Primitives

/// What `dogsled check` prints: a row a host, and what to do about what is wrong.
struct CheckTable {
  private static let head = [
    "host", "version", "processor", "cores", "memory", "to here", "from here", "clock", "probe",
    "reaches this machine at",
  ]

  private let results: [HostCheck.Result]
  private let own: HostAnswer
  private let port: Int

  init(_ results: [HostCheck.Result], own: HostAnswer, port: Int, hosts: [HostFile.Host]) {
    (self.results, self.own, self.port) = (results, own, port)
  }

  /// The table, and below it the advice.
  var lines: [String] {
    let rows =
      [Self.head, Self.row("this machine", own, link: nil, address: "", probe: own.probe)]
      + results.map { result in
        guard let answer = result.host?.answer else { return [result.name, "cannot be used"] }
        return Self.row(
          result.name, answer, link: result.link, address: result.address, probe: own.probe)
      }
    let widths = Self.head.indices.map { column in
      rows.filter { $0.count > 2 || column == 0 }
        .map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    let table = rows.map { row in
      let cells = zip(row, widths).map { cell, width in
        cell.padding(toLength: max(width, cell.count), withPad: " ", startingAt: 0)
      }
      return cells.joined(separator: "  ").replacing(/[ ]+$/, with: "")
    }
    let advice = self.advice
    return table + (advice.isEmpty ? [] : [""] + advice)
  }

  private static func row(
    _ name: String, _ answer: HostAnswer, link: LinkSeen?, address: String, probe: String?
  ) -> [String] {
    [
      name, answer.version, "\(answer.architecture) \(answer.kernels)", "\(answer.cores)",
      String(format: "%.1f GB", Double(answer.memory) / 1e9), rate(link?.bitsFromHost),
      rate(answer.bitsToHost), link.map { clock($0.clock) } ?? "-",
      answer.probe.map { $0 == probe ? "equal" : "DIFFERS" } ?? "-",
      address.isEmpty ? "-" : address,
    ]
  }

  private static func clock(_ seconds: Double) -> String {
    abs(seconds) < 0.005 ? "0.00 s" : String(format: "%+.2f s", seconds)
  }

  private static func rate(_ bits: Double?) -> String {
    guard let bits else { return "-" }
    return bits >= 1e9
      ? String(format: "%.1f Gbit/s", bits / 1e9) : String(format: "%.0f Mbit/s", bits / 1e6)
  }

  /// What is wrong, a line each.
  private var advice: [String] {
    results.flatMap { result -> [String] in
      guard let answer = result.host?.answer else {
        let help = Self.help(result.reason, host: result.name, port: port)
        return ["\(result.name): \(result.reason)\(help.map { ": \($0)" } ?? "")"]
      }
      var lines: [String] = []
      func say(_ line: String) { lines.append("\(result.name): \(line)") }
      if answer.version != own.version {
        say(
          "version \(answer.version), here \(own.version): leave DOGSLED_REMOTE out, so that "
            + "this one is copied there")
      }
      if let probe = answer.probe, let mine = own.probe, probe != mine {
        say(
          "it computes other bits than this machine, so a run would refuse it: another version, "
            + "or faulty hardware")
      }
      if answer.memory < result.slots << 30 {
        say("less than 1 GB of memory for each worker: fewer slots")
      }
      if answer.cores < result.slots { say("more slots than cores: fewer slots") }
      if let slow = [result.link?.bitsFromHost, answer.bitsToHost].compactMap({ $0 }).min(),
        slow < 5e8
      {
        say("a slow link: let each worker compute more for an update (--batches-per-update)")
      }
      if let clock = result.link?.clock, abs(clock) > 5 {
        say("its clock differs, so times in its log mislead; the weights do not depend on it")
      }
      return lines
    }
  }

  /// What to do about a reason that ssh or a shell gave; nil where the reason says it.
  static func help(_ reason: String, host: String, port: Int) -> String? {
    let known = [
      ("Permission denied", "ssh-copy-id \(host)"),
      ("Host key verification failed", "ssh \(host) once by hand, and accept its key"),
      ("Could not resolve", "is the name right? ssh \(host)"),
      ("onnection timed out", "is it switched on, and does its sshd run?"),
      ("onnection refused", "does its sshd run there?"),
      ("No route to host", "is it switched on, and on this network?"),
      ("shared librar", "use the program of scripts/package, which needs none"),
      ("GLIBC_", "its system is older than Debian 12"),
      ("sha256sum", "install coreutils there"),
      ("No space left", "make room in ~/.cache there"),
    ]
    if reason.hasPrefix("it cannot reach this machine") {
      return "open port \(port) here, or choose an address and an open port with --listen"
    }
    if reason.hasPrefix("its processor is") { return "scripts/package makes it" }
    return known.first { reason.contains($0.0) }?.1
  }
}
