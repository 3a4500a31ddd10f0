import Engine
import Foundation
import Pictures
import Testing

/// Which files of a class's folder are pictures, and which folders are classes.
@Suite struct PictureFolderTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    for number in 0..<2 {
      try folder.write("cats/cat.\(number).jpg", jpeg(number))
      try folder.write("dogs/dog.\(number).jpg", jpeg(number + 8))
    }
  }

  private func scan() throws -> PictureFolder { try PictureFolder.scan(folder.path, classes: 2) }

  private func cats() throws -> [String] {
    try scan().entries.filter { $0.label == 0 }.map { String($0.path.dropFirst("cats/".count)) }
  }

  private func failure() -> String {
    do {
      _ = try scan()
      return "no error"
    } catch {
      return "\(error)".replacingOccurrences(of: folder.path, with: "D")
    }
  }

  @Test(arguments: [
    "a.HEIC", "a.avif", "a", "a.jpg_large", "a.jpg~", "a.JPG", "a.jpg.part", "a.txt", "Thumbs.db",
  ])
  func aJPEGIsReadWhateverItsName(name: String) throws {
    try folder.write("cats/\(name)", jpeg(5))
    #expect(try cats().contains(name))
    let store = try PictureStore(
      folder: folder.path, entries: try scan().entries,
      decoder: PictureDecoder(PictureSettings(), height: 8, width: 8), threads: 1, memoryLimit: 0)
    #expect(store.check().isEmpty)
  }

  @Test(
    arguments: [
      ([0, 0, 0, 24] + Array("ftypheic".utf8), "a HEIC"),
      ([0, 0, 0, 24] + Array("ftypmif1".utf8), "a HEIC"),
      ([0, 0, 0, 24] + Array("ftypavif".utf8), "an AVIF"),
      ([0x89] + Array("PNG\r\n".utf8), "a PNG"), (Array("GIF89a".utf8), "a GIF"),
      (Array("RIFF....WEBPVP8 ".utf8), "a WebP"), (Array("II*\0".utf8), "a TIFF"),
      (Array("MM\0*".utf8), "a TIFF"), ([0xFF, 0x0A, 1], "a JPEG XL"),
      ([0, 0, 0, 12] + Array("JXL \r\n".utf8), "a JPEG XL"),
      ([0, 0, 0, 12] + Array("jP  \r\n".utf8), "a JPEG 2000"), (Array("8BPS".utf8), "a Photoshop"),
      (
        Array("BM".utf8) + [1, 2, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 9, 9], "a BMP"
      ),
      (Array("<svg xmlns=".utf8), "an SVG"),
    ] as [([UInt8], String)], ["picture.bin", "picture.jpg"])
  func anotherFormatIsNamed(_ file: (bytes: [UInt8], format: String), name: String) throws {
    try folder.write("cats/\(name)", file.bytes)
    let store = try PictureStore(
      folder: folder.path, entries: try scan().entries,
      decoder: PictureDecoder(PictureSettings(), height: 8, width: 8), threads: 1, memoryLimit: 0)
    #expect(
      store.check().map(\.error.description) == [
        "\(folder.path)/cats/\(name): \(file.format) file, not a JPEG: convert it to JPEG or take "
          + "it out"
      ])
  }

  @Test func otherFilesAreCountedInOneLine() throws {
    for (name, bytes) in [
      ("Thumbs.db", [0xD0, 0xCF]), ("notes.txt", Array("BM of cats".utf8)), ("empty", []),
      (".hidden.jpg", try jpeg()), ("film.mov", [0, 0, 0, 20] + Array("ftypqt  ".utf8)),
    ] as [(String, [UInt8])] {
      try folder.write("cats/\(name)", bytes)
      try folder.write("dogs/\(name)", bytes)
    }
    for name in [".DS_Store", "._cat.0.jpg"] { try folder.write("cats/\(name)", [0, 5, 22, 7]) }
    try folder.write("labels.csv", Array("a,b".utf8))
    #expect(mkfifo("\(folder.path)/cats/pipe", 0o644) == 0)
    #expect(try cats() == ["cat.0.jpg", "cat.1.jpg"])
    #expect(
      try scan().remarks == [
        "\(folder.path): 12 files hidden or no picture, and passed over: labels.csv, "
          + "cats/.hidden.jpg, cats/Thumbs.db, cats/empty, cats/film.mov and 7 more"
      ])
  }

  /// What has a picture's name is never passed over.
  @Test func emptyAndDamagedPicturesAreListed() throws {
    try folder.write("cats/empty.jpg", [])
    try folder.write("cats/garbage.HEIC", [1, 2, 3])
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder.path)/cats/gone", withDestinationPath: "/nowhere/cat")
    #expect(
      try cats() == ["cat.0.jpg", "cat.1.jpg", "empty.jpg", "garbage.HEIC", "gone"])
  }

  @Test func picturesBesideTheClassesAreNamed() throws {
    try folder.write("stray", jpeg())
    #expect(
      try scan().remarks == [
        "\(folder.path): 1 file beside the classes' folders: of no class, and left out: stray"
      ])
  }

  @Test(arguments: ["__MACOSX", "@eaDir", "lost+found", ".snapshot", "$RECYCLE.BIN"])
  func foldersThatAreNoClass(name: String) throws {
    try folder.write("\(name)/cat.0.jpg", [1])
    try folder.write("cats/\(name)/cat.0.jpg", [1])
    let scanned = try scan()
    #expect(scanned.classes == ["cats", "dogs"])
    #expect(scanned.entries.count == 4)
    #expect(try PictureFolder.allFiles(below: folder.path).paths.count == 4)
  }

  @Test func linksThatLeadNowhere() throws {
    let link = "\(folder.path)/foxes"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/nowhere")
    #expect(failure() == "D/foxes: a symbolic link to nothing: fix it or remove it")
    try FileManager.default.removeItem(atPath: link)
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "foxes")
    #expect(failure() == "D/foxes: a symbolic link to nothing: fix it or remove it")
    // One that leads to a folder is a class as others.
    try FileManager.default.removeItem(atPath: link)
    try FileManager.default.removeItem(atPath: "\(folder.path)/dogs")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "cats")
    #expect(try scan().classes == ["cats", "foxes"])
    let error = #expect(throws: PictureError.self) {
      try PictureFolder.scan("\(link)/nothing", classes: 2)
    }
    #expect(error?.reason == "no such folder")
    for part in ["train", "validation"] {
      try FileManager.default.createSymbolicLink(
        atPath: "\(folder.path)/\(part)", withDestinationPath: "/nowhere")
    }
    #expect(
      #expect(throws: PictureError.self) { try DataSet.scan(folder.path, classes: 2) }?.reason
        == "a symbolic link to nothing: fix it")
  }

  /// A run of before goes on: nothing has changed for a set of JPEGs with plain names.
  @Test func theDigestOfASetOfJPEGsIsAsItWas() throws {
    let scanned = try scan()
    let manifest = Manifest(
      classes: scanned.classes, training: scanned.entries, validation: scanned.entries)
    var text = "class cats\nclass dogs\n"
    for kind in ["training", "validation"] {
      for (label, name) in ["cats/cat.0", "cats/cat.1", "dogs/dog.0", "dogs/dog.1"].enumerated() {
        let file = try folder.read("\(name).jpg")
        text += "\(kind) \(label / 2) \(digest(file)) \(file.count) \(name).jpg\n"
      }
    }
    #expect("\(manifest.digest)" == digest(Array(text.utf8)))
    #expect(scanned.remarks == [])
  }

  @Test func namesThatAreNoUTF8() throws {
    let name: [UInt8] = [0x63, 0xE9] + Array(".jpg".utf8)
    let file = try jpeg(3)
    let path = Array("\(folder.path)/cats/".utf8) + name + [0]
    let descriptor = path.withUnsafeBytes {
      creat($0.baseAddress!.assumingMemoryBound(to: CChar.self), 0o644)
    }
    #expect(write(descriptor, file, file.count) == file.count)
    close(descriptor)
    let entry = try #require(try scan().entries.first { $0.bytes == file.count && $0.label == 0 })
    #expect(FileName.bytes(entry.path) == Array("cats/".utf8) + name)
    // The manifest travels to workers as JSON.
    let copy = try JSONDecoder().decode(ManifestEntry.self, from: JSONEncoder().encode(entry))
    #expect(FileName.bytes(copy.path) == FileName.bytes(entry.path))
    let store = try PictureStore(
      folder: folder.path, entries: [copy],
      decoder: PictureDecoder(PictureSettings(), height: 8, width: 8), threads: 0, memoryLimit: 0)
    #expect(store.check().isEmpty)
    try store.readFiles()
    let paths = try PictureFolder.allFiles(below: folder.path).paths
    #expect(paths.contains { FileName.bytes($0).suffix(name.count) == name[...] })
  }

  @Test(arguments: ["ca\nts", "ca\tts", "c\u{1B}[31m"])
  func classesThatNobodyCanPrint(name: String) throws {
    try folder.write("\(name)/cat.jpg", jpeg())
    #expect(failure().contains("a class's name must be text in UTF-8 and of one line"))
  }

  /// By bytes, f stands between the two forms.
  @Test func theOrderOfClassesIsThatOfNoUnicodeForm() throws {
    for form in ["e\u{301}", "\u{E9}"] {
      let place = try TemporaryFolder()
      try place.write("train/f/0.jpg", jpeg(1))
      try place.write("train/\(form)/0.jpg", jpeg(1))
      try place.write("validation/f/0.jpg", jpeg(1))
      try place.write("validation/\u{E9}/0.jpg", jpeg(1))
      let manifest = try DataSet.scan(place.path, classes: 2).manifest
      #expect(manifest.classes == ["f", "\u{E9}"])
      #expect(manifest.training[1].path.utf8.elementsEqual("train/\(form)/0.jpg".utf8))
    }
    let both = try TemporaryFolder()
    for name in ["e\u{301}", "\u{E9}"] { try both.write("\(name)/0.jpg", jpeg(1)) }
    let error = #expect(throws: PictureError.self) { try PictureFolder.scan(both.path, classes: 2) }
    #expect(error?.reason.contains("two Unicode forms") == true)
  }

  @Test func labelsSayTheOrder() throws {
    let scanned = try PictureFolder.scan(folder.path, classes: 2, labels: ["dogs": 0, "cats": 1])
    #expect(scanned.classes == ["dogs", "cats"])
    #expect(scanned.entries.map(\.label) == [0, 0, 1, 1])
    #expect(scanned.entries[0].path == "dogs/dog.0.jpg")
    #expect(throws: PictureError.self) {
      try PictureFolder.scan(folder.path, classes: 2, labels: ["dogs": 0, "foxes": 1])
    }
    try FileManager.default.removeItem(atPath: "\(folder.path)/cats")
    let one = try PictureFolder.scan(folder.path, classes: 2, labels: ["cats": 0, "dogs": 1])
    #expect(one.entries.map(\.label) == [1, 1])
  }

  @Test func allFilesBelowAFolderOnce() throws {
    try folder.write("dogs/more/very/deep.jpg", jpeg())
    try folder.write("a.txt", Array("text".utf8))
    try folder.write("cats-2.jpg", jpeg())
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder.path)/dogs/more/around", withDestinationPath: "../..")
    let found = try PictureFolder.allFiles(below: folder.path)
    #expect(
      found.paths.map { $0.dropFirst(folder.path.count + 1) } == [
        "cats-2.jpg", "cats/cat.0.jpg", "cats/cat.1.jpg", "dogs/dog.0.jpg", "dogs/dog.1.jpg",
        "dogs/more/very/deep.jpg",
      ])
    #expect(found.remarks.count == 1 && found.remarks[0].hasSuffix("passed over: a.txt"))
    try folder.write("none/a.txt", [])
    #expect(throws: PictureError(path: "\(folder.path)/none", "no picture is in it")) {
      try PictureFolder.allFiles(below: "\(folder.path)/none")
    }
  }
}
