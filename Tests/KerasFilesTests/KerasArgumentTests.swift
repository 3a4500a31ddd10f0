import Engine
import KerasFiles
import Testing

/// Every argument of every class, with a value that is not Keras's default.
///
/// An argument that the reader knows and this table does not is a defect, and so is one
/// that Keras has and neither knows (`ParityTests`).
@Suite("Arguments of a model file")
struct KerasArgumentTests {
  /// An argument, and a value of it in JSON.
  struct Row: CustomTestStringConvertible, Sendable {
    let owner: String
    let argument: String
    let value: String
    var testDescription: String { "\(owner) \(argument) \(value)" }

    init(_ owner: String, _ argument: String, _ value: String) {
      (self.owner, self.argument, self.value) = (owner, argument, value)
    }
  }

  /// Another value gives another model.
  static let computed = [
    Row("InputLayer", "batch_shape", "[null, 24, 20, 3]"),
    Row("Conv2D", "name", #""first""#), Row("Conv2D", "filters", "5"),
    Row("Conv2D", "kernel_size", "[5, 3]"), Row("Conv2D", "kernel_size", "2"),
    Row("Conv2D", "strides", "[2, 1]"), Row("Conv2D", "padding", #""same""#),
    Row("Conv2D", "dilation_rate", "[2, 2]"), Row("Conv2D", "dilation_rate", "3"),
    Row("Conv2D", "groups", "3"), Row("Conv2D", "activation", #""relu""#),
    Row("Conv2D", "activation", #""sigmoid""#),
    Row("Conv2D", "use_bias", "false"), Row("Dense", "use_bias", "false"),
    Row("Conv2D", "trainable", "false"), Row("Dense", "trainable", "false"),
    Row("Conv2D", "activation", #"{"class_name": "function", "config": "relu"}"#),
    Row("MaxPooling2D", "name", #""pool""#), Row("MaxPooling2D", "pool_size", "3"),
    Row("MaxPooling2D", "pool_size", "[2, 3]"), Row("MaxPooling2D", "strides", "[1, 1]"),
    Row("MaxPooling2D", "padding", #""same""#),
    Row("Flatten", "name", #""flat""#), Row("Dense", "name", #""full""#),
    Row("Dense", "units", "9"), Row("Dense", "activation", #""relu""#),
    Row("Dense", "activation", #""sigmoid""#), Row("Dropout", "name", #""drop""#),
    Row("Dropout", "rate", "0.5"), Row("Conv2D", "kernel_initializer", #""he_normal""#),
    Row("Dense", "kernel_initializer", #"{"class_name": "HeUniform", "config": {"seed": null}}"#),
    Row("Dense", "kernel_initializer", #"{"class_name": "RandomUniform", "config": {}}"#),
    Row(
      "Dense", "kernel_initializer",
      #"{"class_name": "TruncatedNormal", "config": {"mean": 0.5, "stddev": 0.1, "seed": null}}"#),
    Row(
      "Conv2D", "kernel_initializer",
      #"{"class_name": "VarianceScaling", "config": {"scale": 2.0, "mode": "fan_out", "#
        + #""distribution": "truncated_normal", "seed": null}}"#),
    Row("Conv2D", "bias_initializer", #""ones""#), Row("Dense", "kernel_initializer", #""zeros""#),
    Row("Dense", "bias_initializer", #"{"class_name": "Constant", "config": {"value": 0.1}}"#),
    Row("Dense", "kernel_regularizer", #"{"class_name": "L2", "config": {"l2": 0.01}}"#),
    Row(
      "Conv2D", "kernel_regularizer",
      #"{"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}}"#),
  ]

  /// Another value is refused, whatever the model is for.
  static let refused =
    [
      Row("InputLayer", "dtype", #""uint8""#), Row("InputLayer", "sparse", "true"),
      Row("InputLayer", "ragged", "true"), Row("InputLayer", "optional", "true"),
      Row("Conv2D", "dilation_rate", "[2, 0]"), Row("Conv2D", "groups", "0"),
      Row("Conv2D", "data_format", #""channels_first""#),
      Row("Conv2D", "activation", #""elu""#),
      Row(
        "Conv2D", "activation",
        #"{"class_name": "ReLU", "config": {"max_value": 6}, "module": "keras.layers"}"#),
      Row("Conv2D", "strides", #"[1, "two"]"#), Row("Conv2D", "strides", "[1, 1, 1]"),
      Row("Conv2D", "kernel_size", #"[3, "x", 3]"#), Row("Conv2D", "padding", #""causal""#),
      Row("Conv2D", "padding", "1"), Row("Conv2D", "filters", "32.0"),
      Row("Conv2D", "filters", "99999999999999999999"), Row("Conv2D", "filters", "-1"),
      Row("MaxPooling2D", "padding", #""full""#), Row("MaxPooling2D", "strides", "[1, 0]"),
      Row("MaxPooling2D", "pool_size", "0"),
      Row("Dense", "activation", #""selu""#), Row("Dense", "units", "1e400"),
      Row("Dropout", "rate", "1"), Row("Dropout", "rate", "-0.1"), Row("Dropout", "rate", "null"),
      Row("Dropout", "batch_shape", "[null, 594]"),
      Row("Dropout", "batch_input_shape", "[null, 594]"),
      Row("Dense", "units", "9.5"), Row("Dense", "units", "true"),
      Row("Dense", "batch_input_shape", "[null, 70]"), Row("Dense", "batch_shape", "[null, 70]"),
      Row("Flatten", "batch_input_shape", "[null, 20, 24, 3]"),
      Row("MaxPooling2D", "batch_shape", "[null, 20, 24, 3]"),
      Row("MaxPooling2D", "batch_input_shape", "[null, 18, 22, 6]"),
      Row("Flatten", "batch_shape", "[null, 9, 11, 6]"),
      Row("Conv2D", "batch_input_shape", "[null, 20, 25, 3]"),
      Row("Conv2D", "batch_shape", "[null, 20, 24]"),
      Row("InputLayer", "batch_input_shape", "[null, 20, 23, 3]"),
      Row("InputLayer", "batch_shape", #"["some", 20, 24, 3]"#),
      Row("InputLayer", "batch_shape", "[0, 20, 24, 3]"),
    ]
    + ["Conv2D", "MaxPooling2D", "Flatten", "Dropout", "Dense"].flatMap { layer in
      [
        Row(layer, "dtype", #""mixed_float16""#), Row(layer, "dynamic", "true"),
        Row(
          layer, "dtype",
          #"{"class_name": "QuantizedDTypePolicy", "config": {"name": "int8_from_float32"}}"#),
        Row(layer, "some_argument", "1"), Row(layer, "other_argument", "null"),
      ]
    }
    + ["MaxPooling2D", "Flatten"].map { Row($0, "data_format", #""channels_first""#) }
    + ["Conv2D", "Dense"].flatMap { layer in
      [
        Row(layer, "use_bias", "1"),
        Row(layer, "lora_rank", "4"), Row(layer, "lora_alpha", "4"),
        Row(layer, "quantization_config", #"{"mode": "int8"}"#),
        Row(layer, "quantization_mode", #""int8""#),
      ]
    }

  /// Another value changes nothing where the weights are given, and is refused in training.
  static let refusedInTraining =
    ["Conv2D", "Dense"].flatMap { layer in
      [
        Row(layer, "kernel_initializer", #"{"class_name": "HeNormal", "config": {"seed": 3}}"#),
        Row(
          layer, "kernel_initializer", #"{"class_name": "GlorotUniform", "config": {"seed": 7}}"#),
        Row(layer, "kernel_initializer", #""orthogonal""#),
        Row(layer, "bias_initializer", #"{"class_name": "RandomNormal", "config": {"seed": 1}}"#),
        Row(layer, "kernel_constraint", #"{"class_name": "NonNeg", "config": {}}"#),
        Row(layer, "bias_constraint", #"{"class_name": "NonNeg", "config": {}}"#),
      ]
        + ["bias", "activity"].map {
          Row(layer, "\($0)_regularizer", #"{"class_name": "L2", "config": {"l2": 0.01}}"#)
        }
        + [
          #"{"class_name": "L1", "config": {"l1": 0.01}}"#, #""l2""#,
          #"{"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.01}}"#,
          #"{"class_name": "L2", "config": {"l2": -0.01}}"#, #"{"class_name": "L2", "config": {}}"#,
        ].map { Row(layer, "kernel_regularizer", $0) }
    } + [Row("Dropout", "seed", "7"), Row("Dropout", "noise_shape", "[null, 1]")]

  /// No value changes anything.
  static let harmless = [
    Row("InputLayer", "name", #""pictures""#), Row("MaxPooling2D", "trainable", "false"),
    Row("Flatten", "trainable", "false"), Row("Dropout", "trainable", "false"),
  ]

  /// Values of the same meaning as the default.
  static let same = [
    Row("Conv2D", "strides", "1"), Row("Conv2D", "kernel_size", "3"),
    Row("Conv2D", "activation", "null"), Row("Conv2D", "dilation_rate", "1"),
    Row("Conv2D", "use_bias", "null"),
    Row("Conv2D", "kernel_initializer", #""glorot_uniform""#),
    Row(
      "Conv2D", "kernel_initializer",
      #"{"class_name": "VarianceScaling", "config": {"scale": 1.0, "mode": "fan_avg", "#
        + #""distribution": "uniform", "seed": null}}"#),
    Row("Conv2D", "bias_initializer", #"{"class_name": "Zeros", "config": {}}"#),
    Row("Conv2D", "dtype", #"{"class_name": "Policy", "config": {"name": "float32"}}"#),
    Row("Conv2D", "batch_input_shape", "[null, 20, 24, 3]"),
    Row("MaxPooling2D", "strides", "null"), Row("Dense", "activity_regularizer", "null"),
    Row("InputLayer", "batch_shape", "[20, 20, 24, 3]"),
    Row("InputLayer", "batch_input_shape", "[7, 20, 24, 3]"),
  ]

  @Test("the table has every argument that the reader knows, and says what becomes of it")
  func complete() {
    // Those that are not in the model below have a test of their own.
    let layers = ["InputLayer", "Conv2D", "MaxPooling2D", "Flatten", "Dropout", "Dense"]
    for (layer, arguments) in KerasArgument.layers where layers.contains(layer) {
      for (name, argument) in arguments {
        let rows: [Row] =
          switch argument.role {
          // A first layer's shape, where it is another's, is refused.
          case .computed: Self.computed + Self.refused
          case .refused: Self.refused
          case .refusedInTraining: Self.refusedInTraining
          case .harmless: Self.harmless
          }
        #expect(
          rows.contains { $0.owner == layer && $0.argument == name },
          "\(layer) \(name): \(argument.role.rawValue)")
      }
    }
  }

  @Test("computed: another value, another model", arguments: computed)
  func anotherModel(_ row: Row) throws {
    let model = try KerasConfiguration.read(Self.model(row))
    #expect(model.architecture != (try KerasConfiguration.read(Self.model()).architecture))
    #expect(model.untaken == [])
  }

  @Test("refused, with the layer's and the argument's name", arguments: refused)
  func refusedByName(_ row: Row) throws {
    let error = #expect(throws: KerasConfigurationError.self) {
      try KerasConfiguration.decode(Self.model(row))
    }
    let said = error?.description ?? ""
    #expect(said.contains(row.value == "1e400" ? "no JSON" : "layer \(row.owner) "), "\(said)")
    #expect(row.value == "1e400" || said.contains(row.argument), "\(said)")
    #expect(!said.contains("\n") && said.utf8.count < 400)
  }

  @Test("fine with the weights given, refused in training", arguments: refusedInTraining)
  func refusedWhereTrained(_ row: Row) throws {
    let model = try KerasConfiguration.read(Self.model(row))
    #expect(model.architecture == (try KerasConfiguration.read(Self.model()).architecture))
    #expect(model.untaken.map(\.argument) == [row.argument])
    #expect(model.untaken.map(\.layer) == [row.owner.lowercased()])
    let error = #expect(throws: ModelFileError.self) {
      try model.checkTraining("m.h5", drawsWeights: true)
    }
    let said = error?.description ?? ""
    #expect(said.hasPrefix("m.h5: layer \(row.owner) \(row.owner.lowercased()): \(row.argument) "))
  }

  @Test("no value changes anything", arguments: harmless + same)
  func changesNothing(_ row: Row) throws {
    let model = try KerasConfiguration.read(Self.model(row))
    #expect(model.architecture == (try KerasConfiguration.read(Self.model()).architecture))
    #expect(model.untaken == [])
  }

  /// A model of all layers; `row` sets or replaces one argument of the first of its kind.
  static func model(_ row: Row? = nil, around: String = "", beside: String = "") -> String {
    var layers = [
      ("InputLayer", ["name": #""inputlayer""#, "batch_shape": "[null, 20, 24, 3]"]),
      (
        "Conv2D",
        [
          "name": #""conv2d""#, "filters": "6", "kernel_size": "[3, 3]", "strides": "[1, 1]",
          "padding": #""valid""#, "use_bias": "true", "activation": #""linear""#,
        ]
      ),
      ("MaxPooling2D", ["name": #""maxpooling2d""#, "pool_size": "[2, 2]", "strides": "null"]),
      ("Flatten", ["name": #""flatten""#]),
      ("Dropout", ["name": #""dropout""#, "rate": "0.25"]),
      ("Dense", ["name": #""dense""#, "units": "8", "activation": #""linear""#]),
      ("Dense", ["name": #""last""#, "units": "1", "activation": #""sigmoid""#]),
    ]
    if let row, let place = layers.firstIndex(where: { $0.0 == row.owner }) {
      layers[place].1[row.argument] = row.value
    }
    let texts = layers.map { kind, arguments in
      var arguments = arguments
      if arguments["trainable"] == nil, kind != "InputLayer" { arguments["trainable"] = "true" }
      if arguments["dtype"] == nil { arguments["dtype"] = #""float32""# }
      let pairs = arguments.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }
      return #"{"class_name": "\#(kind)", "config": {\#(pairs.joined(separator: ", "))}}"#
    }
    return #"{"class_name": "Sequential"\#(around), "config": {"name": "sequential"\#(beside), "#
      + #""layers": [\#(texts.joined(separator: ", "))]}}"#
  }
}
