import ArgumentParser
import Engine
import Foundation

/// What training does with some layers: freeze them, for good or for some epochs, or give them a
/// learning rate of their own.
struct LayerOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The layers whose weights stay as they are: names, classes, patterns as block1_* or a model "
        + "within the model, ..NAME for a layer and all that it is computed from, all for all but "
        + "the classifier of --head, none; several with commas. The default is what --model's "
        + "file says.",
      valueName: "layers"))
  var freeze: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Epochs after which frozen layers are trained too: 5 for all of them, or "
        + "..block9_add=10,Conv2D=5 for some, named as in --freeze; the others stay frozen.",
      valueName: "epochs"))
  var unfreezeAt: LayerNumbers?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "What the learning rate is multiplied by for some layers, named as in --freeze: "
        + "block1_*=0.1,Dense=2. Of a layer that is named twice the last number counts.",
      valueName: "layers=factor"))
  var layerRates: LayerNumbers?

  func validate() throws {
    for entry in unfreezeAt?.entries ?? [] where Int(exactly: entry.number).map({ $0 < 1 }) ?? true
    {
      throw ValidationError("--unfreeze-at \(entry): epochs must be a number from 1 on")
    }
    for entry in layerRates?.entries ?? [] {
      guard entry.layers != nil else {
        throw ValidationError("--layer-rates \(entry): say whose rate it is, as Dense=\(entry)")
      }
      guard (1e-6...1e6).contains(entry.number) else {
        throw ValidationError("--layer-rates \(entry): a factor must be from 1e-6 to 1e6")
      }
    }
  }

  /// The model, trained as the options say.
  /// - Parameters:
  ///   - kept: the layers that are not a new classifier's.
  ///   - models: of each model that was in the model, its layers.
  ///   - epochs: of the run, of some updates each.
  /// - Throws: `ArchitectureError` where a layer is not there, or nothing is left to train.
  func applied(
    to model: Architecture, kept: Set<String>, models: [String: Set<String>], epochs: Int,
    updatesPerEpoch: Int
  ) throws -> Architecture {
    // What an earlier run did with its layers is not this one's.
    var model = try model.changingRules { ($1.rate, $1.frozenUpdates) = (1, 0) }
    if let freeze {
      let words = freeze == "none" ? [] : freeze.components(separatedBy: ",")
      let found = try words.map { try layers($0, of: "--freeze", in: model, kept, models) }
      model = try model.freezing(found.reduce(into: []) { $0.formUnion($1) })
    }
    let frozen = Set(model.parameters.tensors.filter(\.isFrozen).map(\.layer))
    for entry in unfreezeAt?.entries ?? [] {
      let option = "--unfreeze-at"
      guard Int(entry.number) < epochs else {
        throw ArchitectureError("\(option) \(entry): the run has only \(epochs) epochs")
      }
      let names = try layers(entry.layers ?? "*", of: option, in: model, kept, models)
        .intersection(frozen)
      guard !names.isEmpty else {
        throw ArchitectureError("\(option) \(entry): no such layer is frozen (see --freeze)")
      }
      model = try model.unfreezing(names, afterUpdates: Int(entry.number) * updatesPerEpoch)
    }
    for entry in layerRates?.entries ?? [] {
      let names = try layers(entry.layers ?? "", of: "--layer-rates", in: model, kept, models)
      guard model.parameters.trained.contains(where: { names.contains($0.layer) }) else {
        throw ArchitectureError("--layer-rates \(entry): nothing is trained in such a layer")
      }
      model = try model.changingRules { if names.contains($0) { $1.rate = Float(entry.number) } }
    }
    let first = try model.frozen(inUpdate: 0)?.architecture ?? model
    guard !first.parameters.trained.isEmpty else {
      throw ArchitectureError("every layer is frozen: there is nothing to train")
    }
    return model
  }

  /// The layers that a word names.
  private func layers(
    _ word: String, of option: String, in model: Architecture, _ kept: Set<String>,
    _ models: [String: Set<String>]
  ) throws -> Set<String> {
    let found: Set<String>
    if word == "all" {
      found = kept
    } else if word.hasPrefix("..") {
      let last = String(word.dropFirst(2))
      found = (models[last] ?? [last]).reduce(into: []) { $0.formUnion(model.layers(upTo: $1)) }
    } else if let layers = models[word] {
      // Cut off by --head are those behind it.
      found = layers.intersection(model.layers.map(\.name))
    } else {
      let pattern = Array(word)
      found = Set(
        model.layers.filter { name, layer in
          matches(Array(name)[...], pattern[...]) || layer.className == word
        }.map(\.name))
    }
    guard !found.isEmpty else {
      throw ArchitectureError("\(option) \(word): no layer is called so (see dogsled summary)")
    }
    return found
  }
}

/// Numbers for layers, as `block1_*=0.1,Dense=2`, or one for all.
struct LayerNumbers: ExpressibleByArgument {
  /// A number for some layers.
  struct Entry: CustomStringConvertible {
    /// As the user names them; nil for all that can be meant.
    let layers: String?
    let number: Double
    let description: String
  }

  let entries: [Entry]

  init?(argument: String) {
    var entries: [Entry] = []
    for word in argument.components(separatedBy: ",") {
      let parts = word.components(separatedBy: "=")
      guard parts.count <= 2, let number = parts.last.flatMap(Double.init), number.isFinite,
        parts.count == 2 ? parts[0] != "" : argument == word
      else { return nil }
      entries.append(
        Entry(layers: parts.count == 2 ? parts[0] : nil, number: number, description: word))
    }
    self.entries = entries
  }
}

/// Whether `name` is as a pattern says, in which * stands for any characters and ? for one.
private func matches(_ name: ArraySlice<Character>, _ pattern: ArraySlice<Character>) -> Bool {
  // Where the newest * was, and how much of the name it stands for so far.
  var star: (pattern: Int, name: Int)?
  var (i, j) = (name.startIndex, pattern.startIndex)
  while i < name.endIndex {
    if j < pattern.endIndex, pattern[j] == "*" {
      star = (j, i)
      j += 1
    } else if j < pattern.endIndex, pattern[j] == "?" || pattern[j] == name[i] {
      (i, j) = (i + 1, j + 1)
    } else if let last = star {
      star = (last.pattern, last.name + 1)
      (i, j) = (last.name + 1, last.pattern + 1)
    } else {
      return false
    }
  }
  return pattern[j...].allSatisfy { $0 == "*" }
}
