import Engine
import Foundation
import KerasFiles
import Testing

/// What stands around the layers: the model's own arguments, what it is compiled with, shapes that
/// say the same in several places, and text that is no model.
@Suite("Around the layers of a model file")
struct KerasModelTests {
  private typealias Arguments = KerasArgumentTests

  @Test(
    "arguments of the model that change what is computed are refused",
    arguments: [
      (#", "backend": "theano""#, "", "backend is \"theano\""),
      (#", "module": "somebody.layers""#, "", "module is"),
      (#", "registered_name": "mine>Sequential""#, "", "registered_name is"),
      (#", "future": 1"#, "", "\"future\""),
      ("", #", "dtype": "float16""#, "dtype is"), ("", #", "future": {}"#, "\"future\""),
      ("", #", "build_input_shape": [null, 20, 25, 3]"#, "build_input_shape is [null, 20, 25, 3]"),
      ("", #", "build_input_shape": 7"#, "build_input_shape is 7"),
      (#", "build_config": {"input_shape": [null, 4]}"#, "", "build_input_shape is [null, 4]"),
    ])
  func refused(around: String, beside: String, says: String) throws {
    let error = #expect(throws: KerasConfigurationError.self) {
      try KerasConfiguration.read(Arguments.model(around: around, beside: beside))
    }
    #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
  }

  @Test(
    "what says nothing new is taken",
    arguments: [
      (#", "backend": "tensorflow", "keras_version": "2.2.4""#, ""),
      (#", "module": "keras", "registered_name": null"#, #", "trainable": true"#),
      (#", "module": "tensorflow.python.keras.engine""#, ""),
      (
        #", "build_config": {"input_shape": [null, 20, 24, 3]}"#,
        #", "build_input_shape": [20, 20, 24, 3]"#
      ),
      (
        "",
        #", "build_input_shape": {"class_name": "TensorShape", "items": [null, 20, 24, 3]}"#
      ),
      ("", #", "dtype": {"class_name": "DTypePolicy", "config": {"name": "float32"}}"#),
    ])
  func taken(around: String, beside: String) throws {
    let model = try KerasConfiguration.read(Arguments.model(around: around, beside: beside))
    #expect(model.untaken == [])
  }

  @Test("all layers of a frozen model are frozen")
  func frozen() throws {
    let model = try KerasConfiguration.read(Arguments.model(beside: #", "trainable": false"#))
    #expect(model.untaken == [])
    let frozen = model.architecture.parameters.tensors.map(\.isFrozen)
    #expect(Set(frozen) == [true])
  }

  @Test(
    "what a model is compiled with and Dogsled does not do",
    arguments: [
      (#""loss": "mse""#, "loss is \"mse\""), (#""loss": ["hinge"]"#, "loss is [\"hinge\"]"),
      (#""loss": {"dense": "mse"}"#, "loss is"),
      (
        #""loss": {"class_name": "BinaryCrossentropy", "config": {"label_smoothing": 1.0}}"#,
        "loss is"
      ),
      (
        #""loss": {"class_name": "BinaryCrossentropy", "config": {"from_logits": true}}"#, "loss is"
      ),
      (#""loss_weights": [2.0]"#, "loss_weights is"),
      (#""sample_weight_mode": "temporal""#, "sample_weight_mode is"),
      (#""optimizer": "adagrad""#, "optimizer is \"adagrad\""),
      (#""optimizer_config": {"class_name": "Nadam", "config": {}}"#, "optimizer is \"Nadam\""),
      (#""future": 1"#, "\"future\""),
    ]
      + [
        "momentum": "true", "centered": "0.9", "weight_decay": "0.004", "clipnorm": "1.0",
        "clipvalue": "0.5", "global_clipnorm": "1", "use_ema": "true", "decay": "1e-6",
        "epsilon": "1e-3", "loss_scale_factor": "8", "gradient_accumulation_steps": "4",
        "learning_rate": #"{"class_name": "ExponentialDecay", "config": {}}"#, "nesterov": "true",
      ].sorted { $0.key < $1.key }.map { name, value in
        (
          #""optimizer_config": {"class_name": "RMSprop", "config": {"\#(name)": \#(value)}}"#, name
        )
      })
  func compiled(_ training: String, says: String) throws {
    let json = Arguments.model()
    let file = try KerasConfiguration.read(json, training: "{\(training)}")
    #expect(file.untaken.count == 1)
    let error = #expect(throws: ModelFileError.self) {
      try file.checkTraining("m.h5", drawsWeights: true)
    }
    let said = error?.description ?? ""
    #expect(said.hasPrefix("m.h5: training_config") && said.contains(says), "\(said)")
    // Whoever asks for another optimizer wants none of these settings; else they stay.
    let own = file.untaken.first?.optimizer
    for asked in ["Adam", "SGD"] where own != nil && asked != own {
      try file.checkTraining("m.h5", drawsWeights: true, optimizer: asked)
    }
    #expect((own != nil) == training.contains("optimizer"), "\(training)")
    #expect(throws: ModelFileError.self) {
      try file.checkTraining("m.h5", drawsWeights: true, optimizer: own ?? "Adam")
    }
    // The same in JSON.
    let compiled = #", "compile_config": {\#(training)}"#
    let text = try KerasConfiguration.read(Arguments.model(around: compiled))
    #expect(text.untaken.map(\.argument) == file.untaken.map(\.argument))
  }

  @Test(
    "the book's loss and optimizer, as each version writes them",
    arguments: [
      #""loss": "binary_crossentropy", "metrics": ["acc"], "sample_weight_mode": null, "#
        + #""loss_weights": null, "optimizer_config": {"class_name": "RMSprop", "config": "#
        + #"{"lr": 3e-4, "rho": 0.8, "decay": 0.0, "epsilon": 1e-07}}"#,
      #""loss": {"class_name": "BinaryCrossentropy", "config": {"name": "b", "reduction": "#
        + #""sum_over_batch_size", "from_logits": false, "label_smoothing": 0.0, "axis": -1}}, "#
        + #""run_eagerly": false, "steps_per_execution": 1, "jit_compile": false, "#
        + #""optimizer": {"module": "keras.optimizers", "class_name": "RMSprop", "config": "#
        + #"{"name": "rm_sprop", "learning_rate": 3e-4, "weight_decay": null, "use_ema": false, "#
        + #""ema_momentum": 0.99, "rho": 0.8, "momentum": 0.0, "epsilon": 1e-07, "#
        + #""centered": false}, "registered_name": null}"#,
      #""loss": {"dense": "binary_crossentropy"}, "optimizer_config": {"class_name": "#
        + #""Custom>RMSprop", "config": {"learning_rate": 3e-4, "rho": 0.8, "epsilon": null, "#
        + #""is_legacy_optimizer": false, "jit_compile": true}}"#,
    ])
  func book(_ training: String) throws {
    let model = try KerasConfiguration.read(Arguments.model(), training: "{\(training)}")
    #expect(model.untaken == [])
    #expect(model.optimizer as? RMSprop == RMSprop(learningRate: 3e-4, rho: 0.8))
    try model.checkTraining("m.h5", drawsWeights: true)
  }

  @Test(
    "the loss must be that of the last layer",
    arguments: [
      (#""categorical_crossentropy""#, true), (#""sparse_categorical_crossentropy""#, true),
      (
        #"{"class_name": "SparseCategoricalCrossentropy", "config": {"from_logits": false, "#
          + #""ignore_class": null, "reduction": "sum_over_batch_size"}}"#, true
      ),
      (#"{"class_name": "SparseCategoricalCrossentropy", "config": {"ignore_class": 2}}"#, false),
      (#"{"class_name": "CategoricalCrossentropy", "config": {"from_logits": true}}"#, false),
      (#""binary_crossentropy""#, false), (#""bce""#, false),
    ])
  func lossOfManyClasses(_ loss: String, isOwn: Bool) throws {
    let (one, more) = (
      #""activation": "sigmoid", "dtype": "float32", "name": "last", "trainable": true, "#
        + #""units": 1"#,
      #""activation": "softmax", "name": "last", "units": 3"#
    )
    let softmax = Arguments.model().replacing(one, with: more)
    let model = try KerasConfiguration.read(softmax, training: #"{"loss": \#(loss)}"#)
    #expect(model.architecture.loss.classes == 3)
    #expect(model.untaken.map(\.argument) == (isOwn ? [] : ["loss"]))
    // What the sigmoid's loss is, a softmax's is not.
    let two = try KerasConfiguration.read(Arguments.model(), training: #"{"loss": \#(loss)}"#)
    #expect(two.untaken.isEmpty == [#""binary_crossentropy""#, #""bce""#].contains(loss))
  }

  @Test(
    "a broken training_config is named",
    arguments: [
      (#"{"loss": "#, "training_config is no JSON"), ("[1]", "training_config is [1]"),
      (
        #"{"optimizer_config": {"class_name": "RMSprop", "config": [1]}}"#,
        "training_config: RMSprop is [1]"
      ),
    ])
  func brokenTraining(_ training: String, says: String) {
    let error = #expect(throws: KerasConfigurationError.self) {
      try KerasConfiguration.read(Arguments.model(), training: training)
    }
    #expect(error?.description.hasPrefix(says) == true, "\(error?.description ?? "")")
  }

  @Test(
    "one input layer, first",
    arguments: [
      (#"{"class_name": "Flatten", "config": {"name": "f"}}"#, 0, "input_2"),
      (#"{"class_name": "InputLayer", "config": {"batch_shape": [null, 8, 8, 3]}}"#, 0, "input_2"),
      (#"{"class_name": "InputLayer", "config": {"name": "empty"}}"#, 0, "input_2"),
    ])
  func inputLayers(_ before: String, _ unused: Int, _ named: String) throws {
    let json =
      #"{"class_name": "Sequential", "config": {"layers": [\#(before), {"class_name": "#
      + #""InputLayer", "config": {"name": "input_2", "batch_shape": [null, 8, 8, 3]}}, "#
      + #"{"class_name": "Dense", "config": {"units": 1, "activation": "sigmoid"}}]}}"#
    let error = #expect(throws: KerasConfigurationError.self) { try KerasConfiguration.read(json) }
    let said = error?.description ?? ""
    #expect(said.contains("layer InputLayer \(named)"), "\(said)")
  }

  @Test("a layer's build_config that contradicts is refused with the layer's name")
  func builds() throws {
    let dense = #"{"class_name": "Dense", "config": {"activation": "linear""#
    let json = Arguments.model()
    #expect(json.contains(dense))
    for (shape, isRight) in [("[null, 594]", true), ("[7, null]", true), ("[null, 70]", false)] {
      let built = json.replacingOccurrences(
        of: dense,
        with: #"{"class_name": "Dense", "build_config": {"input_shape": \#(shape)}, "#
          + #""config": {"activation": "linear""#)
      if isRight {
        #expect(try KerasConfiguration.read(built).untaken == [])
      } else {
        let error = #expect(throws: KerasConfigurationError.self) {
          try KerasConfiguration.read(built)
        }
        #expect(error?.description.contains("layer Dense dense: build_config") == true)
      }
    }
  }

  @Test("two layers of one name are named")
  func twins() {
    let json = Arguments.model().replacingOccurrences(of: #""last""#, with: #""dense""#)
    let error = #expect(throws: KerasConfigurationError.self) { try KerasConfiguration.read(json) }
    #expect(error?.description.contains("the same name, dense") == true)
  }

  @Test(
    "hostile text is one clear line",
    arguments: LongText.all([
      String(repeating: "[", count: 100_000), String(repeating: #"{"a":"#, count: 100_000),
      String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000),
      #"{"class_name": "Sequential", "class_name": "Sequential", "config": {"layers": []}}"#,
      #"{"class_name": "Sequential", "config": {"layers": [], "l\u0061yers": []}}"#,
      #"{"a": 1e400}"#, #"{"a": -1e999}"#, #"{"a": NaN}"#, #"{"a": 01}"#, #"{"a": 1.}"#,
      #"{"a": -}"#,
      #"{"a": .5}"#, #"{"a": "\ud800"}"#, #"{"a": "\uZZZZ"}"#, #"{"a": "\x"}"#, "{\"a\": \"\n\"}",
      #"{"a""#, #"{"a": 1,}"#, "[1,]", "[1 2]", "{1: 2}", "nul", "\"", "\"\\", "\u{FEFF}{}",
      "{} {}",
      "", " ", "\0",
      "[" + String(repeating: "0,", count: 9 << 20) + "0]",
    ]))
  func hostile(_ json: LongText) {
    let error = #expect(throws: KerasConfigurationError.self) {
      try KerasConfiguration.read(json.text)
    }
    let said = error?.description ?? ""
    #expect(said.hasPrefix("the model's configuration") && !said.contains("\n"), "\(said)")
    #expect(said.utf8.count < 300)
  }

  @Test("texts, numbers and escapes come back as they are")
  func values() throws {
    let json =
      #" {"a": [true, false, null, 0, -0, 12, -7.25e-1, 9223372036854775807], "\u00e9\n\"": "#
      + #""\ud83d\ude00/\/\\\b\f\r\t", "o": {}, "n": 1e2, "e": []} "#
    #expect(
      try JSON(parsing: json, as: "it") == [
        "a": [true, false, nil, 0, 0, 12, -0.725, 9_223_372_036_854_775_807],
        "é\n\"": "😀//\\\u{8}\u{C}\r\t", "o": [:], "n": 100.0, "e": [],
      ])
  }

  @Test("more parameters than can be sent and read are refused, up to 2^40 of them")
  func parameters() throws {
    let input =
      #"{"class_name": "InputLayer", "config": {"batch_shape": [null, 64, 64, 3]}}, "#
      + #"{"class_name": "Flatten", "config": {}}"#
    let dense = #", {"class_name": "Dense", "config": {"units": 16000}}"#
    for count in [2, 4300] {
      let json =
        #"{"class_name": "Sequential", "config": {"layers": [\#(input)"#
        + String(repeating: dense, count: count)
        + #", {"class_name": "Dense", "config": {"units": 1, "activation": "sigmoid"}}]}}"#
      let error = #expect(throws: KerasConfigurationError.self) {
        try KerasConfiguration.read(json)
      }
      #expect(error?.description.contains("parameters: Dogsled trains at most") == true)
    }
  }

  @Test(
    "sizes that no memory holds are refused by arithmetic that cannot overflow",
    arguments: [
      ("units", "1048576"), ("filters", "1048576"), ("kernel_size", "[4096, 4096]"),
    ])
  func enormous(_ argument: String, _ value: String) throws {
    let row =
      argument == "units"
      ? Arguments.Row("Dense", "units", value) : Arguments.Row("Conv2D", argument, value)
    let json = Arguments.model(row).replacingOccurrences(
      of: "[null, 20, 24, 3]", with: "[null, 4096, 4096, 3]")
    #expect(throws: KerasConfigurationError.self) { try KerasConfiguration.read(json) }
  }
}
