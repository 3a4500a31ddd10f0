// One layer out of Keras's JSON: the arguments that decide what it computes. The others have been
// checked before (`KerasConfigurationArguments.swift`).

import Engine

/// Reads the arguments of one layer.
package struct LayerReader {
  let kind: String
  let name: String?
  let config: JSON
  /// Whether Keras 2 wrote the model.
  let isKeras2: Bool

  /// As errors name it.
  var owner: String { "layer \(kind.prefix(40)) \(name ?? "")" }

  /// Why a layer of this kind cannot be read.
  var unknownKind: KerasConfigurationError {
    let known = KerasArgument.layers.keys.filter { $0 != "InputLayer" }.sorted()
    return KerasConfigurationError(
      "\(owner): Dogsled has only \(known.dropLast().joined(separator: ", ")) and "
        + known[known.count - 1])
  }

  /// - Throws: `KerasConfigurationError` naming the layer and what of it Dogsled does not have.
  func layer() throws -> any Layer {
    guard let type = KerasLayers.named(kind) else { throw unknownKind }
    return try type.init(reading: self)
  }

  /// The weight decay of the layer's kernels; nil for none.
  /// - Throws: `KerasConfigurationError` where two kernels have different ones.
  func decay(of layer: any Layer) throws -> Float? {
    let names = (layer as? any KerasLayer).map { type(of: $0).regularizers } ?? []
    let decays = names.map { config[$0].flatMap(KerasArgument.decay) ?? 0 }
    for (name, decay) in zip(names, decays) where decay != decays[0] {
      throw refusal(name, "that of \(names[0])")
    }
    return decays.first.flatMap { $0 > 0 ? $0 : nil }
  }

  // MARK: What layers' classes have in common

  /// Keras 3 may write a function as an object whose `config` is its name.
  func activation() throws -> Activation {
    let setting = config["activation"] ?? "linear"
    let isFunction = setting["class_name"] == "function"
    let name = isFunction ? setting["config"]?.string : setting.string
    guard let activation = name.flatMap({ KerasActivation.named[$0] }) else {
      throw refusal(
        "activation", "only " + KerasActivation.named.keys.sorted().joined(separator: ", "))
    }
    guard name != "hard_sigmoid" || !isKeras2 else {
      throw refusal("activation", "Keras 3's hard_sigmoid, which is another function")
    }
    return activation
  }

  func padding() throws -> Padding {
    guard let padding = (config["padding"] ?? "valid").string.flatMap(Padding.init) else {
      throw refusal("padding", "only valid and same")
    }
    return padding
  }

  func flag(_ setting: String, default absent: Bool) throws -> Bool {
    guard let value = config[setting] else { return absent }
    guard let flag = value.bool else { throw refusal(setting, "true and false") }
    return flag
  }

  /// A probability of dropping a number.
  func dropRate() throws -> Float {
    guard let rate = config["rate"]?.number.map(Float.init), rate >= 0, rate < 1 else {
      throw refusal("rate", "those from 0 to below 1")
    }
    return rate
  }

  /// A number, or what stands for one that is not there.
  func number(_ setting: String, default absent: Float) throws -> Float {
    guard let value = config[setting] else { return absent }
    guard let number = value.number.map(Float.init), number.isFinite else {
      throw refusal(setting, "numbers")
    }
    return number
  }

  func integer(_ setting: String, default absent: Int? = nil) throws -> Int {
    if config[setting] == nil, let absent { return absent }
    guard let value = config[setting]?.integer, (1...1 << 20).contains(value) else {
      throw refusal(setting, "a number from 1 to 1048576")
    }
    return value
  }

  /// `[a, b]`, or one number for both.
  func pair(
    _ setting: String, default absent: (height: Int, width: Int)? = nil
  ) throws -> (height: Int, width: Int) {
    let value = config[setting]
    if value == nil, let absent { return absent }
    let sizes = value?.array ?? value.map { [$0, $0] } ?? []
    guard sizes.count == 2, let height = sizes[0].integer, let width = sizes[1].integer,
      (1...4096).contains(height), (1...4096).contains(width)
    else { throw refusal(setting, "one or two numbers from 1 to 4096") }
    return (height, width)
  }

  func refusal(_ setting: String, _ known: String) -> KerasConfigurationError {
    KerasConfigurationError(
      "\(owner): \(setting) is \(config[setting]?.shown ?? "not given"); Dogsled has \(known)")
  }
}
