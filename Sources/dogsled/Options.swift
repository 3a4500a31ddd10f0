// Options that several verbs share.

import ArgumentParser
import Engine
import Foundation
import Pictures
import Training

extension Interpolation: ExpressibleByArgument {}

/// What decides the weights, and where the run goes.
struct TrainingOptions: ParsableArguments {
  @Option(help: "Passes of --steps-per-epoch steps.")
  var epochs = 30

  @Option(help: "Batches of one epoch.")
  var stepsPerEpoch = 100

  @Option(help: "Pictures of one batch.")
  var batchSize = 20

  @Option(help: "Batches of the validation after each epoch.")
  var validationSteps = 50

  @Option(help: "RMSprop's step size.")
  var learningRate: Float = 1e-4

  @Option(help: "RMSprop's decay of the average of squared gradients.")
  var rho: Float = 0.9

  @Option(help: "Key of every random draw.")
  var seed: UInt64 = 1

  @Option(
    help: ArgumentHelp(
      "Batches averaged into one update; the default is N with --workers N, else 1.",
      valueName: "u"))
  var batchesPerUpdate: Int?

  @Option(help: "Threads to compute with; the default is one a core.")
  var threads: Int?

  @Option(help: "The run's folder; the default is runs/<date-time>.", completion: .directory)
  var run: String?

  @Option(help: "How pictures are resized.")
  var interpolation = Interpolation.nearest

  @Flag(help: "Leave out pictures that cannot be decoded.")
  var skipUnreadable = false

  @Option(
    help: ArgumentHelp(
      "A model's layers: Keras's JSON, or an .h5 file whose weights are not used; the default is "
        + "the book's network.", valueName: "file"),
    completion: .file(extensions: ["json", "h5"]))
  var model: String?

  func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads must be from 1 to 1024, not \(threads)")
    }
    do {
      try hyperparameters(workers: 1).validate()
    } catch {
      throw ValidationError("\(error)")
    }
  }

  /// The values for a run whose updates average `workers` batches by default.
  func hyperparameters(workers: Int) -> Hyperparameters {
    var values = Hyperparameters()
    values.epochs = epochs
    values.stepsPerEpoch = stepsPerEpoch
    values.batchSize = batchSize
    values.validationSteps = validationSteps
    values.learningRate = learningRate
    values.rho = rho
    values.seed = seed
    values.batchesPerUpdate = batchesPerUpdate ?? workers
    values.interpolation = interpolation
    return values
  }

  /// The model that `--model` names, or the book's.
  func architecture() throws -> Architecture {
    guard let model else { return try .book() }
    return try KerasConfiguration.architecture(inFile: model)
  }

  /// The threads that `--threads` asks for, or one a core.
  var threadCount: Int { threads ?? availableCores }
}

/// The cores that this process may use.
var availableCores: Int { ProcessInfo.processInfo.activeProcessorCount }

/// `1 worker`, `2 workers`.
func counted(_ count: Int, _ noun: String) -> String {
  "\(count) \(noun)\(count == 1 ? "" : "s")"
}

/// What ends a verb with exit status 1; one clear line.
struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Writes one line to standard error.
func log(_ line: String) {
  try? FileHandle.standardError.write(contentsOf: Data("\(line)\n".utf8))
}
