import ArgumentParser
import Engine
import Foundation
import Pictures
import Training

/// `dogsled evaluate`: loss and accuracy over a folder.
struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print a model's loss and accuracy on a folder of pictures.",
    discussion: """
      FOLDER has one folder of JPEGs a class; all of them are used, once.

      Example: dogsled evaluate runs/pets/model.h5 pets/test
      """)

  @Argument(help: "A model: an .h5 file.", completion: .file(extensions: ["h5"]))
  var model: String

  @Argument(help: "The folder with the classes' folders.", completion: .directory)
  var folder: String

  @OptionGroup var options: InferenceOptions

  @Flag(help: "Leave out pictures that cannot be decoded.")
  var skipUnreadable = false

  func run() throws {
    let file = try ModelFile(reading: model)
    for untaken in file.untaken where untaken.changesLoss {
      log("\(model): \(untaken.description): the loss printed is binary cross-entropy alone")
    }
    let scanned = try PictureFolder.scan(folder)
    if let classes = file.classes, classes != scanned.classes {
      log(
        "\(folder): has the classes \(scanned.classes.joined(separator: ", ")), but the model was "
          + "trained on \(classes.joined(separator: ", ")): taken for the same, in this order")
    }
    let store = try usable(
      PictureStore(
        folder: folder, entries: scanned.entries, height: file.architecture.input.height,
        width: file.architecture.input.width, settings: options.pictures(for: file),
        threads: options.threading.count, memoryLimit: MemoryNeed().pictureCache()))
    let totals = try evaluate(file, on: store)
    let count = Double(totals.count)
    try emit(
      String(
        format: "loss %.6f  accuracy %.6f  pictures %d", totals.loss / count,
        Double(totals.correct) / count, totals.count))
  }

  /// The store without the pictures that cannot be decoded, all of which are named.
  private func usable(_ store: PictureStore) throws -> PictureStore {
    let bad = store.check()
    guard !bad.isEmpty else { return store }
    try report(unreadable: bad.map(\.error), leavingOut: skipUnreadable)
    guard bad.count < store.entries.count else { throw Failure("\(folder): no picture is left") }
    return store.leavingOut(Set(bad.map(\.index)))
  }

  private func evaluate(_ file: ModelFile, on store: PictureStore) throws -> Engine.Totals {
    let engine = try options.engine(for: file, pictures: store.entries.count)
    var totals = Engine.Totals()
    for start in stride(from: 0, to: store.entries.count, by: options.batchSize) {
      let batch = Array(start..<min(start + options.batchSize, store.entries.count))
      let pictures = try store.pictures(batch)
      store.prefetch(Array(start + batch.count..<min(start + 2 * batch.count, store.entries.count)))
      withExtendedLifetime(pictures) {
        totals += engine.evaluate(
          pictures: pictures.map(\.bytes), labels: batch.map { Float(store.entries[$0].label) },
          weights: file.weights)
      }
    }
    return totals
  }
}
