// A model for other programs.

import Engine
import Foundation
import Primitives

/// The forms in which a model can be written for other programs.
public enum ExportForm: String, CaseIterable, Sendable {
  case weights = "weights.h5"
  case h5, keras, safetensors, onnx

  /// That of the file's ending; nil for another.
  public init?(path: String) {
    guard let form = Self.allCases.first(where: { path.hasSuffix($0.ending) }) else { return nil }
    self = form
  }

  /// What its files' names end in.
  public var ending: String { "." + rawValue }
}

/// A model that a form cannot hold; `description` says what of it and why.
public struct ExportError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String
  /// An error that says `description`.
  public init(_ description: String) { self.description = description }
}

extension ModelFile {
  /// Writes the model in a form for other programs; what is at `path` is replaced once all is
  /// written.
  /// - Throws: `ModelFileError` where it cannot be written; `ExportError` naming a layer that the
  ///   form does not have.
  public func export(to path: String, as form: ExportForm) throws {
    do {
      switch form {
      case .h5: try write(to: path)
      case .keras: try PlainFiles.replace(path, with: try kerasArchive(for: path))
      case .weights:
        let image = try kerasWeights(for: path, tail: ModelFileSeal.length)
        try PlainFiles.replace(path, with: ModelFileSeal.sealed(image))
      case .safetensors: try PlainFiles.replace(path, with: safetensors)
      case .onnx: try PlainFiles.replace(path, with: try onnx())
      }
    } catch let error as HDF5Error {
      throw ModelFileError("\(error)")
    } catch let error as FileError {
      throw ModelFileError("\(error)")
    }
  }
}
