// What a worker answers, reduced to what the rules decide by.

import Primitives
import Wire

/// What a worker made of a unit.
package struct Answer: Hashable, Sendable {
  /// Who says it.
  package let process: WorkerProcess
  /// Of all that it says: totals, and the digest of a gradient.
  package let digest: Digest
  /// Whether its loss is a finite number; the host has seen that the gradient is one then too.
  package let isFinite: Bool

  /// An answer with every field given.
  package init(process: WorkerProcess, digest: Digest, isFinite: Bool) {
    (self.process, self.digest, self.isFinite) = (process, digest, isFinite)
  }
}

/// Why a host cannot use an answer; one clear line each.
public enum AnswerFault: Error, Hashable, Sendable {
  /// It did not come as it was computed: its link or its memory spoilt it.
  case damaged(String)
  /// It came as it was sent and cannot be right.
  case impossible(String)
}

extension GradientHeader {
  /// The digest of all that the answer says.
  var answer: Digest {
    let results = totals.flatMap {
      [$0.loss.bitPattern, .init(bits: $0.correct), .init(bits: $0.count)]
    }
    return .init(of: [digest.high, digest.low] + results)
  }
}

extension WorkUnit {
  /// What a gradient's header answers.
  package init(_ header: GradientHeader) {
    self = .steps(header.step..<header.step + header.totals.count)
  }
}

extension EvaluationHeader {
  /// The digest of all that the answer says.
  var answer: Digest {
    let counts = [correct, amongFive, count].map { UInt64(bits: $0) }
    return .init(of: [loss.bitPattern] + counts)
  }
}

extension Digest {
  fileprivate init(of words: [UInt64]) { self = words.withUnsafeBytes(Digest.init(of:)) }
}

extension UInt64 {
  fileprivate init(bits number: Int) { self = UInt64(bitPattern: Int64(number)) }
}
