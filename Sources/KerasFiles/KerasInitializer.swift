// Keras's initializers: what weights start with where no file has them.

import Engine

/// `Initializer` from and to Keras's JSON.
enum KerasInitializer {
  /// The argument of each tensor.
  static let arguments: [(name: String, kind: ParameterLayout.Kind)] = [
    ("kernel_initializer", .kernel), ("bias_initializer", .bias),
    ("depthwise_initializer", .depthwiseKernel), ("pointwise_initializer", .pointwiseKernel),
    ("gamma_initializer", .gamma), ("beta_initializer", .beta),
    ("moving_mean_initializer", .movingMean), ("moving_variance_initializer", .movingVariance),
  ]

  /// What becomes of each of these arguments.
  static let argument = KerasArgument(
    role: .refusedInTraining,
    known: "GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal, "
      + "VarianceScaling, RandomUniform, RandomNormal, TruncatedNormal, Zeros, Ones and Constant, "
      + "without a seed", accepts: { read($0) != nil })

  private static let scaled: [String: Initializer] = [
    "GlorotUniform": .glorotUniform, "GlorotNormal": .scaled(1, by: .mean, .truncatedNormal),
    "HeUniform": .scaled(2, by: .inputs, .uniform),
    "HeNormal": .scaled(2, by: .inputs, .truncatedNormal),
    "LecunUniform": .scaled(1, by: .inputs, .uniform),
    "LecunNormal": .scaled(1, by: .inputs, .truncatedNormal), "Zeros": .constant(0),
    "Ones": .constant(1),
  ]

  /// By its name, or as an object; nil for one that Dogsled does not draw.
  ///
  /// Dogsled draws from its own seed: one in the file would be dropped.
  static func read(_ json: JSON) -> Initializer? {
    if let name = json.string { return scaled[className(name)] }
    guard let kind = json["class_name"]?.string else { return nil }
    let config = (json["config"]?.object ?? [:]).filter { $0.value != .null }
    guard config["seed"] == nil else { return nil }
    if let known = scaled[kind] {
      return config.keys.allSatisfy { $0 == "dtype" } ? known : nil
    }
    func number(_ name: String, _ absent: Float) -> Float? {
      guard let value = config[name] else { return absent }
      return value.number.map(Float.init).flatMap { $0.isFinite ? $0 : nil }
    }
    switch kind {
    case "VarianceScaling":
      let distribution = config["distribution"]?.string ?? "truncated_normal"
      guard let scale = number("scale", 1), scale > 0,
        let fan = Initializer.Fan(rawValue: config["mode"]?.string ?? "fan_in"),
        // Keras 2's first name for it.
        let spread = Initializer.Distribution(
          rawValue: distribution == "normal" ? "truncated_normal" : distribution)
      else { return nil }
      return .scaled(scale, by: fan, spread)
    case "Constant": return number("value", 0).map { .constant($0) }
    case "RandomUniform":
      guard let low = number("minval", -0.05), let high = number("maxval", 0.05), low <= high
      else { return nil }
      return .uniform(low, high)
    case "RandomNormal", "TruncatedNormal":
      guard let mean = number("mean", 0), let deviation = number("stddev", 0.05), deviation >= 0
      else { return nil }
      return .normal(mean: mean, deviation: deviation, isTruncated: kind == "TruncatedNormal")
    default: return nil
    }
  }

  /// `HeNormal` of `he_normal`.
  private static func className(_ name: String) -> String {
    name.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
  }

  /// As Keras 3 writes it.
  static func json(_ initializer: Initializer) -> JSON {
    let (name, config): (String, [String: JSON]) =
      switch initializer {
      case .constant(let value): ("Constant", ["value": JSON(shortest: value)])
      case .scaled(let scale, let fan, let distribution):
        (
          "VarianceScaling",
          [
            "scale": JSON(shortest: scale), "mode": .string(fan.rawValue),
            "distribution": .string(distribution.rawValue), "seed": nil,
          ]
        )
      case .uniform(let low, let high):
        (
          "RandomUniform",
          ["minval": JSON(shortest: low), "maxval": JSON(shortest: high), "seed": nil]
        )
      case .normal(let mean, let deviation, let isTruncated):
        (
          isTruncated ? "TruncatedNormal" : "RandomNormal",
          ["mean": JSON(shortest: mean), "stddev": JSON(shortest: deviation), "seed": nil]
        )
      }
    return [
      "module": "keras.initializers", "class_name": .string(name), "registered_name": nil,
      "config": .object(config),
    ]
  }
}

extension LayerReader {
  /// What its tensors start with, where the file says it and Dogsled draws it.
  func initializers() -> [ParameterLayout.Kind: Initializer] {
    var found: [ParameterLayout.Kind: Initializer] = [:]
    for (name, kind) in KerasInitializer.arguments {
      if let initializer = config[name].flatMap(KerasInitializer.read) { found[kind] = initializer }
    }
    return found
  }
}
