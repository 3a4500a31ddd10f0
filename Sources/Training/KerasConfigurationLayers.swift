// One layer out of Keras's JSON. A setting that would change what the layer computes is refused
// where Dogsled does not have it; how weights were drawn at first does not matter any more.

import Engine

/// Reads one layer of a `Sequential`.
struct LayerReader {
  let kind: String
  let config: JSON

  private var name: String { "\(kind) \(config["name"]?.string ?? "")" }

  /// - Throws: `ModelFileError` naming the layer and what of it Dogsled does not have.
  func layer() throws -> Layer {
    for setting in [
      "kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint",
      "bias_constraint",
    ] where config[setting] != nil {
      throw refusal(setting, "only none")
    }
    try demand("data_format", "channels_last")
    try demandFloat32()
    switch kind {
    case "Conv2D": return .convolution(try convolution())
    case "MaxPooling2D": return try maxPooling()
    case "Flatten": return .flatten
    case "Dense":
      try demand("use_bias", true)
      return .dense(
        units: try integer("units"), activation: try activation([.linear, .relu, .sigmoid]))
    case "Rescaling":
      throw ModelFileError(
        "layer \(name): take it out of the model: Dogsled divides pixels by 255 itself")
    default:
      throw ModelFileError(
        "layer \(name): Dogsled has only Conv2D, MaxPooling2D, Flatten and Dense")
    }
  }

  private func convolution() throws -> Convolution {
    try demand("use_bias", true)
    try demand("groups", 1)
    guard try pair("dilation_rate", default: (1, 1)) == (1, 1) else {
      throw refusal("dilation_rate", "only 1")
    }
    var convolution = Convolution(filters: try integer("filters"))
    convolution.kernel = try pair("kernel_size")
    convolution.strides = try pair("strides", default: (1, 1))
    convolution.activation = try activation([.linear, .relu])
    guard let padding = Padding(rawValue: config["padding"]?.string ?? "valid") else {
      throw refusal("padding", "only valid and same")
    }
    convolution.padding = padding
    return convolution
  }

  private func maxPooling() throws -> Layer {
    let size = try pair("pool_size")
    guard size.height == size.width else { throw refusal("pool_size", "only squares") }
    guard try pair("strides", default: size) == size else {
      throw refusal("strides", "only those equal to pool_size")
    }
    try demand("padding", "valid")
    return .maxPooling(size: size.height)
  }

  private func activation(_ known: [Activation]) throws -> Activation {
    // Keras 3 may write a function as an object whose `config` is its name.
    let setting = config["activation"]
    let name = setting == nil ? "linear" : setting?.string ?? setting?["config"]?.string
    guard let activation = known.first(where: { $0.rawValue == name }) else {
      throw refusal("activation", "only " + known.map(\.rawValue).joined(separator: ", "))
    }
    return activation
  }

  private func demandFloat32() throws {
    guard let type = config["dtype"] else { return }
    guard type.string ?? type["config"]?["name"]?.string == "float32" else {
      throw refusal("dtype", "only float32")
    }
  }

  private func demand(_ setting: String, _ value: JSON) throws {
    guard config[setting] ?? value == value else { throw refusal(setting, "only \(value.text)") }
  }

  private func integer(_ setting: String) throws -> Int {
    guard let value = config[setting]?.integer, (1...1 << 20).contains(value) else {
      throw refusal(setting, "a number from 1 to 1048576")
    }
    return value
  }

  /// `[a, b]`, or one number for both.
  private func pair(
    _ setting: String, default absent: (height: Int, width: Int)? = nil
  ) throws -> (height: Int, width: Int) {
    let value = config[setting]
    if value == nil, let absent { return absent }
    let sizes = value?.array?.compactMap(\.integer) ?? value?.integer.map { [$0, $0] } ?? []
    guard sizes.count == 2, sizes.allSatisfy((1...4096).contains) else {
      throw refusal(setting, "one or two numbers from 1 to 4096")
    }
    return (sizes[0], sizes[1])
  }

  private func refusal(_ setting: String, _ known: String) -> ModelFileError {
    ModelFileError(
      "layer \(name): \(setting) is \(config[setting]?.text ?? "not given"); "
        + "Dogsled has \(known)")
  }
}
