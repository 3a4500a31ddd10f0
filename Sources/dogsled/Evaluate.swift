import ArgumentParser
import Engine
import Foundation
import KerasFiles
import Pictures
import Primitives
import Runs

/// `dogsled evaluate`: loss and accuracy over a folder.
struct Evaluate: ParsableCommand, TakesAnyName {
  static let configuration = CommandConfiguration(
    abstract: "Print what a model is right and wrong about on a folder of pictures.",
    discussion: """
      FOLDER has one folder of JPEGs for each class, or for one of them; all pictures are used, \
      once. The folders are named as the classes that the model was trained on; where they have \
      other names, or the model has none, --classes says which is which.

      Prints the loss and the accuracy (with more than five classes also how often the class is \
      among the five most probable); a row for each class: its precision, its recall, and what \
      its pictures were taken for; and the pictures that the model is most wrong about, with the \
      probability that it gives their own class.

      Example: dogsled evaluate runs/pets pets/test
      """)

  @Argument(
    help: ArgumentHelp(NamedModel.help), completion: .file(extensions: NamedModel.extensions))
  var model: String

  @Argument(help: "The folder with the classes' folders.", completion: .directory)
  var folder: String

  @OptionGroup var options: InferenceOptions

  @Flag(help: "Leave out pictures that cannot be decoded.")
  var skipUnreadable = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Pictures to name, at most, that the model is most wrong about.", valueName: "n"))
  var worst = 10

  @Option(
    help: ArgumentHelp(
      "Also write one page of HTML with those pictures, the confusions, and the run's curves.",
      valueName: "page"),
    completion: .file(extensions: ["html"]))
  var html: String?

  var namesOfAnyBytes: [String] { [folder] }

  func validate() throws {
    guard (0...1000).contains(worst) else {
      throw ValidationError("--worst must be from 0 to 1000, not \(worst)")
    }
    if html == "" { throw ValidationError("--html needs the name of a file") }
  }

  func run() throws {
    let path = try options.file(of: model)
    let file = try NamedModel.readFinite(path, weights: options.weights.weights)
    let loss = type(of: file.architecture.loss).name
    for untaken in file.untaken where untaken.changesLoss {
      let line = "\(model): \(untaken.description): the loss printed is \(loss) alone"
      log(FileName.shown(line, doublingBackslashes: false))
    }
    let added = [
      file.architecture.hasDecay ? "the weights' decay" : nil,
      file.labelSmoothing > 0 ? "label smoothing of \(file.labelSmoothing)" : nil,
    ].compactMap { $0 }
    if !added.isEmpty {
      log("the loss is that of Keras's evaluate, with \(added.joined(separator: " and "))")
    }
    let scanned = try PictureFolder.scan(
      folder, classes: file.architecture.loss.classes, labels: labels(for: file))
    scanned.remarks.forEach(log)
    // Before pictures are decoded, which takes a while.
    let engine = try options.engine(for: file, pictures: scanned.entries.count)
    let store = try usable(
      try PictureStore(
        folder: folder, entries: scanned.entries, decoder: options.decoder(for: file),
        threads: options.threading.count, memoryLimit: MemoryNeed().pictureCache()))
    let evaluation = try evaluate(file, on: store, engine)
    guard evaluation.totals.loss.isFinite else {
      throw Failure(
        "\(model): its loss is not finite: its weights are damaged, or its training diverged")
    }
    let lines = EvaluationTable(evaluation: evaluation, folder: folder, worst: worst).lines
    try emit(lines.joined(separator: "\n"))
    guard let html else { return }
    let page = EvaluationPage(
      evaluation: evaluation, model: path, folder: folder, worst: worst, curves: try curves(path))
    try PlainFiles.replace(html, with: Data(try page.html().utf8))
    log("wrote \(html)")
  }

  /// The curves of the run that the model's file lies in; nil where no history lies beside it.
  private func curves(_ path: String) throws -> String? {
    let folder = FilePath.parent(of: path)
    let history = folder + "/history.csv"
    guard FileManager.default.fileExists(atPath: history) else { return nil }
    let name = FileName.shown(URL(fileURLWithPath: folder).lastPathComponent)
    return try Curves([(name: name, history: History(reading: history))]).inlineSVG()
  }

  /// The label of each class's folder, by its name.
  /// - Throws: `Failure` where the model's classes are not the folder's.
  private func labels(for file: ModelFile) throws -> [String: Int] {
    let found = try PictureFolder.classNames(in: folder)
    // Where there is none, or too many, the scan says so.
    let count = file.architecture.loss.classes
    guard (1...count).contains(found.count) else { return [:] }
    let list = PictureFolder.listed(found)
    guard let classes = try options.classNames(for: file) else {
      throw Failure(
        "\(model): names no classes (Keras drops them when it saves a model again): say what its "
          + "outputs stand for, in their order: --classes "
          + (found.count == count ? found.joined(separator: ",") : "A,B")
          + (count == 2 ? ", or the other way round" : ", perhaps in another order"))
    }
    let labels = classes.labels
    guard let unknown = found.first(where: { labels[$0] == nil }) else { return labels }
    let (folder, names) = (FileName.shown(folder), PictureFolder.listed(classes.names))
    let which = found.count > 5 ? " (\(unknown) is not among them)" : ""
    throw Failure(
      options.classes != nil
        ? "\(folder): has the classes \(list), and --classes names \(names)\(which)"
        : "\(folder): has the classes \(list), and the model was trained on \(names)\(which): "
          + "rename the folders, or say which stands for which: --classes A,B, where A is the "
          + "folder of \(classes.names[0]), B that of \(classes.names[1]), and so on")
  }

  /// The store without the pictures that cannot be decoded, all of which are named.
  private func usable(_ store: PictureStore) throws -> PictureStore {
    let bad = store.check()
    guard !bad.isEmpty else { return store }
    try report(unreadable: bad.map(\.error), leavingOut: skipUnreadable)
    guard bad.count < store.entries.count else {
      throw Failure("\(FileName.shown(folder)): no picture is left")
    }
    return try store.leavingOut(Set(bad.map(\.index)))
  }

  private func evaluate(
    _ file: ModelFile, on store: PictureStore, _ engine: Engine
  ) throws -> Evaluation {
    let count = file.architecture.loss.classes
    let names = try options.classNames(for: file)?.names
    var evaluation = Evaluation(
      classes: names ?? (0..<count).map { "class \($0)" },
      penalty: file.state.weights.penalty(inUpdate: file.state.updates))
    for start in stride(from: 0, to: store.entries.count, by: options.batchSize) {
      let end = min(start + options.batchSize, store.entries.count)
      let batch = try store.batch(Array(start..<end))
      store.prefetch(Array(end..<min(end + options.batchSize, store.entries.count)))
      let (totals, judgements) = engine.judge(batch, weights: file.state.weights)
      evaluation.add(store.entries[start..<end], totals, judgements)
    }
    return evaluation
  }
}
