import Engine
import Foundation
import Pictures
import Testing
import Training

/// The verbs that take a trained model: summary, digest, evaluate, predict.
@Suite struct ModelCommandTests {
  let folder: TemporaryFolder
  let model: ModelFile

  /// A folder with model.h5 and, under data, five dark cats and four bright dogs.
  ///
  /// The model is one dense layer whose equal weights tell dark from bright.
  init() throws {
    folder = try TemporaryFolder()
    let architecture = try Architecture(
      input: Shape(height: 8, width: 6, channels: 3),
      layers: [(nil, .flatten), (nil, .dense(units: 1, activation: .sigmoid))])
    let weights = ParameterBuffer(architecture.parameters)
    weights[weights.layout.tensors[0]].update(repeating: 0.1)
    weights[weights.layout.tensors[1]].update(repeating: -7.2)
    model = ModelFile(
      architecture: architecture, weights: weights, classes: ["cats", "dogs"],
      pictures: PictureSettings(interpolation: .bilinear))
    try model.write(to: folder.path + "/model.h5")
    for index in 0..<5 { try writePicture("data/cats/\(index).jpg", brightness: 20) }
    for index in 0..<4 { try writePicture("data/dogs/\(index).jpg", brightness: 230) }
  }

  private func writePicture(_ name: String, brightness: UInt8) throws {
    let picture = try DecodedPicture(height: 30, width: 40) { $0.update(repeating: brightness) }
    try folder.write(Data(try JPEG.encode(picture, quality: 90)), to: name)
  }

