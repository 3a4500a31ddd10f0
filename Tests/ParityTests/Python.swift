import Foundation

/// The python that `DOGSLED_PYTHON` names, as a witness.
enum Python {
  /// It, where it has TensorFlow with Keras; nil elsewhere.
  static let withKeras = path("import tensorflow")
  /// It, where it has tf_keras, which is Keras 2; nil elsewhere.
  static let withKeras2 = path("import importlib.util as u; u.find_spec('tf_keras').name")
  /// It, where it has scipy, which Keras changes pictures with; nil elsewhere.
  static let withSciPy = path("import scipy")
  /// It, where it has h5py; nil elsewhere.
  static let withHDF5 = path("import h5py")

  /// It, or another that `DOGSLED_ONNX_PYTHON` names, where it has onnx and onnxruntime; nil
  /// elsewhere.
  static let withONNX =
    path("import onnx, onnxruntime") ?? path("import onnx, onnxruntime", of: "DOGSLED_ONNX_PYTHON")

  /// Photographs beside the repository, or in `DOGSLED_SHARED`; nil where there are none.
  static let photographs: String? = {
    let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let shared =
      ProcessInfo.processInfo.environment["DOGSLED_SHARED"]
      ?? here.appendingPathComponent("../../../shared").standardized.path
    return FileManager.default.fileExists(atPath: shared + "/pets") ? shared + "/pets" : nil
  }()

  /// Runs a script of this folder, or a program's text after `-c`.
  /// - Returns: standard output.
  /// - Throws: `Failure` with what it said where its status is not 0.
  @discardableResult
  static func run(_ python: String?, _ arguments: [String], in folder: String) throws -> String {
    guard let python else { throw Failure(description: "no python") }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    // Into files: nobody has to read while it runs.
    let (output, errors) = ("\(folder)/python.out", "\(folder)/python.err")
    for path in [output, errors] { FileManager.default.createFile(atPath: path, contents: nil) }
    process.standardOutput = FileHandle(forWritingAtPath: output)
    process.standardError = FileHandle(forWritingAtPath: errors)
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      let said = (try? String(contentsOfFile: errors, encoding: .utf8)) ?? ""
      throw Failure(description: "\(arguments.first ?? "python") failed:\n\(said)")
    }
    return try String(contentsOfFile: output, encoding: .utf8)
  }

  /// The path of a script of this folder.
  static func script(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(name).path
  }

  struct Failure: Error, CustomStringConvertible { let description: String }

  /// The python that a variable names, where it can run `line`.
  private static func path(_ line: String, of variable: String = "DOGSLED_PYTHON") -> String? {
    guard let python = ProcessInfo.processInfo.environment[variable], !python.isEmpty
    else { return nil }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = ["-c", line]
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    do { try process.run() } catch { return nil }
    process.waitUntilExit()
    return process.terminationStatus == 0 ? python : nil
  }
}
