import ArgumentParser
import Engine

/// A network that is made anew, where no file is named.
struct NewNetworkOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A network that needs no file: \(Network.allCases.map(\.rawValue).joined(separator: ", ")) "
        + "(default: book).", valueName: "name"))
  var network: Network?

  @Option(
    help: ArgumentHelp(
      "The size of that network's pictures; by default its own, the book's 150x150.",
      valueName: "hxw"))
  var inputSize: InputSize?

  /// Whether any of them is given.
  var isGiven: Bool { network != nil || inputSize != nil }

  /// - Throws: where something is given that a model's file says.
  func refuse(beside model: String?) throws {
    for (name, isGiven) in [("--network", network != nil), ("--input-size", inputSize != nil)]
    where isGiven && model != nil {
      throw ValidationError("\(name) is for a new network: --model has its own")
    }
  }

  /// The network.
  /// - Throws: `ArchitectureError` where pictures are too small for it.
  func architecture(classes: Int = 2) throws -> Architecture {
    try (network ?? .book).architecture(
      height: inputSize?.height, width: inputSize?.width, classes: classes)
  }
}

extension Network: ExpressibleByArgument {}
