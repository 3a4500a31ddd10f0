import Engine
import Foundation
import Pictures
import Primitives
import Testing

@Suite struct DataSetTests {
  /// A data folder with `count` pictures a class in each part.
  private func dataFolder(_ count: Int = 2) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for part in ["train", "validation"] {
      for (label, animal) in ["cat", "dog"].enumerated() {
        for number in 0..<count {
          try folder.write("\(part)/\(animal)s/\(animal).\(number).jpg", jpeg(number + label * 8))
        }
      }
    }
    return folder
  }

  private func failure(_ folder: String) -> String {
    do {
      _ = try DataSet.scan(folder, classes: 2)
      return "no error"
    } catch {
      return error.description.replacingOccurrences(of: folder, with: "D")
    }
  }

  @Test func listsPicturesInTheOrderOfTheirNames() throws {
    let folder = try dataFolder(11)
    try folder.write("train/cats/notes.txt", [1])
    try folder.write("train/cats/.hidden.jpg", [1])
    let manifest = try DataSet.scan(folder.path, classes: 2).manifest
    #expect(manifest.classes == ["cats", "dogs"])
    #expect(manifest.training.count == 22 && manifest.validation.count == 22)
    #expect(
      manifest.training.prefix(3).map(\.path)
        == ["train/cats/cat.0.jpg", "train/cats/cat.1.jpg", "train/cats/cat.10.jpg"])
    #expect(
      manifest.training.map(\.label) == Array(repeating: 0, count: 11)
        + Array(repeating: 1, count: 11))
    let file = try folder.read("train/cats/cat.1.jpg")
    #expect(manifest.training[1].bytes == file.count)
    #expect(manifest.training[1].digest.description == digest(file))
  }

  @Test func saysWhatIsWrongWithAFolder() throws {
    #expect(failure("/nowhere/data") == "D: no such folder")
    let folder = try dataFolder()
    #expect(failure(folder.path + "/train").hasPrefix("D/train: no such folder"))
    try folder.write("train/cats/more/cat.9.jpg", [1])
    #expect(failure(folder.path).hasPrefix("D/train/cats/more: a folder inside a class"))
  }

  @Test func namesThatNobodyCanPrint() {
    #expect(PictureError(path: "a\nb.jpg", "bad").description == #"a\nb.jpg: bad"#)
    #expect(PictureError(path: "a", "b\nc").description == #"a: b\nc"#)
  }

  @Test func thereMustBeTwoClassesWithPictures() throws {
    let folder = try dataFolder()
    try folder.write("train/foxes/fox.0.jpg", [1])
    #expect(failure(folder.path).hasPrefix("D/train: 3 classes (cats, dogs, foxes)"))
    try FileManager.default.removeItem(atPath: folder.path + "/train/dogs")
    #expect(
      failure(folder.path)
        == "D: train has the classes cats, foxes, validation has cats, dogs")
    try FileManager.default.removeItem(atPath: folder.path + "/train/foxes/fox.0.jpg")
    #expect(failure(folder.path).hasPrefix("D/train/foxes: an empty class"))
    try FileManager.default.removeItem(atPath: folder.path + "/train/foxes")
    #expect(failure(folder.path).hasPrefix("D/train: 1 class (cats)"))
  }

  @Test(.enabled(if: geteuid() != 0, "root may read everything"))
  func saysWhatMayNotBeRead() throws {
    let folder = try dataFolder()
    let cats = folder.path + "/train/cats"
    chmod(cats, 0)
    defer { chmod(cats, 0o755) }
    #expect(failure(folder.path) == "D/train/cats: cannot be listed: Permission denied")
  }

  @Test func filesThatCannotBeReadAreListed() throws {
    let folder = try dataFolder()
    try FileManager.default.createSymbolicLink(
      atPath: folder.path + "/train/cats/gone.jpg", withDestinationPath: "/nowhere.jpg")
    let manifest = try DataSet.scan(folder.path, classes: 2).manifest
    #expect(manifest.training.contains { $0.path == "train/cats/gone.jpg" && $0.bytes == 0 })
  }

  @Test func aManifestTravelsAsJSON() throws {
    let folder = try dataFolder()
    let manifest = try DataSet.scan(folder.path, classes: 2).manifest
    let copy = try JSONDecoder().decode(Manifest.self, from: JSONEncoder().encode(manifest))
    #expect(copy == manifest && copy.digest == manifest.digest)
    var changed = manifest
    changed.training[0].label = 1
    #expect(changed.digest != manifest.digest)
    changed = manifest.leavingOut(training: [0, 3], validation: [1])
    #expect(changed.training == [manifest.training[1], manifest.training[2]])
    #expect(changed.validation.count == 3 && changed.digest != manifest.digest)
  }

  @Test(arguments: ["../cat.jpg", "/etc/passwd", "train//cat.jpg", "train/../../cat.jpg", ""])
  func aManifestCannotNameFilesElsewhere(_ path: String) throws {
    let bytes = [UInt8]().withUnsafeBytes { Digest(of: $0) }
    let entry = ManifestEntry(path: path, label: 0, digest: bytes, bytes: 0)
    let text = try JSONEncoder().encode(entry)
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(ManifestEntry.self, from: text)
    }
  }
}
