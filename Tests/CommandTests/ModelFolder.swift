import Engine
import Foundation
import KerasFiles
import Pictures
import TestSupport

/// A folder with model.h5 and, under data, five dark cats and four bright dogs.
///
/// The model is one dense layer whose equal weights tell dark from bright.
struct ModelFolder {
  let folder: TemporaryFolder
  let model: ModelFile

  init() throws {
    folder = try TemporaryFolder()
    let architecture = try Architecture(
      input: Shape(height: 8, width: 6, channels: 3),
      layers: [(nil, .flatten), (nil, .dense(units: 1, activation: .sigmoid))])
    let weights = ParameterBuffer(architecture.parameters)
    weights[weights.layout.tensors[0]].update(repeating: 0.1)
    weights[weights.layout.tensors[1]].update(repeating: -7.2)
    model = ModelFile(
      architecture: architecture, state: ModelState(weights: weights), classes: ["cats", "dogs"],
      pictures: PictureSettings(interpolation: .bilinear))
    try model.write(to: folder.path + "/model.h5")
    for index in 0..<5 { try writePicture("data/cats/\(index).jpg", brightness: 20) }
    for index in 0..<4 { try writePicture("data/dogs/\(index).jpg", brightness: 230) }
  }

  func writePicture(_ name: String, brightness: UInt8) throws {
    try folder.write(Self.picture(brightness), to: name)
  }

  static func picture(_ brightness: UInt8) throws -> Data {
    let picture = try DecodedPicture(height: 30, width: 40) { $0.update(repeating: brightness) }
    return Data(try JPEG.encode(picture, quality: 90))
  }

  /// Writes the model with other names, or none, for its classes.
  func writeModel(_ name: String, classes: [String]?) throws {
    var renamed = model
    renamed.classes = classes
    try renamed.write(to: "\(folder.path)/\(name)")
  }

  /// Writes the model with weights that are no numbers.
  func writeDivergedModel(_ name: String) throws {
    let weights = ParameterBuffer(model.architecture.parameters)
    weights.copy(from: model.state.weights)
    weights[weights.layout.tensors[1]].update(repeating: .nan)
    var diverged = model
    diverged.state = ModelState(weights: weights)
    try diverged.write(to: "\(folder.path)/\(name)")
  }

  func rename(_ name: String, to other: String) throws {
    try FileManager.default.moveItem(
      atPath: "\(folder.path)/\(name)", toPath: "\(folder.path)/\(other)")
  }

  /// Runs `dogsled` by a shell that knows its place as `$dogsled`: for names that are no UTF-8.
  func shell(_ command: String) throws -> Command {
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    let program = Bundle.main.bundleURL.appendingPathComponent("dogsled").path
    shell.arguments = ["-c", "dogsled='\(program)'\n\(command)"]
    shell.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    (shell.standardOutput, shell.standardError) = (Pipe(), Pipe())
    try shell.run()
    return try Command(waitingFor: shell)
  }
}
