import Foundation
import KerasFiles
import Primitives
import TestSupport
import Testing

/// Files of h5py and Keras: `Files/make.py` made them.
enum Fixture: String, CaseIterable {
  case keras, chunked, new

  var path: String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Files/\(rawValue).h5").path
  }
  var bytes: [UInt8] {
    get throws { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }
  }
}

extension TemporaryFolder {
  /// Writes a file and opens it.
  func root(_ bytes: some Sequence<UInt8>, as name: String = "file.h5") throws -> HDF5Group {
    try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    return try HDF5File(PlainFile("\(path)/\(name)")).root
  }
}

/// What a model file holds, read as `ModelFile` does.
struct ModelContents: Equatable {
  var texts: [String] = []
  var numbers: [[Float]] = []
  var iteration = 0

  init(_ root: HDF5Group) throws {
    for name in ["model_config", "training_config", "backend"] {
      texts += try root.strings(name) ?? []
    }
    let weights = try root.group("model_weights")
    for layer in try weights.strings("layer_names") ?? [] {
      let group = try weights.group(layer)
      for name in try group.strings("weight_names") ?? [] {
        texts.append("\(name) \(try group.shape(of: name))")
        numbers.append(try group.floats(name))
      }
    }
    guard root.contains("optimizer_weights") else { return }
    let optimizer = try root.group("optimizer_weights")
    for name in try optimizer.strings("weight_names") ?? [] {
      numbers.append(try optimizer.floats(name))
    }
    iteration = try optimizer.integer("rm_sprop/iteration")
  }
}

/// A text as a test's argument; the log has its beginning alone, not megabytes.
struct LongText: CustomTestStringConvertible {
  let text: String
  var testDescription: String { String(text.prefix(80)) }

  static func all(_ texts: [String]) -> [LongText] { texts.map(LongText.init) }
}
