import ArgumentParser

/// `dogsled digest`: the digest of a model's weights.
struct DigestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "digest",
    abstract: "Print the digest of a model's weights: equal digests, equal weights to the bit.",
    discussion: """
      XXH3 (128 bits) over all weights in their order, as 32 hexadecimal digits.

      Example: dogsled digest runs/pets
      """)

  @Argument(
    help: ArgumentHelp(NamedModel.help), completion: .file(extensions: NamedModel.extensions))
  var model: String

  @OptionGroup var options: WeightsOption

  func run() throws { try emit("\(try NamedModel.read(model, options).state.digest)") }
}
