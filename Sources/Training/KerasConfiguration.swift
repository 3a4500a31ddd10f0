// A model as Keras writes it down: the JSON of a `Sequential`, in `model_config` and `to_json()`.

import Engine

/// `Architecture` from and to Keras's JSON.
public enum KerasConfiguration {
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
    for (name, layer) in architecture.layers {
      var config = configuration(of: layer)
      config["name"] = .string(name)
      config["trainable"] = true
      config["dtype"] = "float32"
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
    case .dense(let units, let activation):
      return [
        "units": .integer(units), "activation": .string(activation.rawValue), "use_bias": true,
      ]
    }
  }

  /// Reads what Keras 2 and Keras 3 write for a `Sequential` of `Conv2D`, `MaxPooling2D`,
  /// `Flatten` and `Dense`.
  /// - Throws: `ModelFileError` naming a layer or setting that Dogsled does not have.
  public static func decode(_ json: String) throws -> Architecture {
    let model = try JSON(parsing: json)
    let kind = model["class_name"]?.string ?? "something unknown"
    guard kind == "Sequential", let config = model["config"] else {
      throw ModelFileError("the model is \(kind): only Keras's Sequential can be read")
    }
    // Before Keras 2.2.3 the configuration was the bare list of layers.
    guard let entries = config.array ?? config["layers"]?.array else {
      throw ModelFileError("the model's configuration has no list of layers")
    }
    var input = config["build_input_shape"]
    var layers: [(name: String?, layer: Layer)] = []
    for entry in entries {
      guard let kind = entry["class_name"]?.string, let config = entry["config"] else {
        throw ModelFileError("the model's configuration has a layer without class or settings")
      }
      input = config["batch_shape"] ?? config["batch_input_shape"] ?? input
      if kind == "InputLayer" { continue }
      let reader = LayerReader(kind: kind, config: config)
      layers.append((try checked(config["name"]?.string), try reader.layer()))
    }
    do {
      let architecture = try Architecture(input: try shape(input), layers: layers)
      // An attribute of HDF5 has at most 64 KiB; the list of names takes less.
      guard encode(architecture).utf8.count <= 64_000 else {
        throw ModelFileError(
          "the model has \(layers.count) layers: more than an .h5 file can describe")
      }
      return architecture
    } catch let error as ArchitectureError {
      throw ModelFileError("the model cannot be built: \(error)")
    }
  }

  /// A layer's name, which becomes the name of a group in HDF5 and a line of `summary`.
  private static func checked(_ name: String?) throws -> String? {
    guard let name else { return nil }
    let isPlain = name.unicodeScalars.allSatisfy {
      $0 != "/" && $0.properties.generalCategory != .control
    }
    guard isPlain, !["", ".", ".."].contains(name), name.utf8.count <= 255 else {
      throw ModelFileError(
        "a layer is called \(String(name.prefix(40)).debugDescription): a name has 1 to 255 bytes, "
          + "no slash and no control character, and is not . or ..")
    }
    return name
  }

  private static func shape(_ json: JSON?) throws -> Shape {
    let sizes = json?.array?.dropFirst().map(\.integer)
    guard let sizes, sizes.count == 3, let height = sizes[0], let width = sizes[1],
      let channels = sizes[2]
    else {
      throw ModelFileError(
        "the model's input is \(json?.text ?? "not given"), not [null, height, width, 3]")
    }
    return Shape(height: height, width: width, channels: channels)
  }
}

extension Layer {
  /// The name of Keras's class.
  public var kerasClass: String {
    switch self {
    case .convolution: "Conv2D"
    case .maxPooling: "MaxPooling2D"
    case .flatten: "Flatten"
    case .dense: "Dense"
    }
  }
}
