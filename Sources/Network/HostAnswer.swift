import Foundation

/// What a host is asked, as lines of its standard input.
public struct HostQuestion: Sendable, Equatable {
  /// What it proves itself with when it connects: `LinkMeter.wordSize` bytes.
  public let word: [UInt8]
  /// The port that this machine listens on.
  public let port: Int
  /// This machine's addresses, those that are most likely to do first.
  public let addresses: [String]
  /// Whether those alone will do: not the one that the host's ssh connection comes from.
  public let isAddressChosen: Bool
  /// Whether to measure the link, and to compute the probe.
  public let isWhole: Bool

  /// A question with all that it says.
  public init(
    word: [UInt8], port: Int, addresses: [String], isAddressChosen: Bool, isWhole: Bool
  ) {
    (self.word, self.port, self.addresses) = (word, port, addresses)
    (self.isAddressChosen, self.isWhole) = (isAddressChosen, isWhole)
  }

  /// Its lines.
  package var text: String {
    let digits = word.map { String(format: "%02x", $0) }.joined()
    let how = "\(isAddressChosen ? "chosen" : "any") \(isWhole ? "whole" : "short")"
    return (["\(digits) \(port) \(how)"] + addresses).map { $0 + "\n" }.joined()
  }

  /// Reads the lines; nil where they are none.
  public init?(_ text: String) {
    let lines = text.split(separator: "\n").map(String.init)
    let words = (lines.first ?? "").split(separator: " ")
    guard words.count == 4, words[0].utf8.count == 2 * LinkMeter.wordSize,
      let port = Int(words[1]), (1...65535).contains(port)
    else { return nil }
    let digits = Array(words[0])
    let bytes = stride(from: 0, to: digits.count, by: 2).compactMap {
      UInt8(String(digits[$0...$0 + 1]), radix: 16)
    }
    guard bytes.count == LinkMeter.wordSize else { return nil }
    self.init(
      word: bytes, port: port, addresses: Array(lines.dropFirst()),
      isAddressChosen: words[2] == "chosen", isWhole: words[3] == "whole")
  }
}

/// What the program on a host says of it, as a line of JSON behind a word.
public struct HostAnswer: Sendable, Equatable, Codable {
  /// What its line begins with.
  package static let mark = "dogsled-answer "

  /// Dogsled's version there.
  public var version: String
  /// As `uname -m` calls it.
  public var architecture: String
  /// The instruction set that kernels are chosen for.
  public var kernels: String
  /// Cores that a process may use there.
  public var cores: Int
  /// Bytes of memory that a process may still take.
  public var memory: Int
  /// The address that its ssh connection comes from; empty where it does not know.
  public var seen: String
  /// Addresses at which it reached this machine, the best first.
  public var reached: [String]
  /// Why it did not reach another.
  public var problem: String
  /// What came to it from this machine, bits a second; nil where that was not measured.
  public var bitsToHost: Double?
  /// The digest of the probe's gradient; nil where it was not computed.
  public var probe: String?

  /// An answer with all that it says.
  public init(
    version: String, architecture: String, kernels: String, cores: Int, memory: Int, seen: String,
    reached: [String], problem: String, bitsToHost: Double?, probe: String?
  ) {
    (self.version, self.architecture, self.kernels) = (version, architecture, kernels)
    (self.cores, self.memory, self.seen, self.reached) = (cores, memory, seen, reached)
    (self.problem, self.bitsToHost, self.probe) = (problem, bitsToHost, probe)
  }

  /// The line that a host prints.
  public var line: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let json = (try? encoder.encode(self)) ?? Data()
    return Self.mark + String(decoding: json, as: UTF8.self)
  }

  /// Reads a line that anybody may have written; nil where it has not the form that it must have.
  package init?(line: String) {
    guard line.hasPrefix(Self.mark), line.utf8.count < 4096,
      var answer = try? JSONDecoder().decode(
        HostAnswer.self, from: Data(line.dropFirst(Self.mark.count).utf8))
    else { return nil }
    let isWord: (String) -> Bool = { text in
      text.utf8.count <= 40
        && text.utf8.allSatisfy {
          $0 < 128 && (isalnum(Int32($0)) != 0 || "._-+".utf8.contains($0))
        }
    }
    // It goes into command lines.
    let isAddress: (String) -> Bool = { text in
      text.utf8.count <= 255
        && text.utf8.allSatisfy {
          $0 < 128 && (isalnum(Int32($0)) != 0 || ".:%_-".utf8.contains($0))
        }
        && text.first.map { $0 != "-" } ?? true
    }
    guard [answer.version, answer.architecture, answer.kernels].allSatisfy(isWord),
      isWord(answer.probe ?? ""), (1...9999).contains(answer.cores), answer.memory >= 0,
      answer.reached.count <= 16, (answer.reached + [answer.seen]).allSatisfy(isAddress),
      !answer.reached.contains(""), answer.bitsToHost.map({ $0.isFinite && $0 >= 0 }) ?? true
    else { return nil }
    answer.problem = printable(answer.problem)
    self = answer
  }
}
