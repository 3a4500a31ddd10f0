// Options that several verbs share.

import ArgumentParser
import Engine
import Foundation
import KerasFiles
import Pictures
import Primitives
import Runs
import Training

extension Interpolation: ExpressibleByArgument {}

extension CheckpointInterval: ExpressibleByArgument {
  /// From `50` or `30s`.
  public init?(argument: String) {
    if argument.hasSuffix("s"), let seconds = Double(argument.dropLast()) {
      guard (0.001...1e7).contains(seconds) else { return nil }
      self = .seconds(seconds)
    } else if let updates = Int(argument), updates > 0 {
      self = .updates(updates)
    } else {
      return nil
    }
  }
}

extension PictureSettings.Decoding: ExpressibleByArgument {}

extension WeightsForm: ExpressibleByArgument {}

/// What `--weights` names in training: a file, or a form in which weights travel.
enum TrainingWeights: ExpressibleByArgument {
  case file(String)
  case form(WeightsForm)

  init?(argument: String) {
    self = WeightsForm(rawValue: argument).map(Self.form) ?? .file(argument)
  }
}

extension ChainForm: ExpressibleByArgument {}

/// How many threads compute.
struct ThreadOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: "Threads to compute with; the default is one for each core that may be used.")
  var threads: Int?

  func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads must be from 1 to 1024, not \(threads)")
    }
  }

  /// The threads that `--threads` asks for, or one a core.
  var count: Int { threads ?? Self.cores.usable }

  /// The cores that this process may use.
  static var cores: Cores { .ofThisProcess }
}

/// What decides the weights, and where the run goes.
struct TrainingOptions: ParsableArguments {
  @OptionGroup var values: HyperparameterOptions

  @OptionGroup var threading: ThreadOptions

  @Option(help: "The run's folder; the default is runs/<date-time>.", completion: .directory)
  var run: String?

  @Option(
    help: ArgumentHelp(
      "Resume the run in this folder from its checkpoint; the options that decide the weights are "
        + "taken from that run.", valueName: "run"),
    completion: .directory)
  var resume: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Also write a checkpoint after so many updates (50) or seconds (30s), not only at each "
        + "epoch's end; less often where that would take over 3.5 % of the time.", valueName: "k"))
  var checkpointEvery: CheckpointInterval?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seconds of silence after which a worker's connection counts as lost.", valueName: "seconds"))
  var heartbeat = 3.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Fraction of steps and validation batches, 0 to 1, that two workers compute; their results "
        + "must be equal in every bit. Finds machines that compute wrong results.",
      valueName: "f"))
  var verify = 0.0

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "A file whose weights are taken instead of those of --model's file: .weights.h5, .h5 or "
        + ".keras. Or how workers come to new weights: whole, as they are; update, by making each "
        + "update themselves; auto, in whichever way takes fewer bytes (default).",
      valueName: "what"),
    completion: .file(extensions: ["h5", "keras"]))
  var weights: [TrainingWeights] = []

  /// How workers come to new weights.
  var weightsForm: WeightsForm {
    weights.compactMap { if case .form(let form) = $0 { form } else { nil } }.last ?? .auto
  }

  /// A file of weights; nil for those of the model's file.
  var weightsFile: String? {
    weights.compactMap { if case .file(let file) = $0 { file } else { nil } }.last
  }

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Which workers hand parts of updates on to each other, so that the coordinator sends each "
        + "once: auto, those on other machines; always, all; never, none.", valueName: "which"))
  var chain = ChainForm.auto

  @Flag(help: "Leave out pictures that cannot be decoded.")
  var skipUnreadable = false

  @OptionGroup var model: ModelOptions

  /// - Throws: where neither a data folder nor a run that has one is named.
  func demand(_ data: String?) throws {
    guard data != nil || resume != nil else {
      throw ValidationError("name the data set's folder: it is left out only with --resume")
    }
  }

  func validate() throws {
    // A run that goes on has values of its own.
    if resume == nil { try values.check() }
    if resume != nil, run != nil {
      throw ValidationError("--run cannot be given with --resume: the run keeps its folder")
    }
    for (name, folder) in [("--run", run), ("--resume", resume)] where folder == "" {
      throw ValidationError("\(name) needs the name of a folder")
    }
    if weightsFile != nil, model.model == nil || model.fresh {
      throw ValidationError(
        "--weights FILE needs --model, without --fresh; what is no file is auto, whole or update")
    }
    guard (0.3...3600).contains(heartbeat) else {
      throw ValidationError("--heartbeat must be from 0.3 to 3600 seconds, not \(heartbeat)")
    }
    guard (0...1).contains(verify) else {
      throw ValidationError("--verify must be from 0 to 1, not \(verify)")
    }
  }

  /// The data folder as an argument of the command that goes on with the run, where it is not the
  /// one that the run knows.
  func movedData(_ data: String?) -> [String] {
    guard resume != nil, let data else { return [] }
    return [data.hasPrefix("-") ? "./" + data : data]
  }

  /// Those of the options that do not decide the weights and were given: what a command has that
  /// goes on with the run in the same way.
  var ofComputing: [String] {
    var words: [String] = []
    if let threads = threading.threads { words += ["--threads", "\(threads)"] }
    switch checkpointEvery {
    case .updates(let count): words += ["--checkpoint-every", "\(count)"]
    case .seconds(let seconds): words += ["--checkpoint-every", "\(seconds)s"]
    case nil: break
    }
    if heartbeat != 3 { words += ["--heartbeat", "\(heartbeat)"] }
    if verify != 0 { words += ["--verify", "\(verify)"] }
    if weightsForm != .auto { words += ["--weights", weightsForm.rawValue] }
    if chain != .auto { words += ["--chain", chain.rawValue] }
    if skipUnreadable { words.append("--skip-unreadable") }
    return words
  }
}
