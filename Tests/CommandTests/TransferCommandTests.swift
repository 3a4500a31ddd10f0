import Engine
import Foundation
import KerasFiles
import Pictures
import TestSupport
import Testing

/// A trained network made one's own, as commands: its weights, its head, its frozen layers.
@Suite(.serialized) struct TransferCommandTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try DrawnPictures.write(
      to: folder.path + "/data", train: 20, validation: 7, test: 3, seed: 4)
    let architecture = try Architecture(
      input: Shape(height: 20, width: 22, channels: 3),
      layers: [
        ("conv", .convolution(Convolution(filters: 16))), ("pool", .maxPooling(size: 2)),
        ("norm", BatchNormalization()), ("conv_2", .convolution(Convolution(filters: 20))),
        ("flatten", .flatten), ("classes", .dense(units: 7, activation: .softmax)),
      ])
    let weights = ParameterBuffer(architecture.parameters)
    weights.initialize(seed: 11)
    let model = ModelFile(architecture: architecture, state: ModelState(weights: weights))
    try model.write(to: folder.path + "/trained.h5")
  }

  private static let options = [
    "--steps-per-epoch", "6", "--epochs", "3", "--batch-size", "6", "--seed", "7",
    "--batches-per-update", "2",
  ]

  private func train(_ run: String, _ arguments: [String]) throws -> Command {
    try Command(["train", "data", "--run", run] + Self.options + arguments, in: folder)
  }

  private func digest(_ command: Command) throws -> String {
    #expect(command.status == 0, "\(command.errors)")
    return String(try #require(command.lines.first { $0.hasPrefix("digest") }))
  }

  private static let transfer = [
    "--model", "trained.h5", "--head", "conv_2", "--freeze", "all", "--dropout", "0.25",
  ]

  @Test func `A head on frozen layers trains, alone and with workers, to one digest`() throws {
    let one = try train("one", Self.transfer)
    let digest = try digest(one)
    #expect(one.errors.contains("of which 21 are trained"), "\(one.errors)")
    // Alone with one thread and with another instruction set; with workers, of which each has what
    // it keeps of its own.
    let workers = try train("workers", Self.transfer + ["--workers", "2"])
    #expect(try self.digest(workers) == digest)
    let baseline = try Command(
      ["train", "data", "--run", "baseline"] + Self.options + Self.transfer, in: folder,
      environment: ["DOGSLED_KERNELS": "baseline"])
    #expect(try self.digest(baseline) == digest)

    let (before, after) = (
      try ModelFile(reading: folder.file("trained.h5")),
      try ModelFile(reading: folder.file("one/model.h5"))
    )
    #expect(
      after.architecture.layers.map(\.name) == [
        "conv", "pool", "norm", "conv_2", "head_pooling", "head_dropout", "head_dense",
      ])
    for tensor in after.state.layout.tensors {
      #expect(tensor.isFrozen == !tensor.layer.hasPrefix("head"))
      guard tensor.isFrozen, let old = before.state.layout[tensor.name] else { continue }
      #expect(Array(after.state.weights[tensor]) == Array(before.state.weights[old]))
    }
    // It goes on, from its start too: the weights that it began with are in its folder.
    for file in ["checkpoint.h5", "checkpoint-previous.h5", "model.h5", "best.h5"] {
      try? FileManager.default.removeItem(atPath: "\(folder.path)/one/\(file)")
    }
    try "".write(toFile: "\(folder.path)/one/history.csv", atomically: true, encoding: .utf8)
    try FileManager.default.removeItem(atPath: "\(folder.path)/one/history.csv")
    let again = try Command("train", "--resume", "one", in: folder)
    #expect(try self.digest(again) == digest)
    try Data("no model".utf8).write(to: URL(fileURLWithPath: "\(folder.path)/one/start.h5"))
    let changed = try Command("train", "--resume", "one", in: folder)
    #expect(changed.status == 1 && changed.errors.contains("start.h5"), "\(changed.errors)")
  }

  @Test func `A model's weights are where training begins, and new ones only with --fresh`() throws
  {
    let whole = ["--model", "one/model.h5", "--learning-rate", "1e-3"]
    _ = try train("one", Self.transfer)
    let tuned = try train("tuned", whole + ["--freeze", "norm,conv*"])
    let fresh = try train("fresh", whole + ["--freeze", "norm,conv*", "--fresh"])
    let other = try train("other", whole + ["--freeze", "..pool,BatchNormalization"])
    let free = try train("free", whole + ["--freeze", "none"])
    let file = try train("file", whole)
    let digests = try [tuned, fresh, other, free, file].map(digest)
    // What is frozen is what the options say, else what the file says.
    #expect(digests[0] == digests[4] && Set(digests).count == 4)
    let model = try ModelFile(reading: folder.file("other/model.h5"))
    #expect(
      Set(model.architecture.parameters.tensors.filter { !$0.isFrozen }.map(\.layer))
        == ["conv_2", "head_dense"])
    // The weights of a run's folder are its best epoch's.
    let run = try train("run", ["--model", "one", "--freeze", "conv"])
    #expect(run.errors.contains("using one/best.h5"), "\(run.errors)")
  }

  /// A model with another in it, as `base(x)` in Keras.
  private static let nested = #"""
    {"class_name": "Sequential", "config": {"name": "outer", "layers": [
      {"class_name": "Sequential", "config": {"name": "base", "layers": [
        {"class_name": "InputLayer", "config": {"name": "in", "batch_shape": [null, 20, 22, 3]}},
        {"class_name": "Conv2D",
         "config": {"name": "first", "filters": 16, "kernel_size": [3, 3]}},
        {"class_name": "BatchNormalization", "config": {"name": "norm"}}]}},
      {"class_name": "Conv2D", "config": {"name": "own", "filters": 8, "kernel_size": [3, 3]}},
      {"class_name": "Flatten", "config": {"name": "flat"}},
      {"class_name": "Dense",
       "config": {"name": "classes", "units": 1, "activation": "sigmoid"}}]}}
    """#

  @Test func `A model in the model is frozen by its name`() throws {
    try folder.write(Data(Self.nested.utf8), to: "nested.json")
    let model = ["--model", "nested.json", "--epochs", "1"]
    func frozen(_ run: String) throws -> Set<String> {
      let file = try ModelFile(reading: folder.file("\(run)/model.h5"))
      return Set(file.architecture.parameters.trained.map(\.layer))
    }
    let base = try train("base", model + ["--freeze", "base"])
    _ = try digest(base)
    #expect(try frozen("base") == ["own", "classes"])
    // What is frozen was never trained.
    #expect(base.errors.contains("nothing has trained them"), "\(base.errors)")
    let rates = try train("rates", model + ["--layer-rates", "base=0.5"])
    _ = try digest(rates)
    #expect(!rates.errors.contains("nothing has trained them"))
    let cut = try train("cut", model + ["--head", "first", "--freeze", "..base"])
    _ = try digest(cut)
    #expect(try frozen("cut") == ["head_dense"])
    let none = try train("none", model + ["--freeze", "bass"])
    #expect(none.status == 1 && none.errors.contains("no layer is called so"), "\(none.errors)")
  }

  @Test func `A variance below zero is damage`() throws {
    let file = try ModelFile(reading: folder.file("trained.h5"))
    let tensor = try #require(
      file.state.layout.tensors.first { $0.kind == .movingVariance })
    file.state.weights.floats[tensor.offset + 1] = -0.5
    try file.write(to: folder.path + "/damaged.h5")
    for verb in [["predict"], ["train", "data", "--run", "damaged", "--model"]] {
      let command = try Command(
        verb + ["damaged.h5"] + (verb.count == 1 ? ["data"] : []), in: folder)
      #expect(command.status == 1, "\(verb)")
      #expect(
        command.errors.contains("damaged.h5: a variance of norm is below 0"), "\(command.errors)")
    }
  }

  @Test func `Frozen layers are trained from an epoch on, with rates of their own`() throws {
    let head = ["--model", "trained.h5", "--head", "conv_2", "--freeze", "all"]
    let thawing = head + ["--unfreeze-at", "conv_2=1,norm=2", "--layer-rates", "c*2=0.5,norm=0.5"]
    let one = try train("one", thawing)
    let digest = try digest(one)
    #expect(one.errors.contains("from epoch 2 on") && one.errors.contains("from epoch 3 on"))
    let workers = try train("workers", thawing + ["--workers", "2"])
    #expect(try self.digest(workers) == digest)
    let whole = try train("whole", thawing + ["--workers", "1", "--weights", "whole"])
    #expect(try self.digest(whole) == digest)
    // Until then it is the run in which they are frozen for good.
    _ = try self.digest(try train("frozen", head))
    func losses(_ run: String) throws -> [Substring] {
      try String(contentsOfFile: folder.file("\(run)/history.csv"), encoding: .utf8)
        .split(separator: "\n").map { row in
          row.split(separator: ",").prefix(5).joined(separator: ",")[...]
        }
    }
    let (thawed, frozen) = (try losses("one"), try losses("frozen"))
    #expect(thawed[...1] == frozen[...1] && thawed[2] != frozen[2], "\(thawed) \(frozen)")
    let (before, after) = (
      try ModelFile(reading: folder.file("trained.h5")),
      try ModelFile(reading: folder.file("one/model.h5"))
    )
    for tensor in after.state.layout.tensors {
      guard let old = before.state.layout[tensor.name] else { continue }
      let isEqual = Array(after.state.weights[tensor]) == Array(before.state.weights[old])
      #expect(isEqual == (tensor.layer == "conv"), "\(tensor.name)")
    }
    // From a checkpoint in between, too.
    let early = head + ["--unfreeze-at", "conv_2=1", "--layer-rates", "c*2=0.5"]
    let long = try self.digest(try train("long", early))
    _ = try self.digest(try train("again", early + ["--epochs", "2"]))
    let again = try Command("train", "--resume", "again", "--epochs", "3", in: folder)
    #expect(try self.digest(again) == long)
    for option in [
      ["--network", "book"], ["--layer-rates", "dense=2"], ["--input-size", "99x99"],
    ] {
      let other = try Command(["train", "--resume", "again"] + option, in: folder)
      #expect(other.status == 1 && other.errors.contains("leave these out"), "\(other.errors)")
    }
    // What was so in that run is not so in the next.
    let next = try train("next", ["--model", "one/model.h5"])
    #expect(!next.errors.contains("from epoch") && !next.errors.contains("times"))
  }

  @Test(arguments: [
    (["--unfreeze-at", "2"], 2, "--unfreeze-at needs --model"),
    (
      ["--model", "trained.h5", "--head", "conv_2", "--unfreeze-at", "2"], 1,
      "no such layer is frozen"
    ),
    (
      ["--model", "trained.h5", "--head", "conv_2", "--freeze", "conv", "--unfreeze-at", "3"], 1,
      "the run has only 3 epochs"
    ),
    (
      ["--model", "trained.h5", "--head", "conv_2", "--freeze", "conv", "--unfreeze-at", "x=1"], 1,
      "--unfreeze-at x: no layer is called so"
    ),
    (["--model", "trained.h5", "--unfreeze-at", "0.5"], 2, "--unfreeze-at 0.5"),
    (["--layer-rates", "0.1"], 2, "say whose rate it is"),
    (["--layer-rates", "dense=0"], 2, "a factor must be"),
    (["--layer-rates", "flatten=2"], 1, "nothing is trained in such a layer"),
    (["--layer-rates", "dense=2=3"], 2, "dense=2=3"),
    (["--freeze", "conv"], 2, "--freeze needs --model"),
    (["--head", "conv"], 2, "--head needs --model"),
    (["--fresh"], 2, "--fresh needs --model"),
    (["--model", "trained.h5", "--network", "book"], 2, "--network is for a new network"),
    (["--model", "trained.h5", "--head", "none"], 1, "--head none: no layer is called so"),
    (["--model", "trained.h5", "--head", "-9"], 1, "--head -9: no layer is called so"),
    (
      ["--model", "trained.h5", "--head", "conv_2", "--freeze", "nome"], 1,
      "--freeze nome: no layer is called so"
    ),
    (["--model", "trained.h5"], 1, "there must be 7 subfolders"),
    (["--model", "trained.h5", "--head", "conv", "--freeze", "*"], 1, "there is nothing to train"),
    (["--network", "nothing"], 2, "nothing"),
    (["--network", "small-xception", "--input-size", "3x3"], 1, "does not fit"),
    (["--model", "trained.h5", "--input-range", "1..0"], 2, "1..0"),
  ]) func `Wrong use is one clear line`(_ arguments: [String], _ status: Int, _ line: String) throws
  {
    let command = try train("wrong", arguments)
    #expect(command.status == Int32(status), "\(command.errors)")
    #expect(command.errors.contains(line), "\(command.errors)")
    #expect(status == 2 || command.errorLines.count == 1, "\(command.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/wrong/run.json"))
  }

  @Test func `Networks that need no file are built, for the data's classes`() throws {
    for network in Network.allCases {
      let summary = try Command(
        "summary", "--network", network.rawValue, "--input-size", "80x70", in: folder)
      #expect(summary.status == 0, "\(summary.errors)")
      let small = try network.architecture(height: 70, width: 64, classes: 5)
      #expect(small.loss.classes == 5)
      #expect(try KerasConfiguration.decode(KerasConfiguration.encode(small)) == small)
    }
    // The third edition's count.
    #expect(try Network.smallXception.architecture().parameters.parameterCount == 721_857)
    let run = try Command(
      [
        "train", "data", "--network", "small-xception", "--input-size", "24x24", "--epochs", "1",
        "--steps-per-epoch", "2", "--batch-size", "4", "--run", "xception",
      ], in: folder)
    #expect(run.status == 0, "\(run.errors)")
  }
}
