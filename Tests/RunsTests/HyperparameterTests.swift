import Engine
import Foundation
import Pictures
import Primitives
import Runs
import Testing

@Suite struct HyperparameterTests {
  @Test func `Every wrong value has a line of its own`() throws {
    var wrong = Hyperparameters()
    wrong.epochs = 0
    wrong.rho = 1
    wrong.learningRate = -1
    let error = #expect(throws: HyperparameterError.self) { try wrong.validate() }
    #expect(error?.problems.count == 3)
    #expect(error?.problems.first?.contains("--epochs") == true)
  }

  @Test func `A batch larger than a set is refused`() throws {
    let book = Hyperparameters()
    try book.validate(trainingPictures: 20)
    let error = #expect(throws: HyperparameterError.self) {
      try book.validate(trainingPictures: 19)
    }
    #expect(error?.description.contains("choose at most 19") == true)
  }

  /// As version 0.1.0 wrote them before there was a table.
  private static let written = """
    {
      "batchSize" : 20,
      "batchesPerUpdate" : 4,
      "decode" : "exact",
      "epochs" : 2,
      "epsilon" : 1e-07,
      "interpolation" : "nearest",
      "learningRate" : 0.0001,
      "rho" : 0.9,
      "seed" : 7,
      "stepsPerEpoch" : 10,
      "validationSteps" : 5
    }
    """

  /// What came later, as JSON; it is written only where it is not the default.
  private static let later = [
    "rotation": "40.5", "widthShift": "0.25", "heightShift": "0.5", "shear": "0.125",
    "zoom": #""0.2""#, "brightness": #""0.5,1.5""#, "horizontalFlip": "true",
    "verticalFlip": "true", "keepAspect": "true", "fillMode": #""wrap""#, "optimizer": #""adam""#,
    "momentum": "0.5",
    "nesterov": "true", "centered": "true", "beta1": "0.5", "beta2": "0.5",
    "decoupledWeightDecay": "0.5", "schedule": #""cosine""#, "decayEpochs": "5",
    "decayFactor": "0.25", "warmUp": "1", "scaleRate": #""sqrt""#, "earlyStopping": "1",
    "best": #""accuracy""#, "dropout": "0.5", "weightDecay": "0.25",
    "labelSmoothing": "0.125", "classWeights": #""cats=2.0""#,
  ]

  private static func decoded(_ text: String) throws -> Hyperparameters {
    try JSONDecoder().decode(Hyperparameters.self, from: Data(text.utf8))
  }

  /// The text with another value for `key`.
  private static func changed(_ key: String, to value: String) -> String {
    if later[key] != nil { return written.replacing("{\n", with: "{\n  \"\(key)\" : \(value),\n") }
    return written.split(separator: "\n").map { line in
      guard line.contains("\"\(key)\"") else { return String(line) }
      return "  \"\(key)\" : \(value)" + (line.hasSuffix(",") ? "," : "")
    }.joined(separator: "\n")
  }

  @Test func `A run's description is read and written as before`() throws {
    let values = try Self.decoded(Self.written)
    #expect(values.seed == 7 && values.epsilon == 1e-7 && values.batchesPerUpdate == 4)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    #expect(String(decoding: try encoder.encode(values), as: UTF8.self) == Self.written)
    // What the checkpoints of that run name.
    var description = RunDescription(
      architecture: try .book(), hyperparameters: values,
      manifest: Manifest(classes: ["cats", "dogs"], training: [], validation: []), data: "pets")
    let digest = Data(#""2d1af1767dbc620d81875c2d54703f34""#.utf8)
    description.dataDigest = try JSONDecoder().decode(Digest.self, from: digest)
    (description.trainingPictures, description.validationPictures) = (2000, 1000)
    #expect(description.digest.description == "7e454ec2e806f70c0e11babe42ddd373")
  }

  @Test func `Every entry has a key in run.json, and every key an entry`() throws {
    let object = try JSONSerialization.jsonObject(with: Data(Self.written.utf8))
    let keys = Set(try #require(object as? [String: Any]).keys).union(Self.later.keys)
    #expect(Set(Hyperparameters.table.map(\.key)) == keys)
    #expect(Hyperparameters.table.count == keys.count)
    #expect(Set(Hyperparameters.table.map(\.name)).count == keys.count)
    for entry in Hyperparameters.table where Self.later[entry.key] == nil {
      let without = Self.written.replacing("\"\(entry.key)\"", with: "\"other\"")
      #expect(throws: DecodingError.self) { try Self.decoded(without) }
    }
  }

  @Test func `What came later is written where it is not the default, and read again`() throws {
    let book = try Self.decoded(Self.written)
    #expect(book.augmentation == Augmentation())
    #expect(book.optimizerName == OptimizerName(RMSprop.self))
    for (key, value) in Self.later {
      let one = try Self.decoded(Self.changed(key, to: value))
      let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(one))
      let keys = try #require(object as? [String: Any]).keys
      #expect(keys.contains(key) && keys.count == 12)
      #expect(
        try JSONDecoder().decode(Hyperparameters.self, from: JSONEncoder().encode(one)) == one)
      #expect(one.differences(from: book).count == 1)
      // Of another type, or null, it is not passed over.
      #expect(throws: DecodingError.self) { try Self.decoded(Self.changed(key, to: "[]")) }
      #expect(throws: DecodingError.self) { try Self.decoded(Self.changed(key, to: "null")) }
    }
  }

  @Test func `A fill mode needs something to fill`() throws {
    var values = Hyperparameters()
    values.augmentation.fillMode = .reflect
    values.augmentation.horizontalFlip = true
    let error = #expect(throws: HyperparameterError.self) { try values.validate() }
    #expect(error?.problems.count == 1)
    #expect(error?.description.contains("--fill-mode reflect fills nothing") == true)
    for change in [
      \Augmentation.rotation, \.widthShift, \.heightShift, \.shear,
    ] {
      var moved = values
      moved.augmentation[keyPath: change] = 0.5
      try moved.validate()
    }
    values.augmentation.zoom = .between(1, 1.5)
    try values.validate()
  }

  @Test func `A setting that the optimizer has not, or that changes nothing, is refused`() throws {
    func problem(
      _ name: OptimizerName?, _ change: (inout Hyperparameters) -> Void
    ) throws -> String {
      var values = Hyperparameters()
      if let name { values.choose(name) }
      change(&values)
      let error = #expect(throws: HyperparameterError.self) { try values.validate() }
      #expect(error?.problems.count == 1)
      return error?.description ?? ""
    }
    let adam = OptimizerName(Adam.self)
    #expect(
      try problem(adam) { $0.rho = 0.5 }
        == "--rho is no setting of adam: it needs --optimizer rmsprop")
    #expect(try problem(nil) { $0.beta1 = 0.5 }.hasSuffix("needs --optimizer adam or adamw"))
    #expect(try problem(adam) { $0.decoupledWeightDecay = 0 }.hasSuffix("--optimizer adamw"))
    #expect(try problem(adam) { $0.momentum = 0.9 }.hasSuffix("--optimizer rmsprop or sgd"))
    #expect(
      try problem(OptimizerName(SGD.self)) { $0.nesterov = true }
        .hasPrefix("--nesterov changes nothing without --momentum"))
    var values = Hyperparameters()
    try values.validate()
    // Given, although it is the default.
    #expect(throws: HyperparameterError.self) { try values.validate { $0 == \.beta2 } }
    for name in OptimizerName.all {
      values.choose(name)
      try values.validate()
      #expect(OptimizerName(type(of: values.optimizer)) == name)
      #expect(values.learningRate == name.rule.init().learningRate)
      #expect(values.optimizer.values.map(\.value) == name.rule.init().values.map(\.value))
    }
    values.choose(OptimizerName(SGD.self))
    (values.momentum, values.nesterov, values.learningRate) = (0.75, true, 0.5)
    try values.validate()
    let sgd = SGD(learningRate: 0.5, momentum: 0.75, nesterov: true)
    #expect(values.optimizer as? SGD == sgd)
  }

  @Test func `Class weights are what they say, of the classes that there are`() throws {
    let (classes, counts) = (["cats", "dogs"], [300, 100])
    func weights(_ text: String) throws -> [Float] {
      let weights = try #require(ClassWeights(text))
      #expect(ClassWeights(weights.description) == weights)
      return try weights.weights(classes: classes, counts: counts)
    }
    #expect(try weights("equal") == [] && weights("dogs=2.5") == [1, 2.5])
    #expect(try weights("balanced") == [400 / 600, 2])
    #expect(try weights("dogs=3,cats=0.5") == [0.5, 3])
    let error = #expect(throws: HyperparameterError.self) { try weights("dogs=1,birds=2") }
    #expect(
      error?.description
        == "--class-weights names birds, which is no class: the classes are cats, dogs")
    for text in ["", "cats", "cats=", "=2", "cats=1,", "cats=1,cats=2", "cats=x"] {
      #expect(ClassWeights(text) == nil, "\(text)")
    }
    for text in ["cats=0", "cats=-1", "cats=inf", "cats=nan"] {
      var values = Hyperparameters()
      values.classWeights = try #require(ClassWeights(text))
      #expect(throws: HyperparameterError.self) { try values.validate() }
    }
  }

  /// Either the type has no such value, or the check names it.
  @Test(arguments: Hyperparameters.table.indices)
  func `Every entry has a check`(_ index: Int) throws {
    let entry = Hyperparameters.table[index]
    guard
      let wrong = try? Self.decoded(
        Self.changed(entry.key, to: Self.isText(entry.key) ? #""-1""# : "-1"))
    else { return }
    #expect(Self.isNumber(entry.key))
    let error = #expect(throws: HyperparameterError.self) { try wrong.validate() }
    #expect(error?.problems.count == 1)
    #expect(error?.description.contains("\(entry.name) must be ") == true)
    #expect(error?.description.contains(", not -1") == true)
  }

  private static func isNumber(_ key: String) -> Bool {
    ![
      "seed", "interpolation", "decode", "horizontalFlip", "verticalFlip", "fillMode", "optimizer",
      "nesterov", "centered", "schedule", "scaleRate", "keepAspect",
    ].contains(key)
  }

  private static func isText(_ key: String) -> Bool {
    ["zoom", "brightness", "classWeights"].contains(key)
  }

  @Test(arguments: Hyperparameters.table.indices)
  func `Every entry has a difference`(_ index: Int) throws {
    let entry = Hyperparameters.table[index]
    let other =
      Self.later[entry.key]
      ?? ["interpolation": #""area""#, "decode": #""fast""#, "rho": "0.5"][entry.key] ?? "3"
    let old = try Self.decoded(Self.written)
    let new = try Self.decoded(Self.changed(entry.key, to: other))
    #expect(new != old && old.differences(from: old).isEmpty)
    let differences = new.differences(from: old)
    #expect(differences.count == 1)
    let title = entry.help == nil ? entry.name : "--\(entry.name)"
    #expect(differences.first?.hasPrefix("\(title) ") == true)
    let said = other.replacing("\"", with: "")
    #expect(differences.first?.contains("(not \(said)") == true, "\(differences)")
  }

  @Test func `Every value but epsilon is an option`() throws {
    #expect(Hyperparameters.table.filter { $0.help == nil }.map(\.name) == ["epsilon"])
    #expect(Hyperparameters.entry(\.batchSize)?.name == "batch-size")
    #expect(Hyperparameters.entry(\.batchSize)?.defaultText == "20")
  }
}
