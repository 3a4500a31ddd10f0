// What a worker says to its coordinator. Most travels as JSON, numbers as parts.

import Engine
import Primitives

/// What a worker says to its coordinator.
public enum WorkerMessage: Sendable {
  /// The first message: who is here.
  case hello(Hello)
  /// The model is built and the data checked: work may come.
  case ready(ProbeAnswer)
  /// This worker cannot take part: its data differ, or it cannot read them.
  case unable(reason: String)
  /// It holds weights, and computes with them from now on.
  case holds(HeldWeights)
  /// It lacks these pictures.
  case wants(WantedPictures)
  /// Some numbers of the gradient that it computes.
  case part(Part)
  /// The totals of a step whose gradient's parts came before; inside one process the gradient comes
  /// with them.
  case gradient(GradientHeader, ParameterBuffer?)
  /// The totals of a validation batch.
  case evaluated(EvaluationHeader)
  /// Where another worker may connect to hand on parts of updates.
  case listens(Listening)
  /// What became of a link to or from another worker.
  case link(LinkReport)
  /// The worker goes, on request of its user.
  case leaving
  /// Nothing new: the worker is alive.
  case heartbeat
}

/// Who a worker is.
public struct Hello: Codable, Hashable, Sendable {
  /// The worker's version of Dogsled.
  public var version: String
  /// Its host and process, `host:pid`.
  public var name: String
  /// A number that the process has drawn, or that its launcher has given it: names and numbers of
  /// processes may be the same in two containers.
  public var process: UInt64
  /// The threads it computes with.
  public var threads: Int
  /// The instruction set its kernels use.
  public var kernels: String
  /// What lets it take part, which the transport adds and takes away; nil where nobody asks.
  public var secret: Secret?

  /// A hello with every field given.
  public init(
    version: String, name: String, process: UInt64, threads: Int, kernels: String
  ) {
    self.version = version
    self.name = name
    self.process = process
    self.threads = threads
    self.kernels = kernels
  }
}

/// What a worker made of the probe in its welcome: who makes the same computes the same bits.
public struct ProbeAnswer: Codable, Hashable, Sendable {
  /// The digest of the decoded, resized pictures.
  public var pictures: Digest
  /// The digest of their gradient.
  public var gradient: Digest

  /// An answer with both digests given.
  public init(pictures: Digest, gradient: Digest) {
    (self.pictures, self.gradient) = (pictures, gradient)
  }

  /// The answer to a probe without pictures.
  public static let none = ProbeAnswer(pictures: .ofNothing, gradient: .ofNothing)
}

/// Weights that a worker was sent, or has made itself.
public struct HeldWeights: Codable, Hashable, Sendable {
  /// Which weights.
  public var version: WeightsVersion
  /// The digest that they have there; nil inside one process.
  public var digest: Digest?

  /// Weights of `version`.
  public init(version: WeightsVersion, digest: Digest?) {
    (self.version, self.digest) = (version, digest)
  }
}

/// What comes after the gradients of a unit.
public struct GradientHeader: Codable, Hashable, Sendable {
  /// Sums over the pictures of a step's batch.
  public struct Totals: Codable, Hashable, Sendable {
    /// The sum of the pictures' losses.
    public var loss: Double
    /// Pictures whose probability rounds to their label.
    public var correct: Int
    /// Pictures.
    public var count: Int

    /// Totals with every field given.
    public init(loss: Double, correct: Int, count: Int) {
      (self.loss, self.correct, self.count) = (loss, correct, count)
    }
  }

  /// The first step, counted over the run.
  public var step: Int
  /// The version of the weights they were computed with.
  public var weightsVersion: WeightsVersion
  /// Of each step.
  public var totals: [Totals]
  /// The digest of the digests of the parts, step by step in order: of the first all, of the others
  /// those of factors alone, since all else is summed in the first.
  public var digest: Digest
  /// Seconds that the worker had nothing to compute before each of them.
  public var waited: Double

  /// A header with every field given.
  public init(
    step: Int, weightsVersion: WeightsVersion, totals: [Totals], digest: Digest,
    waited: Double = 0
  ) {
    self.step = step
    self.weightsVersion = weightsVersion
    self.totals = totals
    self.digest = digest
    self.waited = waited
  }

  /// Whether all losses are finite.
  public var isFinite: Bool { totals.allSatisfy(\.loss.isFinite) }
}

/// The totals of a validation batch: sums over its pictures.
public struct EvaluationHeader: Codable, Hashable, Sendable {
  /// The batch.
  public var batch: Int
  /// The version of the weights it was computed with.
  public var weightsVersion: WeightsVersion
  /// The sum of the pictures' losses.
  public var loss: Double
  /// Pictures whose probability rounds to their label.
  public var correct: Int
  /// Pictures whose class is among the five most probable; 0 where there are no more than five.
  public var amongFive: Int
  /// Pictures.
  public var count: Int

  /// Totals with every field given.
  public init(
    batch: Int, weightsVersion: WeightsVersion, loss: Double, correct: Int, amongFive: Int = 0,
    count: Int
  ) {
    self.batch = batch
    self.weightsVersion = weightsVersion
    self.loss = loss
    self.correct = correct
    self.amongFive = amongFive
    self.count = count
  }
}
