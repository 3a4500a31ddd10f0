import ArgumentParser
import Primitives

/// The root command: one file a verb beside this one.
@main
struct Dogsled: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dogsled",
    abstract: "Train a convnet on a folder of JPEGs, on one machine or on a few.",
    version: dogsledVersion,
    subcommands: [
      Prepare.self,
      Sample.self,
      Train.self,
      CoordinatorCommand.self,
      WorkerCommand.self,
      AutoCommand.self,
      KeyCommand.self,
      CheckCommand.self,
      Augment.self,
      Summary.self,
      Evaluate.self,
      Predict.self,
      Plot.self,
      DigestCommand.self,
      Export.self,
      Bench.self,
    ])
}
