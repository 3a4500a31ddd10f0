import ArgumentParser
import Engine
import Foundation
import KerasFiles
import Pictures

/// `dogsled predict`: a class and its probability for each file.
struct Predict: ParsableCommand, TakesAnyName {
  static let configuration = CommandConfiguration(
    abstract: "Print each picture's class and how probable it is.",
    discussion: """
      After a header, a line for each file, with tabs between: its path, the class, and the \
      probability of that class. In a path \\ is written \\\\, a tab \\t, a line end \
      \\n, and a byte that is no UTF-8 \\xE9. Of a folder all pictures below it are taken, \
      sorted. A file that cannot be read is named on standard error; the exit status is then 1.

      --csv prints the same columns as RFC 4180 has them; --json an object a line, \
      {"file": ..., "class": ..., "probability": ...}. Both have all digits.

      A model without class names (Keras drops them when it saves a model again) has the classes \
      "class 0", "class 1" and so on, unless --classes names them.

      Example: dogsled predict runs/pets pets/test/cats a.jpg
      """)

  @Argument(
    help: ArgumentHelp(NamedModel.help), completion: .file(extensions: NamedModel.extensions))
  var model: String

  @Argument(
    help: "JPEG files, and folders of them.", completion: .file(extensions: ["jpg", "jpeg"]))
  var files: [String]

  @OptionGroup var options: InferenceOptions

  @Flag(help: "Print comma-separated values.")
  var csv = false

  @Flag(help: "Print a JSON object a line.")
  var json = false

  var namesOfAnyBytes: [String] { files }

  func validate() throws {
    if csv, json { throw ValidationError("--csv and --json: give one of them") }
  }

  func run() throws {
    let file = try NamedModel.readFinite(options.file(of: model), weights: options.weights.weights)
    var classes = try options.classNames(for: file)?.names
    if classes == nil {
      let count = file.architecture.loss.classes
      log(
        "\(model): names no classes: they are printed as class 0 to class \(count - 1) "
          + "(see --classes)")
      classes = (0..<count).map { "class \($0)" }
    }
    var unreadable = UnreadableList()
    let paths = listed(&unreadable)
    let named = paths.count + unreadable.count
    let table = PredictionTable(form: csv ? .csv : json ? .json : .table, classes: classes ?? [])
    let engine = try options.engine(for: file, pictures: paths.count)
    if let header = table.header { try emit(header) }
    for start in stride(from: 0, to: paths.count, by: options.batchSize) {
      let batch = read(
        paths[start..<min(start + options.batchSize, paths.count)], for: file, &unreadable)
      let probabilities = withExtendedLifetime(batch) {
        engine.predict(pictures: batch.map { $0.picture.bytes }, weights: file.state.weights)
      }
      for ((path, _), probabilities) in zip(batch, probabilities) {
        guard probabilities.allSatisfy(\.isFinite) else {
          throw Failure(
            "\(model): what it gives for \(FileName.shown(path)) is not finite: its weights "
              + "are damaged, or its training diverged")
        }
        try emit(table.row(path, probabilities))
      }
    }
    unreadable.finish()
    guard unreadable.count == 0 else {
      throw Failure("\(unreadable.count) of \(counted(named, "file")) could not be read")
    }
  }

  /// The files that were named, and those below the folders that were.
  private func listed(_ unreadable: inout UnreadableList) -> [String] {
    var paths: [String] = []
    for path in files {
      guard PictureFolder.exists(path) else {
        paths.append(path)
        continue
      }
      do {
        let found = try PictureFolder.allFiles(below: path)
        found.remarks.forEach(log)
        paths += found.paths
      } catch {
        unreadable.add(error)
      }
    }
    return paths
  }

  /// The files that can be decoded; the others are named on standard error.
  private func read(
    _ paths: ArraySlice<String>, for file: ModelFile, _ unreadable: inout UnreadableList
  ) -> [(path: String, picture: DecodedPicture)] {
    let decoder = options.decoder(for: file)
    var pictures: [(path: String, picture: DecodedPicture)] = []
    for path in paths {
      do {
        pictures.append((path, try decoder.decode(path: path)))
      } catch {
        unreadable.add(error)
      }
    }
    return pictures
  }
}
