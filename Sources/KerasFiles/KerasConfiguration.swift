// A model as Keras writes it down: the JSON of a `Sequential`, in `model_config` and `to_json()`.

import Engine

/// A configuration that describes no model that Dogsled has; `description` says what and where.
public struct KerasConfigurationError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String
  /// An error that says `description`.
  public init(_ description: String) { self.description = description }
}

/// `Architecture` from and to Keras's JSON.
public enum KerasConfiguration {
  /// 1 GiB of weights: more is neither sent nor read.
  private static let parametersMax = 1 << 28

  /// The JSON of a `Sequential` that Keras 2 and Keras 3 read; equal for equal architectures.
  public static func encode(_ architecture: Architecture) -> String {
    let input = architecture.input
    var layers: [JSON] = [
      [
        "class_name": "InputLayer",
        "config": [
          "name": "input_layer", "dtype": "float32",
          "batch_input_shape": [
            nil, .integer(input.height), .integer(input.width), .integer(input.channels),
          ],
        ],
      ]
    ]
    let decays = architecture.decays
    for (name, layer) in architecture.layers {
      var config = configuration(of: layer)
      config["name"] = .string(name)
      config["trainable"] = true
      config["dtype"] = "float32"
      if let decay = decays[name] {
        config["kernel_regularizer"] = [
          "module": "keras.regularizers", "class_name": "L2", "registered_name": nil,
          "config": ["l2": .number(Double("\(decay)") ?? 0)],
        ]
      }
      layers.append(["class_name": .string(layer.kerasClass), "config": .object(config)])
    }
    let model: JSON = [
      "class_name": "Sequential",
      "config": ["name": "sequential", "layers": .array(layers)],
    ]
    return model.text
  }

  private static func configuration(of layer: Layer) -> [String: JSON] {
    func pair(_ height: Int, _ width: Int) -> JSON { [.integer(height), .integer(width)] }
    switch layer {
    case .convolution(let convolution):
      return [
        "filters": .integer(convolution.filters),
        "kernel_size": pair(convolution.kernel.height, convolution.kernel.width),
        "strides": pair(convolution.strides.height, convolution.strides.width),
        "padding": .string(convolution.padding.rawValue),
        "activation": .string(convolution.activation.rawValue),
        "data_format": "channels_last", "dilation_rate": [1, 1], "use_bias": true,
      ]
    case .maxPooling(let size):
      return [
        "pool_size": pair(size, size), "strides": pair(size, size), "padding": "valid",
        "data_format": "channels_last",
      ]
    case .flatten:
      return ["data_format": "channels_last"]
    case .dropout(let rate):
      return ["rate": .number(Double("\(rate)") ?? 0), "seed": nil, "noise_shape": nil]
    case .dense(let units, let activation):
      return [
        "units": .integer(units), "activation": .string(activation.rawValue), "use_bias": true,
      ]
    }
  }

  /// The layers of a model whose weights are given, or drawn by Dogsled.
  /// - Throws: as `read`.
  public static func decode(_ json: String) throws -> Architecture { try read(json).architecture }

  /// Reads what Keras 2 and Keras 3 write for a `Sequential` of `Conv2D`, `MaxPooling2D`,
  /// `Flatten`, `Dropout` and `Dense`.
  /// - Parameter training: the text of an .h5 file's `training_config`.
  /// - Throws: `KerasConfigurationError` naming a layer and an argument that
  ///   Dogsled does not have or know.
  public static func read(_ json: String, training: String? = nil) throws -> KerasModel {
    let model = try JSON(parsing: json, as: "the model's configuration")
    let kind = model["class_name"]?.string ?? "something unknown"
    guard kind == "Sequential", let config = model["config"] else {
      throw KerasConfigurationError(
        "the model is \(kind.prefix(40)): only Keras's Sequential can be read")
    }
    // Before Keras 2.2.3 the configuration was the bare list of layers.
    guard let entries = config.array ?? config["layers"]?.array else {
      throw KerasConfigurationError("the model's configuration has no list of layers")
    }
    var check = KerasArgumentCheck()
    try check.check(model, of: "the model", against: KerasArgument.model)
    if config.object != nil {
      try check.check(config, of: "the model", against: KerasArgument.sequential)
    }
    var reader = KerasLayersReader()
    for entry in entries { try reader.add(entry, &check) }
    let built = [config["build_input_shape"], model["build_config"]?["input_shape"]]
    let architecture = try reader.architecture(built: built.compactMap(\.self))
    let parameters = architecture.parameters.parameterCount
    guard parameters <= parametersMax else {
      throw KerasConfigurationError(
        "the model has \(parameters) parameters: Dogsled trains at most \(parametersMax)")
    }
    // An attribute of HDF5 has at most 64 KiB; the list of names takes less.
    guard encode(architecture).utf8.count <= 64_000 else {
      throw KerasConfigurationError(
        "the model has \(architecture.layers.count) layers: more than an .h5 file can describe")
    }
    var optimizer: (any Optimizer)?
    let loss = type(of: architecture.loss)
    if let compiled = model["compile_config"] {
      optimizer = try check.compiled(compiled, "compile_config", loss: loss)
    }
    if let training {
      optimizer = try check.compiled(
        try JSON(parsing: training, as: "training_config"), "training_config", loss: loss)
    }
    return KerasModel(
      architecture: architecture, untaken: check.untaken, optimizer: optimizer,
      labelSmoothing: check.labelSmoothing)
  }
}

extension Layer {
  /// The name of Keras's class.
  public var kerasClass: String {
    switch self {
    case .convolution: "Conv2D"
    case .maxPooling: "MaxPooling2D"
    case .flatten: "Flatten"
    case .dropout: "Dropout"
    case .dense: "Dense"
    }
  }
}
