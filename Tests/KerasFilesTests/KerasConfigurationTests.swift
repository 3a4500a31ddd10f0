import Engine
import KerasFiles
import TestSupport
import Testing

@Suite("Keras's JSON of a model")
struct KerasConfigurationTests {
  @Test("what we write is what we read")
  func roundTrip() throws {
    var wide = Convolution(filters: 7, size: 5, stride: 2, padding: .same, activation: .linear)
    wide.kernel = (5, 3)
    let own = try Architecture(
      input: Shape(height: 40, width: 30, channels: 3),
      layers: [
        ("first \"one\"", .convolution(wide)), (nil, .maxPooling(size: 3)), (nil, .flatten),
        (nil, .dense(units: 9, activation: .relu)),
        ("last", .dense(units: 1, activation: .sigmoid)),
      ])
    for architecture in [own, try .book()] {
      #expect(
        try KerasConfiguration.decode(KerasConfiguration.encode(architecture)) == architecture)
    }
  }

  @Test("names that HDF5 cannot hold are refused", arguments: ["", ".", "a/b", "a\u{0}b", "a\nb"])
  func names(_ name: String) throws {
    let model = try KerasConfiguration.encode(
      Architecture(
        input: Shape(height: 4, width: 4, channels: 3),
        layers: [(nil, .flatten), (name, .dense(units: 1, activation: .sigmoid))]))
    let error = #expect(throws: KerasConfigurationError.self) {
      _ = try KerasConfiguration.decode(model)
    }
    #expect(error?.description.contains("a layer is called") == true)
  }

  @Test("a model of many layers comes back; too many are refused before they are built")
  func manyLayers() throws {
    var layers: [(String?, any Layer)] = Array(
      repeating: (nil, .dense(units: 1, activation: .relu)), count: 998)
    layers.insert((nil, .flatten), at: 0)
    layers.append((nil, .dense(units: 1, activation: .sigmoid)))
    let model = try Architecture(input: Shape(height: 4, width: 4, channels: 3), layers: layers)
    let json = KerasConfiguration.encode(model)
    #expect(try KerasConfiguration.decode(json) == model)
    let folder = try TemporaryFolder()
    for form in [ExportForm.h5, .keras] {
      let path = folder.file("model" + form.ending)
      try ModelFile(
        architecture: model, state: ModelState(weights: ParameterBuffer(model.parameters))
      ).export(to: path, as: form)
      #expect(try ModelFile(reading: path).architecture == model)
    }
    let start = #"{"class_name": "Sequential", "config": {"layers": ["#
    let error = #expect(throws: KerasConfigurationError.self) {
      _ = try KerasConfiguration.decode(
        start + [String](repeating: "{}", count: 10_001).joined(separator: ",") + "]}}")
    }
    #expect(error?.description.contains("the model has 10001 layers") == true)
  }

  @Test("Keras 3's to_json")
  func keras3() throws {
    let layer =
      #"{"module": "keras.layers", "class_name": "Conv2D", "config": {"name": "conv2d", "#
      + #""trainable": true, "dtype": {"module": "keras", "class_name": "DTypePolicy", "config": "#
      + #"{"name": "float32"}, "registered_name": null}, "filters": 4, "kernel_size": [3, 3], "#
      + #""strides": [1, 1], "padding": "valid", "data_format": "channels_last", "dilation_rate": "#
      + #"[1, 1], "groups": 1, "activation": "relu", "use_bias": true, "kernel_initializer": "#
      + #"{"module": "keras.initializers", "class_name": "GlorotUniform", "config": {"seed": "#
      + #"null}, "registered_name": null}, "kernel_regularizer": null}, "registered_name": null, "#
      + #""build_config": {"input_shape": [null, 30, 30, 3]}}"#
    let json = model(
      #"{"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": "#
        + #"[null, 30, 30, 3], "dtype": "float32", "name": "input_layer"}}, "# + layer)
    let architecture = try KerasConfiguration.decode(json)
    #expect(architecture.input == Shape(height: 30, width: 30, channels: 3))
    #expect(architecture.layers.map(\.name) == ["conv2d", "flatten", "dense"])
    #expect(architecture.layers[0].layer == .convolution(Convolution(filters: 4)))
  }

  @Test("Keras 2.2's, where the first layer has the input's shape and the layers are a bare list")
  func keras2() throws {
    let layers =
      #"[{"class_name": "Conv2D", "config": {"name": "conv2d_1", "trainable": true, "#
      + #""batch_input_shape": [null, 30, 32, 3], "dtype": "float32", "filters": 4, "#
      + #""kernel_size": [3, 3], "strides": [1, 1], "padding": "valid", "data_format": "#
      + #""channels_last", "dilation_rate": [1, 1], "activation": "relu", "use_bias": true}}, "#
      + #"{"class_name": "Flatten", "config": {"name": "flatten_1", "trainable": true}}, "#
      + #"{"class_name": "Dense", "config": {"name": "dense_1", "units": 1, "activation": "#
      + #""sigmoid", "use_bias": true}}]"#
    for config in [layers, #"{"name": "sequential_1", "layers": "# + layers + "}"] {
      let json = #"{"class_name": "Sequential", "config": "# + config + "}"
      let architecture = try KerasConfiguration.decode(json)
      #expect(architecture.input == Shape(height: 30, width: 32, channels: 3))
      #expect(architecture.layers.map(\.name) == ["conv2d_1", "flatten_1", "dense_1"])
    }
  }

  @Test("dropout and weight decay are written and read again")
  func regularized() throws {
    let plain = try Architecture.book(height: 80, width: 80)
    let model = try plain.addingDecay(0.001).addingDropout(0.3)
    #expect(model.layers.map(\.name).suffix(4) == ["flatten", "dropout", "dense", "dense_1"])
    #expect(model.layers[9].layer == .dropout(rate: 0.3))
    let decays = model.parameters.tensors.filter { $0.rule.decay > 0 }.map(\.rule.decay)
    #expect(decays == Array(repeating: 0.001, count: 6))
    let read = try KerasConfiguration.read(KerasConfiguration.encode(model))
    #expect(read.architecture == model && read.untaken == [])
    let other = try plain.addingDropout(0.3)
    #expect(model != plain && other != model)
    let dropout = #expect(throws: ArchitectureError.self) { try model.addingDropout(0.5) }
    #expect(dropout?.description.contains("dropout of its own, dropout") == true)
    let decay = #expect(throws: ArchitectureError.self) { try model.addingDecay(0.5) }
    #expect(decay?.description.contains("weight decay of its own, in conv2d") == true)
  }

  @Test(
    "what Dogsled does not have is refused by name",
    arguments: [
      (#"{"class_name": "Rescaling", "config": {"name": "rescaling"}}"#, "Rescaling rescaling"),
      (#"{"class_name": "LSTM", "config": {"name": "l"}}"#, "LSTM l"),
      (
        #"{"class_name": "Conv2D", "config": {"filters": 4, "kernel_size": 3, "groups": 3}}"#,
        "3 groups of 3 channels and 4 filters"
      ),
      (#"{"class_name": "Conv2D", "config": {"filters": 0, "kernel_size": 3}}"#, "filters is 0"),
      (#"{"class_name": "Conv2D", "config": {"filters": 4}}"#, "kernel_size is not given"),
      (
        #"{"class_name": "Conv2D", "config": {"filters": 4, "kernel_size": 100, "#
          + #""padding": "same", "dilation_rate": 4096}}"#,
        "numbers, which are too many"
      ),
      (
        #"{"class_name": "DepthwiseConv2D", "config": {"kernel_size": 9, "#
          + #""padding": "same", "depth_multiplier": 1048576}}"#,
        "numbers, which are too many"
      ),
      (
        #"{"class_name": "Conv2D", "config": {"filters": 4, "kernel_size": 3, "#
          + #""activation": "elu"}}"#,
        "activation is \"elu\""
      ),
      (
        #"{"class_name": "MaxPooling2D", "config": {"pool_size": [2, 2], "strides": [1, -1]}}"#,
        "strides is [1, -1]"
      ),
      (#"{"class_name": "Dense", "config": {"units": 3, "use_bias": "no"}}"#, "use_bias is \"no\""),
      (
        #"{"class_name": "Flatten", "config": {"data_format": "channels_first"}}"#, "channels_first"
      ),
      (
        #"{"class_name": "Dense", "config": {"units": 3, "dtype": "mixed_float16"}}"#,
        "mixed_float16"
      ),
    ])
  func refused(layer: String, named: String) throws {
    let error = #expect(throws: KerasConfigurationError.self) {
      try KerasConfiguration.decode(model(layer, input: [30, 30, 3]))
    }
    #expect(error?.description.contains(named) == true, "\(error?.description ?? "")")
    #expect(error?.description.contains("\n") == false)
  }

  @Test(
    "what is no model is refused",
    arguments: LongText.all([
      "", "[1, 2", "7", "{}", #"{"class_name": "Functional", "config": {}}"#,
      #"{"class_name": "Sequential", "config": {"layers": [{}]}}"#,
      #"{"class_name": "Sequential", "config": {"layers": []}}"#,
      String(repeating: "[", count: 100_000),
    ]))
  func noModel(json: LongText) {
    #expect(throws: KerasConfigurationError.self) { try KerasConfiguration.decode(json.text) }
  }

  @Test("an input of unknown size is refused")
  func unknownInput() {
    let open = #"{"class_name": "InputLayer", "config": {"batch_shape": [null, null, null, 3]}}"#
    let error = #expect(throws: KerasConfigurationError.self) {
      try KerasConfiguration.decode(model(open))
    }
    #expect(error?.description.contains("[null, null, null, 3]") == true)
  }

  /// A `Sequential` that starts with `layers`.
  private func model(_ layers: String, input: [Int]? = nil) -> String {
    let shape = input.map { "\"build_input_shape\": [null, \($0[0]), \($0[1]), \($0[2])], " } ?? ""
    return #"{"class_name": "Sequential", "config": {"name": "sequential", "# + shape
      + #""layers": ["# + layers
      + #", {"class_name": "Flatten", "config": {"name": "flatten"}}, {"class_name": "Dense", "#
      + #""config": {"name": "dense", "units": 1, "activation": "sigmoid"}}]}}"#
  }
}
