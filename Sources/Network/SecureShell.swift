import Foundation
import Primitives
import Synchronization

/// ssh, as somebody set it up: commands on hosts, whatever shell their users have.
public struct SecureShell: Sendable {
  /// The program and its options.
  private let words: [String]

  /// - Parameter command: such as `ssh -p 2222`; quotation marks keep blanks.
  /// - Throws: `NetworkError` where the marks do not come in pairs, or nothing is there.
  public init(_ command: String) throws(NetworkError) {
    guard let words = Self.words(command), !words.isEmpty else {
      throw NetworkError(
        "'\(printable(command))' is no command: quotation marks come in pairs", isWrongUsage: true)
    }
    // ssh takes the first value that it is given: `command` may set these otherwise.
    self.words =
      words + [
        "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5",
        "-o", "ControlPath=none",
      ]
  }

  /// Runs a script of sh on a host.
  ///
  /// - Parameters:
  ///   - input: what it reads.
  ///   - seconds: after which it is ended.
  /// - Returns: the first lines of its output, and of its errors, without what could command a
  ///   terminal.
  func run(
    _ script: String, on host: String, input: OpenFile, seconds: Double
  ) throws -> (output: [String], errors: [String]) {
    let pipes = try (0..<2).map { _ in try OpenFile.pipeEnds(failure: "ssh cannot be started") }
    // Whoever started us may be killed: ssh then ends too.
    let line =
      ["/usr/bin/env"] + (Self.setpriv.map { [$0, "--pdeathsig", "TERM", "--"] } ?? [])
      + words + [host, Self.command(script)]
    let process = Started(line, input: input, output: pipes[0].write, errors: pipes[1].write)
    defer { process.end() }
    let clock = ContinuousClock()
    let end = clock.now + .seconds(seconds)
    var (texts, buffer) = ([[UInt8]](repeating: [], count: 2), [UInt8](repeating: 0, count: 4096))
    // At most 64 KB of each. Our own ends of the pipes are open as long as the process is known.
    while texts.allSatisfy({ $0.count < 1 << 16 }), clock.now < end {
      let isLast = process.hasEnded
      var wanted = pipes.map { pollfd(fd: $0.read.descriptor, events: Int16(POLLIN), revents: 0) }
      guard poll(&wanted, 2, isLast ? 0 : 20) > 0 else {
        if isLast { break }
        continue
      }
      for (index, one) in wanted.enumerated() where one.revents != 0 {
        // Some floods are noughts.
        texts[index] += buffer[..<max(0, read(one.fd, &buffer, buffer.count))].filter { $0 != 0 }
      }
    }
    let lines = texts.map { text in
      String(decoding: text, as: UTF8.self).split(whereSeparator: \.isNewline).prefix(200)
        .map { printable($0) }
    }
    return (lines[0], lines[1])
  }

  private static let setpriv = ["/usr/bin/setpriv", "/bin/setpriv"].first {
    FileManager.default.isExecutableFile(atPath: $0)
  }

  /// The command line that runs a script with sh, whatever shell the user has there: characters
  /// that any of them changes within quotation marks travel as octal numbers.
  package static func command(_ script: String) -> String {
    let encoded = script.utf8.map { byte in
      let isPlain = byte < 128 && (isalnum(Int32(byte)) != 0 || "_./:=, -".utf8.contains(byte))
      return isPlain ? String(UnicodeScalar(byte)) : "\\0" + Self.octal(byte)
    }
    return "exec sh -c 'eval \"$(printf %b \"\(encoded.joined())\")\"'"
  }

  private static func octal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 8)
    return String(repeating: "0", count: 3 - digits.count) + digits
  }

  /// `text` as one word of sh.
  static func quoted(_ text: String) -> String {
    "'" + text.replacing("'", with: "'\\''") + "'"
  }

  /// The words of a command: split at blanks, but for those in quotation marks; nil where one has
  /// no other.
  package static func words(_ text: String) -> [String]? {
    var words: [String] = []
    var (word, mark): (String?, Character?) = (nil, nil)
    var isEscaped = false
    for character in text {
      if isEscaped {
        word = (word ?? "") + String(character)
        isEscaped = false
      } else if let open = mark {
        if character == open { mark = nil } else { word = (word ?? "") + String(character) }
      } else if character == "\"" || character == "'" {
        (mark, word) = (character, word ?? "")
      } else if character == "\\" {
        isEscaped = true
      } else if character.isWhitespace {
        if let word { words.append(word) }
        word = nil
      } else {
        word = (word ?? "") + String(character)
      }
    }
    guard mark == nil, !isEscaped else { return nil }
    return words + (word.map { [$0] } ?? [])
  }
}

/// A process that runs on a thread of its own.
private final class Started: Sendable {
  private let process: LocalProcess
  private let ended = Mailbox<Void>()
  private let isOver = Atomic(false)

  init(_ line: [String], input: OpenFile, output: OpenFile, errors: OpenFile) {
    process = LocalProcess(
      line[0], Array(line[1...]), environment: [:], input: input, output: output, errors: errors)
    do {
      try OwnThread.start("ssh") { [self] in
        _ = process.run()
        noteEnd()
      }
    } catch {
      noteEnd()
    }
  }

  /// Whether it has.
  var hasEnded: Bool { isOver.load(ordering: .acquiring) }

  /// Waits for its end, and ends it where it does not.
  func end() {
    guard ended.next(timeout: .milliseconds(200)) == nil else { return }
    process.send(SIGTERM)
    guard ended.next(timeout: .seconds(2)) == nil else { return }
    process.send(SIGKILL)
    _ = ended.next()
  }

  private func noteEnd() {
    isOver.store(true, ordering: .releasing)
    ended.put(())
  }
}
