/// A file of HDF5 that cannot be read or made; `description` says which file, where in it and why.
package struct HDF5Error: Error, CustomStringConvertible {
  /// One line for the user.
  package let description: String

  /// - Parameter object: the path of the group or data set in the file; empty for the root.
  init(_ path: String, _ object: String, _ what: String) {
    description = [path, object.oneLine, what].filter { !$0.isEmpty }.joined(separator: ": ")
  }
}

/// What is wrong with one object of a file: an `HDF5Error` that has not been told the names yet.
struct HDF5Problem: Error {
  let what: String

  /// Bytes that the format does not allow.
  static func damaged(_ what: String) -> HDF5Problem {
    HDF5Problem(what: "a damaged HDF5 file, or one that is cut short: \(what)")
  }

  /// Something that HDF5 has and Keras does not write.
  static func refused(_ what: String) -> HDF5Problem {
    HDF5Problem(what: "\(what), which Dogsled does not read: save the model again with Keras")
  }
}

extension String {
  /// A name out of a file as part of one line: cut at 120 characters, without control characters.
  var oneLine: String {
    var line = String.UnicodeScalarView()
    for scalar in unicodeScalars.prefix(120) {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator: line.append("?")
      default: line.append(scalar)
      }
    }
    return String(line)
  }
}
