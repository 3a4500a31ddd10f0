import Foundation
import Primitives

/// The program as a file that is copied to hosts.
public struct ProgramFile: Sendable {
  let path: String
  /// SHA-256, hexadecimal: what `sha256sum` prints.
  let digest: String

  /// - Throws: `FileError` where it cannot be read.
  public init(_ path: String) throws {
    let file = try PlainFile(path)
    self.path = path
    digest = Key.sha256(try file.bytes(at: 0, count: file.size))
      .map { String(format: "%02x", $0) }.joined()
  }

  /// This program itself.
  public static let own: String =
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""

  /// This machine's architecture, as `uname -m` calls it.
  public static let architecture: String = {
    var name = utsname()
    uname(&name)
    return withUnsafeBytes(of: name.machine) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }()

  /// The newer of two programs; the first where there is no other.
  public static func newer(_ first: String, _ second: String) -> String {
    func date(_ path: String) -> Date? {
      let attributes = try? FileManager.default.attributesOfItem(atPath: path)
      return attributes?[.modificationDate] as? Date
    }
    guard let other = date(second) else { return first }
    return other > date(first) ?? .distantPast ? second : first
  }

  /// Where the package of this version for an architecture is unpacked: beside this program's own
  /// package, or where scripts/package makes it.
  public static func package(_ architecture: String) -> String {
    let folder = URL(fileURLWithPath: own).deletingLastPathComponent()
    let name = "dogsled-\(dogsledVersion)-linux-\(architecture)/bin/dogsled"
    let places = folder.lastPathComponent == "bin" ? ["../../"] : ["../../package/"]
    return folder.appendingPathComponent(places[0] + name).standardized.path
  }
}

/// Asks hosts over ssh what they are, and copies the program to those that lack it.
public struct HostSurvey: Sendable {
  /// A host that can be used.
  public struct Host: Sendable {
    /// What it says of itself.
    public let answer: HostAnswer
    /// Where the program is on it.
    public let program: String
  }

  private let shell: SecureShell
  private let programs: [String: ProgramFile]
  private let remote: String?
  private let data: String?

  /// - Parameters:
  ///   - programs: what is copied, by architecture.
  ///   - remote: the program's path on all hosts, where it is there and nothing is copied.
  ///   - data: the data folder that must be on the hosts, where there is one.
  public init(
    _ shell: SecureShell, programs: [String: ProgramFile], remote: String?, data: String?
  ) {
    (self.shell, self.programs) = (shell, programs)
    (self.remote, self.data) = (remote, data)
  }

  /// Asks one host; copies the program there where it is missing.
  /// - Throws: `NetworkError` that says why the host cannot be used.
  public func ask(_ host: String, _ question: HostQuestion) throws -> Host {
    var said = try put(question, to: host)
    if said.lacks {
      try copy(to: host, architecture: said.architecture)
      said = try put(question, to: host)
      guard !said.lacks else { throw NetworkError("the copy of the program is gone") }
    }
    guard let answer = said.answer, let program = said.program else {
      if remote == nil, let architecture = said.architecture, programs[architecture] == nil {
        throw NetworkError(
          "its processor is \(architecture), and there is no \(ProgramFile.package(architecture))")
      }
      throw NetworkError(said.reason)
    }
    return Host(answer: answer, program: program)
  }

  private struct Said {
    var architecture: String?
    var program: String?
    var lacks = false
    var answer: HostAnswer?
    var reason = "no answer"
  }

  private func put(_ question: HostQuestion, to host: String) throws -> Said {
    let input = try OpenFile.pipeEnds(failure: "ssh cannot be started")
    let text = Array((question.text + "\n").utf8)
    _ = write(input.write.descriptor, text, text.count)
    let (lines, errors) = try shell.run(script, on: host, input: input.read, seconds: 45)
    withExtendedLifetime(input.write) {}
    var said = Said()
    if let last = errors.last(where: Self.isText) { said.reason = last }
    for line in lines {
      if line.hasPrefix("dogsled-host ") {
        let name = line.dropFirst(13)
        guard name.wholeMatch(of: /[A-Za-z0-9_]{1,20}/) != nil else { continue }
        said.architecture = String(name)
      } else if line.hasPrefix("dogsled-program /") {
        said.program = String(line.dropFirst(16))
      } else if line == "dogsled-lacks" {
        said.lacks = true
      } else if let answer = HostAnswer(line: line) {
        said.answer = answer
      } else if errors.isEmpty, Self.isText(line) {
        said.reason = line
      }
    }
    return said
  }

  private static func isText(_ line: String) -> Bool { line.contains { !$0.isWhitespace } }

  private func copy(to host: String, architecture: String?) throws {
    guard let program = architecture.flatMap({ programs[$0] }) else {
      throw NetworkError("it lacks the program, and does not say what its processor is")
    }
    let (lines, errors) = try shell.run(
      Self.copying(program), on: host, input: OpenFile(reading: program.path), seconds: 600)
    guard lines.contains("dogsled-copied") else {
      let reason = (lines + errors).last(where: Self.isText) ?? "no answer"
      throw NetworkError("the program cannot be copied there: \(reason)")
    }
  }

  // MARK: Scripts

  private static let cache = #"${XDG_CACHE_HOME:-$HOME/.cache}/dogsled"#

  /// Where a program is kept below `cache`.
  private static func place(_ program: ProgramFile) -> String {
    "\(dogsledVersion)-\(program.digest.prefix(16))"
  }

  private var script: String {
    let folder = data.map {
      """
      folder=\(SecureShell.quoted($0))
      test -d "$folder" || { printf 'no folder %s there: see DOGSLED_DATA\\n' "$folder"; exit; }
      """
    }
    let program: String
    if let remote {
      program = """
        program=\(SecureShell.quoted(remote))
        program=$(command -v "$program") || { echo "no program there: see DOGSLED_REMOTE"; exit; }
        """
    } else {
      let cases = programs.map { architecture, program in
        "\(architecture)) digest=\(program.digest) place=\(Self.place(program)) ;;"
      }
      program = """
        case $(uname -m) in
          \(cases.sorted().joined(separator: "\n"))
          *) exit ;;
        esac
        program="\(Self.cache)/$place/dogsled"
        set -- $(test -f "$program" && sha256sum <"$program")
        test "$1" = "$digest" || { echo dogsled-lacks; exit; }
        """
    }
    return """
      printf 'dogsled-host %s\\n' "$(uname -m)"
      \(program)
      \(folder ?? "")
      case $program in /*) ;; *) program=$PWD/$program ;; esac
      printf 'dogsled-program %s\\n' "$program"
      exec "$program" check --answer
      """
  }

  /// The copy has its name once it is whole.
  private static func copying(_ program: ProgramFile) -> String {
    """
    umask 077
    folder="\(cache)/\(place(program))"
    new="$folder/dogsled.$$"
    trap 'rm -f "$new"' EXIT
    trap 'exit 1' HUP INT TERM
    mkdir -p "$folder" && cat >"$new" || exit
    set -- $(sha256sum <"$new")
    test "$1" = \(program.digest) || { echo "it did not arrive whole"; exit; }
    chmod 700 "$new" && mv -f "$new" "$folder/dogsled" && echo dogsled-copied
    """
  }
}
