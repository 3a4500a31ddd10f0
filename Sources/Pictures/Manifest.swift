import Primitives

/// One picture of a data set.
public struct ManifestEntry: Codable, Hashable, Sendable {
  /// Relative to the data folder, for example `train/cats/cat.0.jpg`; as `FileName` writes it.
  public var path: String
  /// The index of its class.
  public var label: Int
  /// Of the file's bytes; of no bytes where the file could not be read.
  public var digest: Digest
  /// The file's size.
  public var bytes: Int

  /// An entry as given.
  public init(path: String, label: Int, digest: Digest, bytes: Int) {
    (self.path, self.label, self.digest, self.bytes) = (path, label, digest, bytes)
  }

  /// Whether `file` is the one that the entry describes.
  func describes(_ file: FileBytes) -> Bool {
    file.bytes.count == bytes && file.digest == digest
  }

  /// - Throws: `DecodingError` for a path that would lead out of the data folder.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    path = try values.decode(String.self, forKey: .path)
    label = try values.decode(Int.self, forKey: .label)
    digest = try values.decode(Digest.self, forKey: .digest)
    bytes = try values.decode(Int.self, forKey: .bytes)
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.allSatisfy({ !["", ".", ".."].contains($0) }), !path.contains("\0") else {
      throw DecodingError.dataCorruptedError(
        forKey: .path, in: values, debugDescription: "the path leads out of the data folder")
    }
  }
}

/// What a run trains on: every picture in its fixed order, by digest.
public struct Manifest: Codable, Hashable, Sendable {
  /// The names of the classes, in the order of their labels.
  public var classes: [String]
  /// The training pictures, by class and name.
  public var training: [ManifestEntry]
  /// The validation pictures, by class and name.
  public var validation: [ManifestEntry]

  /// A manifest as given.
  public init(classes: [String], training: [ManifestEntry], validation: [ManifestEntry]) {
    (self.classes, self.training, self.validation) = (classes, training, validation)
  }

  /// - Throws: `DecodingError` for a label that is no class's.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    classes = try values.decode([String].self, forKey: .classes)
    training = try values.decode([ManifestEntry].self, forKey: .training)
    validation = try values.decode([ManifestEntry].self, forKey: .validation)
    guard (training + validation).allSatisfy({ classes.indices.contains($0.label) }) else {
      throw DecodingError.dataCorruptedError(
        forKey: .classes, in: values, debugDescription: "a label is no class's")
    }
  }

  /// Of the classes and of all paths, labels, sizes and digests in their order: equal where two
  /// data sets are.
  public var digest: Digest {
    var hasher = DigestHasher()
    func add(_ line: String, _ hasher: inout DigestHasher) {
      var text = line + "\n"
      text.withUTF8 { hasher.update(UnsafeRawBufferPointer($0)) }
    }
    for name in classes { add("class \(name)", &hasher) }
    for (kind, entries) in [("training", training), ("validation", validation)] {
      for entry in entries {
        add("\(kind) \(entry.label) \(entry.digest) \(entry.bytes) \(entry.path)", &hasher)
      }
    }
    return hasher.finish()
  }

  /// The same pictures without those at the given indices.
  public func leavingOut(training left: Set<Int>, validation leftOut: Set<Int>) -> Manifest {
    func kept(_ entries: [ManifestEntry], _ left: Set<Int>) -> [ManifestEntry] {
      entries.enumerated().filter { !left.contains($0.offset) }.map(\.element)
    }
    return Manifest(
      classes: classes, training: kept(training, left), validation: kept(validation, leftOut))
  }

  /// What differs from `earlier`, in one line: `of 3000 files 1 changed, 1 missing, 0 new:
  /// train/cats/cat.0.jpg has other bytes, train/cats/cat.1.jpg is missing`; at most three files
  /// are named.
  public func changes(since earlier: Manifest) -> String {
    func files(_ manifest: Manifest) -> [String: ManifestEntry] {
      Dictionary(
        (manifest.training + manifest.validation).map { ($0.path, $0) }, uniquingKeysWith: { $1 })
    }
    let (old, new) = (files(earlier), files(self))
    let changed = old.filter { path, entry in
      new[path].map { $0.digest != entry.digest } ?? false
    }.keys.sorted()
    let missing = Set(old.keys).subtracting(new.keys).sorted()
    let added = Set(new.keys).subtracting(old.keys).sorted()
    let changes =
      changed.map { "\($0) has other bytes" } + missing.map { "\($0) is missing" }
      + added.map { "\($0) is new" }
    guard !changes.isEmpty else { return "the classes or their order differ" }
    let more = changes.count > 3 ? ", and \(changes.count - 3) more" : ""
    return "of \(old.count) files \(changed.count) changed, \(missing.count) missing, "
      + "\(added.count) new: " + changes.prefix(3).joined(separator: ", ") + more
  }
}
