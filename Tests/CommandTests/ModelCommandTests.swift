import Engine
import Foundation
import KerasFiles
import TestSupport
import Testing

/// The verbs that take a trained model: summary, digest, and how all of them are used wrongly.
@Suite struct ModelCommandTests {
  private let files: ModelFolder
  private var folder: TemporaryFolder { files.folder }
  private var model: ModelFile { files.model }

  init() throws { files = try ModelFolder() }

  @Test func summaryIsTheBooksTable() throws {
    let lines = try Command("summary", in: folder).lines
    #expect(
      lines[3].split(separator: " ") == [
        "conv2d", "(Conv2D)", "(None,", "148,", "148,", "32)", "896", "yes", "37.9M",
      ])
    #expect(lines.contains { $0.hasPrefix("Mult-adds of a picture in a training step: ") })
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
    #expect(digest.lines == [model.state.digest.description])
    #expect(digest.status == 0)
  }

  @Test func aRunsFolderHasAModel() throws {
    try FileManager.default.createDirectory(
      atPath: folder.path + "/run", withIntermediateDirectories: false)
    let newest = model.state.digest.description
    let none = try Command("digest", "run", in: folder)
    #expect(none.status == 1 && none.errorLines.count == 1)
    #expect(none.errors.contains("run: no model file, and no run's folder with a model"))
    // The checkpoint before, the newest, the model.
    for name in ["checkpoint-previous.h5", "checkpoint.h5", "model.h5"] {
      model.state.weights[model.state.layout.tensors[1]].update(repeating: -7)
      try model.write(to: "\(folder.path)/run/\(name)")
      let digest = try Command("digest", "run/", in: folder)
      #expect(digest.lines == [model.state.digest.description])
      #expect(digest.errorLines == ["using run/\(name)"])
      #expect(try Command("summary", "--model", "run", in: folder).errorLines.count == 1)
      for verb in ["evaluate", "predict"] {
        let result = try Command(verb, "run", "data", in: folder)
        #expect(result.status == 0 && result.errors.contains("using run/\(name)"))
      }
    }
    #expect(newest != model.state.digest.description)
    // Of the best epoch there may be another.
    var best = model
    best.best = BestEpoch(
      epoch: 7, validationLoss: 0.5, validationAccuracy: 0.75, digest: model.state.digest)
    try best.write(to: "\(folder.path)/run/best.h5")
    for verb in ["evaluate", "predict"] {
      let best = try Command(verb, "run", "data", in: folder)
      #expect(
        best.errors.contains("using run/best.h5, of epoch 7, the best (--last takes the last)"))
      let last = try Command(verb, "run", "data", "--last", in: folder)
      #expect(last.status == 0 && last.errors.contains("using run/model.h5\n"))
      let none = try Command(verb, "run/model.h5", "data", "--last", in: folder)
      #expect(none.status == 2 && none.errorLines.count == 1, "\(none.errors)")
    }
    #expect(try Command("digest", "run", in: folder).errorLines == ["using run/model.h5"])
  }

  @Test func aModelIsExportedAndReadAgain() throws {
    let digest = model.state.digest.description
    for output in ["out.keras", "out.h5"] {
      let export = try Command("export", "model.h5", output, in: folder)
      #expect(export.status == 0 && export.errors.isEmpty, "\(export.errors)")
      #expect(try Command("digest", output, in: folder).lines == [digest])
      let own = try Command("predict", "model.h5", "data", in: folder)
      #expect(try Command("predict", output, "data", in: folder).output == own.output)
    }
    try folder.write(Data(KerasConfiguration.encode(model.architecture).utf8), to: "model.json")
    #expect(try Command("export", "out.keras", "out.weights.h5", in: folder).status == 0)
    for weights in ["out.weights.h5", "out.h5", "out.keras"] {
      let read = try Command("digest", "model.json", "--weights", weights, in: folder)
      #expect(read.lines == [digest], "\(read.errors)")
    }
    let predicted = try Command(
      "predict", "model.json", "data", "--weights", "out.weights.h5", "--classes", "cats,dogs",
      in: folder)
    #expect(
      try predicted.output == Command("predict", "model.h5", "data", in: folder).output)
    let evaluated = try Command(
      "evaluate", "model.json", "data", "--weights", "out.weights.h5", "--classes", "cats,dogs",
      in: folder)
    #expect(evaluated.status == 0, "\(evaluated.errors)")
    for output in ["out.onnx", "out.safetensors"] {
      #expect(try Command("export", "model.h5", output, in: folder).status == 0)
      #expect(try folder.contents(output).count > 600)
    }
  }

  /// Layers of Keras's that are frozen are so counted; with all of them there is nothing to train.
  @Test func frozenLayersAreCounted() throws {
    let json = KerasConfiguration.encode(model.architecture).replacingOccurrences(
      of: #""trainable": true, "units": 1"#, with: #""trainable": false, "units": 1"#)
    try folder.write(Data(json.utf8), to: "frozen.json")
    let summary = try Command("summary", "--model", "frozen.json", in: folder)
    #expect(summary.lines.contains("Trainable params: 0"))
    #expect(summary.lines.contains("Non-trainable params: 145"))
    let run = try Command("train", "data", "--model", "frozen.json", in: folder)
    #expect(run.status == 1)
    #expect(run.errorLines.count == 1)
    #expect(run.errors.contains("every layer is frozen: there is nothing to train"))
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

  /// Another optimizer than the default, and a setting that is off where the model has it on.
  @Test func aCompiledModelsOptimizerHasToBeChosen() throws {
    func refusal(_ optimizer: any Optimizer, _ options: String...) throws -> String {
      var compiled = model
      compiled.optimizer = optimizer
      try compiled.write(to: folder.path + "/compiled.h5")
      let result = try Command(
        ["train", "data", "--model", "compiled.h5"] + options, in: folder)
      #expect(result.status == 1)
      #expect(result.errorLines.count == 1)
      return result.errors
    }
    let adam = Adam(learningRate: 1e-3, beta1: 0.8)
    #expect(try refusal(adam).contains("say --optimizer adam or --optimizer rmsprop"))
    #expect(try refusal(adam, "--optimizer", "adam").contains("say --beta-1 0.8 or --beta-1 0.9"))
    let nesterov = SGD(learningRate: 0.01, momentum: 0.5, nesterov: true)
    #expect(
      try refusal(nesterov, "--optimizer", "sgd", "--momentum", "0.5").contains(
        "say --nesterov or --no-nesterov"))
    for chosen in [
      try refusal(adam, "--optimizer", "adam", "--beta-1", "0.9"),
      try refusal(adam, "--optimizer", "rmsprop"),
      try refusal(nesterov, "--optimizer", "sgd", "--momentum", "0.5", "--no-nesterov"),
    ] { #expect(chosen.contains("train") && !chosen.contains("compiled"), "\(chosen)") }
  }

  @Test(
    "wrong use is one clear line and the right exit status",
    arguments: [
      (["digest", "none.h5"], "none.h5: No such file or directory", 1),
      (["digest", "data"], "data: no model file, and no run's folder", 1),
      (["digest", "data/cats/0.jpg"], "data/cats/0.jpg: not a model file", 1),
      (["evaluate", "model.h5", "none"], "none: no such folder", 1),
      (["export", "model.h5", "out.txt"], "out.txt: its ending must say its form: one of", 2),
      (["export", "model.h5", "none/out.onnx"], "none/out.onnx: cannot be written", 1),
      (["export", "model.h5", "out.h5", "--last"], "--last is for a run's folder", 2),
      (["digest", "model.h5", "--weights", "none.h5"], "none.h5: No such file", 1),
      (["digest", "model.h5", "--weights", "data/cats/0.jpg"], "0.jpg: not a model file", 1),
      (["evaluate", "model.h5", "data/cats"], "data/cats: 0 classes", 1),
      (["predict", "none.h5", "data/cats/0.jpg"], "none.h5: No such file", 1),
      (["summary", "--model", "none.json"], "none.json: No such file", 1),
      (["plot", "none"], "none: No such file", 1),
      (["evaluate", "--batch-size", "0", "model.h5", "data"], "--batch-size must be", 2),
      (["predict", "model.h5"], "Missing expected argument", 2),
      (["predict", "model.h5", "data", "--csv", "--json"], "--csv and --json", 2),
      (["predict", "model.h5", "data", "--classes", "a"], "--classes", 2),
      (["predict", "model.h5", "-dash.jpg"], "Unknown option '-dash.jpg'", 2),
      (["evaluate", "model.h5", "data", "-hat"], "Unknown option '-hat'", 2),
      (["train", "data", "--run", "a\nb"], #"a\nb: this name must be text"#, 2),
      (["summary", "--input-size", "8"], "--input-size", 2),
      (["train", "data", "--optimizer", "adagrad"], "--optimizer", 2),
      (["train", "data", "--schedule", "line"], "--schedule", 2),
      (["train", "data", "--warm-up", "30"], "--warm-up 30 is as long as the run", 2),
      (["train", "data", "--decay-epochs", "10"], "--decay-epochs is for --schedule step or", 2),
      (
        ["train", "data", "--schedule", "step", "--epochs", "5"],
        "--decay-epochs 10 is as long as the run", 2
      ),
      (
        ["train", "data", "--dropout", "1"], "--dropout must be at least 0 and below 1, not 1.0", 2
      ),
      (["train", "data", "--weight-decay=-0.1"], "--weight-decay must be at least 0", 2),
      (["train", "data", "--label-smoothing", "1"], "--label-smoothing must be", 2),
      (["train", "data", "--class-weights", "cats"], "--class-weights", 2),
      (["train", "data", "--class-weights", "cats=0"], "--class-weights must be balanced, or", 2),
      (["train", "data", "--beta-1", "0.9"], "--beta-1 is no setting of rmsprop", 2),
      (["train", "data", "--optimizer", "sgd", "--rho", "0.9"], "--rho is no setting of sgd", 2),
      (["train", "data", "--optimizer", "sgd", "--nesterov"], "without --momentum", 2),
      (["train", "data", "--optimizer", "sgd", "--momentum", "1"], "--momentum must be", 2),
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
