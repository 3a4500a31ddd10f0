import ArgumentParser
import KerasFiles

/// What the classes are called, in the order of the model's outputs: `--classes cats,dogs`.
struct ClassNames: ExpressibleByArgument {
  let names: [String]

  init?(argument: String) {
    self.init(argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init))
  }

  /// The names that `model` knows; nil where it has none (Keras drops them when it saves a model
  /// again), or not as many as it tells apart.
  init?(of model: ModelFile) {
    guard let names = model.classes, names.count == model.architecture.loss.classes else {
      return nil
    }
    self.init(names)
  }

  /// Names are equal as Unicode has it, whatever their bytes.
  private init?(_ names: [String]) {
    guard names.count > 1, Set(names).count == names.count, !names.contains("") else { return nil }
    self.names = names
  }

  /// The label of each name.
  var labels: [String: Int] {
    Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
  }
}
