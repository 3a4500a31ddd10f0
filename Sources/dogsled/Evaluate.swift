import ArgumentParser
import Engine
import Foundation
import KerasFiles
import Pictures

/// `dogsled evaluate`: loss and accuracy over a folder.
struct Evaluate: ParsableCommand, TakesAnyName {
  static let configuration = CommandConfiguration(
    abstract: "Print a model's loss and accuracy on a folder of pictures.",
    discussion: """
      FOLDER has one folder of JPEGs for each class, or for one of them; all pictures are used, \
      once. The folders are named as the classes that the model was trained on; where they have \
      other names, or the model has none, --classes says which is which.

      Example: dogsled evaluate runs/pets pets/test
      """)

  @Argument(help: ArgumentHelp(NamedModel.help), completion: .file(extensions: ["h5"]))
  var model: String

  @Argument(help: "The folder with the classes' folders.", completion: .directory)
  var folder: String

  @OptionGroup var options: InferenceOptions

  @Flag(help: "Leave out pictures that cannot be decoded.")
  var skipUnreadable = false

  var namesOfAnyBytes: [String] { [folder] }

  func run() throws {
    let file = try NamedModel.readFinite(model)
    let loss = type(of: file.architecture.loss).name
    for untaken in file.untaken where untaken.changesLoss {
      let line = "\(model): \(untaken.description): the loss printed is \(loss) alone"
      log(FileName.shown(line, doublingBackslashes: false))
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
    let totals = try evaluate(file, on: store, engine)
    let count = Double(totals.count)
    guard totals.loss.isFinite else {
      throw Failure(
        "\(model): its loss is not finite: its weights are damaged, or its training diverged")
    }
    try emit(
      String(
        format: "loss %.6f  accuracy %.6f  pictures %d", totals.loss / count,
        Double(totals.correct) / count, totals.count))
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
  ) throws -> Engine.Totals {
    var totals = Engine.Totals()
    for start in stride(from: 0, to: store.entries.count, by: options.batchSize) {
      let end = min(start + options.batchSize, store.entries.count)
      let batch = try store.batch(Array(start..<end))
      store.prefetch(Array(end..<min(end + options.batchSize, store.entries.count)))
      totals += engine.evaluate(batch, weights: file.state.weights)
    }
    return totals
  }
}
