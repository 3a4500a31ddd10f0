import ArgumentParser
import Engine
import Foundation
import Pictures
import Training

/// What `evaluate` and `predict` share: how a trained model is run.
struct InferenceOptions: ParsableArguments {
  @Option(help: "Pictures that are computed at a time.")
  var batchSize = 20

  @Option(help: "Threads to compute with; the default is one a core.")
  var threads: Int?

  @Option(
    help: """
      How pictures are resized (nearest, bilinear, area); the default is what the model was \
      trained with.
      """)
  var interpolation: Interpolation?

  func validate() throws {
    guard (1...4096).contains(batchSize) else {
      throw ValidationError("--batch-size must be from 1 to 4096, not \(batchSize)")
    }
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads must be from 1 to 1024, not \(threads)")
    }
  }

  /// The threads that `--threads` asks for, or one a core.
  var threadCount: Int { threads ?? availableCores }

  /// An engine for `model`.
  func engine(for model: ModelFile) throws -> Engine {
    Engine(
      model.architecture, batchCapacity: batchSize, threads: threadCount,
      kernels: try KernelSet.chosen())
  }

  /// What the options say, else what `model` was trained with, else Keras's default.
  func interpolation(for model: ModelFile) -> Interpolation {
    interpolation ?? model.interpolation.flatMap(Interpolation.init(rawValue:)) ?? .nearest
  }
}