  @Test func summaryIsTheBooksTable() throws {
    let lines = try Command("summary", in: folder).lines
    #expect(
      lines[3].split(separator: " ") == [
        "conv2d", "(Conv2D)", "(None,", "148,", "148,", "32)", "896",
      ])
    #expect(lines.contains("Total params: 3,453,121"))
    #expect(lines.contains("Non-trainable params: 0"))
    let own = try Command("summary", "--model", "model.h5", in: folder)
    #expect(own.output.contains("dense (Dense)                (None, 1)                 145"))
    try folder.write(Data(KerasConfiguration.encode(model.architecture).utf8), to: "model.json")
    #expect(try Command("summary", "--model", "model.json", in: folder).output == own.output)
    let small = try Command("summary", "--input-size", "64x80", in: folder)
    #expect(small.output.contains("(None, 62, 78, 32)"))
  }

  @Test func digestIsThatOfTheWeights() throws {
    let digest = try Command("digest", "model.h5", in: folder)
    #expect(digest.lines == [model.weights.digest.description])
    #expect(digest.status == 0)
  }

  @Test func evaluateCountsEveryPicture() throws {
    // 144 weights of 0.1 times brightness / 255, minus 7.2.
    let (cat, dog) = (14.4 * 20 / 255 - 7.2, 14.4 * 230 / 255 - 7.2)
    let loss = (5 * log1p(exp(cat)) + 4 * log1p(exp(-dog))) / 9
    for batch in ["1", "4", "20"] {
      let words = try Command("evaluate", "model.h5", "data", "--batch-size", batch, in: folder)
        .output.split(separator: " ")
      #expect(abs((Double(words[1]) ?? 0) - loss) < 2e-3)
      #expect(words[3] == "1.000000")
      #expect(words[5] == "9\n")
    }
  }

  @Test func evaluateNamesEveryBadPicture() throws {
    try folder.write(Data("no picture".utf8), to: "data/cats/bad.jpg")
    try folder.write(Data(), to: "data/dogs/empty.jpg")
    let refused = try Command("evaluate", "model.h5", "data", in: folder)
    #expect(refused.status == 1)
    #expect(refused.output.isEmpty)
    #expect(refused.errors.contains("data/cats/bad.jpg: "))
    #expect(refused.errors.contains("data/dogs/empty.jpg: "))
    let skipped = try Command("evaluate", "model.h5", "data", "--skip-unreadable", in: folder)
    #expect(skipped.status == 0)
    #expect(skipped.output.hasSuffix("pictures 9\n"))
    #expect(skipped.errors.contains("left out 2 pictures"))
  }

  @Test func predictPrintsGoodFilesAndNamesBadOnes() throws {
    try folder.write(Data("no picture".utf8), to: "bad.jpg")
    let result = try Command(
      "predict", "model.h5", "data/dogs/0.jpg", "bad.jpg", "data/cats/0.jpg", "none.jpg",
      "--batch-size", "2", in: folder)
    #expect(result.status == 1)
    let rows = result.lines.map { $0.split(separator: "\t") }
    #expect(rows.map { $0[0] } == ["data/dogs/0.jpg", "data/cats/0.jpg"])
    #expect(rows.map { $0[1] } == ["dogs", "cats"])
    let dog = 1 / (1 + exp(-(14.4 * 230 / 255 - 7.2)))
    #expect(abs((Double(rows[0][2]) ?? 0) - dog) < 1e-3)
    #expect(result.errorLines[0].hasPrefix("bad.jpg: "))
    #expect(result.errorLines[1].hasPrefix("none.jpg: "))
    #expect(result.errorLines.last?.contains("2 of 4 files could not be read") == true)
  }

  /// Layers of Keras's that are frozen are so counted, and not trained without a word.
  @Test func frozenLayersAreCountedAndNotTrained() throws {
    let json = KerasConfiguration.encode(model.architecture).replacingOccurrences(
      of: #""trainable": true, "units": 1"#, with: #""trainable": false, "units": 1"#)
    try folder.write(Data(json.utf8), to: "frozen.json")
    let summary = try Command("summary", "--model", "frozen.json", in: folder)
    #expect(summary.lines.contains("Trainable params: 0"))
    #expect(summary.lines.contains("Non-trainable params: 145"))
    let run = try Command("train", "data", "--model", "frozen.json", in: folder)
    #expect(run.status == 1)
    #expect(run.errorLines.count == 1)
    #expect(run.errors.contains("frozen.json: layer Dense dense: trainable is false"))
  }

  /// A model that was compiled with another step size than the default's.
  @Test func aCompiledModelsStepSizeHasToBeChosen() throws {
    var compiled = model
    compiled.optimizer.learningRate = 3e-4
    try compiled.write(to: folder.path + "/compiled.h5")
    let refused = try Command("train", "data", "--model", "compiled.h5", in: folder)
    #expect(refused.status == 1)
    #expect(refused.errorLines.count == 1)
    #expect(refused.errors.contains("say --learning-rate 0.0003 or --learning-rate 0.0001"))
    // Now something else is missing: the folder of training pictures.
    let chosen = try Command(
      "train", "data", "--model", "compiled.h5", "--learning-rate", "3e-4", in: folder)
    #expect(chosen.errors.contains("train"))
    #expect(!chosen.errors.contains("learning-rate"))
  }

  @Test func predictWithoutClassNames() throws {
    var nameless = model
    nameless.classes = nil
    try nameless.write(to: folder.path + "/nameless.h5")
    let result = try Command("predict", "nameless.h5", "data/cats/0.jpg", in: folder)
    #expect(result.lines[0].split(separator: "\t")[1] == "class 0")
  }

  @Test(
    "wrong use is one clear line and the right exit status",
    arguments: [
      (["digest", "none.h5"], "none.h5: No such file or directory", 1),
      (["digest", "data"], "data: not a file", 1),
      (["digest", "data/cats/0.jpg"], "data/cats/0.jpg: not a model file", 1),
      (["evaluate", "model.h5", "none"], "none: no such folder", 1),
      (["evaluate", "model.h5", "data/cats"], "data/cats: 0 classes", 1),
      (["predict", "none.h5", "data/cats/0.jpg"], "none.h5: No such file", 1),
      (["summary", "--model", "none.json"], "none.json: No such file", 1),
      (["plot", "none"], "none: No such file", 1),
      (["evaluate", "--batch-size", "0", "model.h5", "data"], "--batch-size must be", 2),
      (["predict", "model.h5"], "Missing expected argument", 2),
      (["summary", "--input-size", "8"], "--input-size", 2),
      (["digest", "--fast", "model.h5"], "--fast", 2),
    ] as [([String], String, Int32)])
  func wrongUse(arguments: [String], says: String, status: Int32) throws {
    let result = try Command(arguments, in: folder)
    #expect(result.status == status)
    #expect(result.output.isEmpty)
    #expect(result.errorLines.count == 1, "\(result.errors)")
    #expect(result.errors.contains(says), "\(result.errors)")
  }
}
