import Engine
import KerasFiles
import Testing

/// Every argument of every layer's class with another value than Keras's default: what the reader's
/// table says becomes of it is what becomes of it.
@Suite struct KerasLayerTests {
  /// Another value than the default of each argument, whatever the class.
  private static let others: [String: String] = [
    "name": #""other""#, "trainable": "false", "dtype": #""float16""#, "dynamic": "true",
    "batch_shape": "[null, 7, 7, 3]", "batch_input_shape": "[null, 7, 7, 3]",
    "sparse": "true", "ragged": "true", "optional": "true", "filters": "5", "units": "9",
    "kernel_size": "[2, 1]", "strides": "[2, 1]", "padding": #""same""#,
    "dilation_rate": "[2, 2]", "groups": "2", "data_format": #""channels_first""#,
    "depth_multiplier": "2", "activation": #""tanh""#, "use_bias": "false", "rate": "0.5",
    "seed": "7", "noise_shape": "[null, 1]", "pool_size": "[3, 2]", "keepdims": "true",
    "axis": "2", "momentum": "0.5", "epsilon": "0.1", "center": "false", "scale": "false",
    "synchronized": "true", "renorm": "true", "renorm_clipping": #"{"rmax": 1}"#,
    "renorm_momentum": "0.5", "virtual_batch_size": "4", "fused": "false",
    "adjustment": #""some""#, "max_value": "3.0", "negative_slope": "0.5", "threshold": "0.25",
    "alpha": "0.75", "offset": "0.5", "mean": "0.5", "variance": "2.0", "invert": "true",
    "input_mean": "0.5", "input_variance": "2.0", "padding ZeroPadding2D": "2",
    "cropping": "[[1, 0], [0, 2]]", "size": "[3, 2]", "interpolation": #""bilinear""#,
    "target_shape": "[2, 3, -1]", "rms_scaling": "true", "stddev": "0.5",
    "scale Rescaling": "[0.5]", "lora_rank": "4", "lora_alpha": "4",
    "mode": #""vertical""#, "rng_type": #""stateless""#, "factor": "[-0.25, 0.125]",
    "factor RandomContrast": "[0.25, 0.5]",
    "height_factor": "[-0.25, 0.125]",
    "width_factor": "[-0.125, 0.25]", "value_range": "[0, 1]", "fill_mode": #""nearest""#,
    "fill_value": "3.0", "interpolation RandomRotation": #""nearest""#,
    "interpolation RandomTranslation": #""nearest""#, "interpolation RandomZoom": #""nearest""#,
    "quantization_config": #"{"mode": "int8"}"#, "quantization_mode": #""int8""#,
  ]

  /// The same for what the names of many arguments end in.
  private static let endings = [
    "_initializer": #"{"class_name": "Orthogonal", "config": {"gain": 1.0, "seed": null}}"#,
    "_regularizer": #"{"class_name": "L1", "config": {"l1": 0.01}}"#,
    "_constraint": #"{"class_name": "NonNeg", "config": {}}"#,
  ]

  private static func other(_ argument: String, of kind: String) -> String? {
    others["\(argument) \(kind)"] ?? others[argument]
      ?? endings.first { argument.hasSuffix($0.key) }?.value
  }

  /// The arguments that a layer cannot do without.
  private static let needed: [String: [String: String]] = [
    "Conv2D": ["filters": "4", "kernel_size": "[3, 3]"], "Dense": ["units": "4"],
    "DepthwiseConv2D": ["kernel_size": "[3, 3]"],
    "SeparableConv2D": ["filters": "4", "kernel_size": "[3, 3]"],
    "MaxPooling2D": ["pool_size": "[2, 2]"], "AveragePooling2D": ["pool_size": "[2, 2]"],
    "Dropout": ["rate": "0.25"], "SpatialDropout2D": ["rate": "0.25"],
    "GaussianNoise": ["stddev": "0.25"], "Rescaling": ["scale": "2.0"],
    "Reshape": ["target_shape": "[-1]"], "RandomRotation": ["factor": "[-0.125, 0.125]"],
    "RandomTranslation": ["height_factor": "0.25", "width_factor": "0.25"],
    "RandomZoom": ["height_factor": "0.25"], "RandomBrightness": ["factor": "0.25"],
    "RandomContrast": ["factor": "[0, 0.25]"],
  ]

