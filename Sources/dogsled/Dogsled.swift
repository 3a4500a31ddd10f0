import ArgumentParser

/// The root command: one file a verb beside this one.
@main
struct Dogsled: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dogsled",
    abstract: "Train a convnet on a folder of JPEGs, on one machine or on a few.",
    subcommands: [
      Bench.self,
      Prepare.self,
      Sample.self,
    ])
}
