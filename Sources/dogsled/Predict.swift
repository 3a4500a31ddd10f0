import ArgumentParser
import Engine
import Foundation
import Pictures
import Training

/// `dogsled predict`: a class and its probability for each file.
struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print each picture's class and the probability of the second class.",
    discussion: """
      A line for each file, with tabs between: its path, the class, and the probability that it is \
      of the second class (as Keras's predict gives it). A file that cannot be read is named on \
      standard error; the exit status is then 1.

      Example: dogsled predict runs/pets/model.h5 pets/test/cats/*.jpg
      """)

  @Argument(help: "A model: an .h5 file.", completion: .file(extensions: ["h5"]))
  var model: String

  @Argument(help: "JPEG files.", completion: .file(extensions: ["jpg", "jpeg"]))
  var files: [String]

  @OptionGroup var options: InferenceOptions

  func run() throws {
    let file = try ModelFile(reading: model)
    let engine = try options.engine(for: file, pictures: files.count)
    var classes = file.classes ?? []
    if classes.count != 2 { classes = ["class 0", "class 1"] }
    var failures = 0
    for start in stride(from: 0, to: files.count, by: options.batchSize) {
      let batch = read(files[start..<min(start + options.batchSize, files.count)], for: file)
      failures += batch.failures
      let probabilities = withExtendedLifetime(batch.pictures) {
        engine.predict(
          pictures: batch.pictures.map { $0.picture.bytes }, weights: file.weights)
      }
      for ((path, _), probability) in zip(batch.pictures, probabilities) {
        let name = classes[probability > 0.5 ? 1 : 0]
        try emit("\(path)\t\(name)\t\(String(format: "%.6f", probability))")
      }
    }
    guard failures == 0 else {
      throw Failure("\(failures) of \(files.count) files could not be read")
    }
  }

  /// The files that can be decoded; the others are named on standard error.
  private func read(
    _ paths: ArraySlice<String>, for file: ModelFile
  ) -> (pictures: [(path: String, picture: DecodedPicture)], failures: Int) {
    let input = file.architecture.input
    var pictures: [(path: String, picture: DecodedPicture)] = []
    for path in paths {
      do {
        let picture = try options.pictures(for: file).picture(
          path: path, height: input.height, width: input.width)
        pictures.append((path, picture))
      } catch {
        log("\(error)")
      }
    }
    return (pictures, paths.count - pictures.count)
  }
}
