import ArgumentParser
import Foundation
import KerasFiles

/// `dogsled export`: a model in another form.
struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a model in the form that another program reads.",
    discussion: """
      The ending of OUTPUT says which:

      .h5           Keras's legacy form, which Keras 2 and 3 open
      .keras        Keras 3's, with the optimizer's state that Keras goes on from
      .weights.h5   weights alone, for Keras's load_weights
      .safetensors  weights alone, by the names of their layers
      .onnx         the network, for inference: pictures [n, height, width, 3] of 32-bit floats

      Of a run's folder it is the best epoch's model, with --last the last one.

      Example: dogsled export runs/pets pets.keras
      """)

  @Argument(
    help: ArgumentHelp(NamedModel.help), completion: .file(extensions: NamedModel.extensions))
  var model: String

  @Argument(
    help: "The file to write; one that is there is replaced.",
    completion: .file(extensions: ["h5", "keras", "safetensors", "onnx"]))
  var output: String

  @OptionGroup var options: WeightsOption

  @Flag(help: "Of a run's folder take the last epoch's model, not the best epoch's.")
  var last = false

  func validate() throws {
    guard ExportForm(path: output) != nil else {
      let endings = ExportForm.allCases.map(\.ending).joined(separator: ", ")
      throw ValidationError("\(output): its ending must say its form: one of \(endings)")
    }
  }

  func run() throws {
    guard let form = ExportForm(path: output) else { return }
    let path = try NamedModel.file(model, last: last)
    let file = try NamedModel.readFinite(path, weights: options.weights)
    do {
      try file.export(to: output, as: form)
    } catch let error as ExportError {
      throw Failure("\(path): \(error)")
    }
  }
}