  /// A graph of two convolutions, the layer on both where it takes several, or on the second, and a
  /// head.
  private static func model(_ kind: String, _ arguments: [String: String] = [:]) -> String {
    var merged = needed[kind, default: [:]].merging(arguments) { $1 }
    let name = merged["name"] ?? #""layer""#
    merged["name"] = name
    let isMerging = ["Add", "Multiply", "Average", "Concatenate"].contains(kind)
    let isFlat = kind == "Dense"
    var layers = [
      entry("InputLayer", ["name": #""input""#, "batch_shape": "[null, 12, 12, 3]"], []),
      entry("Conv2D", ["name": #""a""#, "filters": "6", "kernel_size": "1"], [#""input""#]),
      entry("Conv2D", ["name": #""b""#, "filters": "6", "kernel_size": "1"], [#""a""#]),
    ]
    if isFlat { layers.append(entry("Flatten", ["name": #""flat""#], [#""b""#])) }
    layers.append(
      entry(kind, merged, isMerging ? [#""a""#, #""b""#] : [isFlat ? #""flat""# : #""b""#]))
    layers.append(entry("Flatten", ["name": #""last""#], [name]))
    layers.append(
      entry(
        "Dense", ["name": #""head""#, "units": "1", "activation": #""sigmoid""#], [#""last""#]))
    return #"{"class_name": "Functional", "config": {"name": "m", "layers": ["#
      + layers.joined(separator: ", ") + #"], "input_layers": [["input", 0, 0]], "#
      + #""output_layers": [["head", 0, 0]]}}"#
  }

  private static func entry(
    _ kind: String, _ arguments: [String: String], _ inputs: [String]
  ) -> String {
    let config = arguments.sorted { $0.key < $1.key }.map { #""\#($0.key)": \#($0.value)"# }
    let reads = inputs.map { "[\($0), 0, 0, {}]" }.joined(separator: ", ")
    return #"{"class_name": "\#(kind)", "name": \#(arguments["name"] ?? "null"), "config": {"#
      + config.joined(separator: ", ")
      + #"}, "inbound_nodes": [\#(inputs.isEmpty ? "" : "[\(reads)]")]}"#
  }

  private static let kinds = KerasArgument.layers.keys.filter { $0 != "InputLayer" }.sorted()

  @Test(arguments: kinds)
  func `What the table says of an argument is what becomes of it`(_ kind: String) throws {
    let plain = try KerasConfiguration.read(Self.model(kind))
    #expect(plain.untaken == [])
    #expect(
      try KerasConfiguration.decode(KerasConfiguration.encode(plain.architecture))
        == plain.architecture)
    for (argument, entry) in KerasArgument.layers[kind, default: [:]] {
      let value = try #require(Self.other(argument, of: kind), "no other value of \(argument)")
      let text = Self.model(kind, [argument: value])
      do {
        let read = try KerasConfiguration.read(text)
        switch entry.role {
        case .computed:
          #expect(read.architecture != plain.architecture, "\(kind) \(argument) is dropped")
          #expect(read.untaken == [])
          let again = try KerasConfiguration.decode(KerasConfiguration.encode(read.architecture))
          #expect(again == read.architecture, "\(kind) \(argument) is not written")
        case .refused: Issue.record("\(kind) \(argument) is taken")
        case .refusedInTraining:
          #expect(read.untaken.map(\.argument) == [argument], "\(kind) \(argument)")
        case .harmless:
          #expect(read.architecture == plain.architecture && read.untaken == [])
        }
      } catch let error as KerasConfigurationError {
        #expect(entry.role == .refused || entry.role == .computed, "\(kind) \(error)")
        #expect(error.description.contains("layer \(kind) layer"), "\(error)")
        #expect(error.description.contains(argument), "\(error)")
      }
    }
  }

  @Test(arguments: [
    (#"[["b", 0, 0, {}]], [["a", 0, 0, {}]]"#, "used 2 times"),
    (#"[["b", 0, 1, {}]]"#, "one output"), (#"[["b", 1, 0, {}]]"#, "used once and"),
    (#"[["b", 0, 0, {"training": false}]]"#, "training = false"),
    (#"[["c", 0, 0, {}]]"#, "reads c, which is none"), (#""#, "reads nothing"),
    (#"[["layer", 0, 0, {}]]"#, "in a circle"), (#"[["last", 0, 0, {}]]"#, "in a circle"),
    (#"[["b", 0, 0, {}], ["a", 0, 0, {}]]"#, "2 inputs"), (#"[[1, 2, 3]]"#, "one output"),
    (#"{"args": [3], "kwargs": {}}"#, "which is no layer"), (#"7"#, "inbound_nodes is 7"),
  ])
  func `A graph that is none is refused by name`(_ nodes: String, _ words: String) {
    let text = Self.model("ReLU").replacing(
      #""name": "layer"}, "inbound_nodes": [[["b", 0, 0, {}]]]"#,
      with: #""name": "layer"}, "inbound_nodes": [\#(nodes)]"#)
    #expect(text != Self.model("ReLU"))
    let error = #expect(throws: KerasConfigurationError.self) {
      try KerasConfiguration.decode(text)
    }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    #expect(error?.description.contains("\n") == false)
  }

  @Test func `Names used twice, unknown ends and layers that lead nowhere are refused`() {
    let plain = Self.model("Add")
    for (from, to, words) in [
      (#""name": "b""#, #""name": "a""#, "the same name, a"),
      (#""output_layers": [["head""#, #""output_layers": [["b""#, "does not reach"),
      (#""output_layers": [["head""#, #""output_layers": [["z""#, "none of its layers"),
      (#""input_layers": [["input""#, #""input_layers": [["a""#, "input layer is called input"),
      (#"[["head", 0, 0]]"#, #"[["head", 0, 0], ["b", 0, 0]]"#, "models with one"),
    ] {
      let text = plain.replacing(from, with: to)
      #expect(text != plain)
      let error = #expect(throws: KerasConfigurationError.self) {
        try KerasConfiguration.decode(text)
      }
      #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }
  }
}
