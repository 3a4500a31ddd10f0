/// The folders of the book's data set: train, validation and test, each with cats and dogs, and
/// drawn pictures also of more animals.
///
/// The layout of F. Chollet, "Deep Learning with Python", section 5.2.
public struct BookLayout: Sendable {
  /// How many pictures of each class a part holds.
  public struct Counts: Sendable, Equatable {
    /// Training pictures a class.
    public var train: Int
    /// Validation pictures a class.
    public var validation: Int
    /// Test pictures a class; may be 0.
    public var test: Int

    /// Counts as given.
    public init(train: Int, validation: Int, test: Int) {
      (self.train, self.validation, self.test) = (train, validation, test)
    }

    /// What is wrong with the counts; nil where they can be used.
    public var problem: String? {
      if train < 1 || validation < 1 || test < 0 {
        return "there must be at least 1 training, 1 validation and 0 test pictures a class"
      }
      return max(train, validation, test) > 1_000_000 ? "more than a million pictures" : nil
    }

    var all: Int { train + validation + test }
  }

  /// One class of one part.
  struct Place {
    let part: String
    let partTitle: String
    let animal: Animal.Kind
    /// The pictures' numbers, `animal`.NUMBER.jpg.
    let numbers: Range<Int>

    /// Relative to the data folder.
    var folder: String { "\(part)/\(animal.folder)" }

    func name(_ number: Int) -> String { "\(animal.name).\(number).jpg" }
  }

  /// The animals that `prepare` and `sample` know, in the order of the kinds.
  public static var kinds: [String] { Animal.Kind.allCases.map(\.folder) }

  /// The places of the first `kinds` animals, in the order in which the book counts them.
  static func places(_ counts: Counts, kinds: Int = 2) -> [Place] {
    var places: [Place] = []
    var start = 0
    for (part, title, count) in [
      ("train", "training", counts.train), ("validation", "validation", counts.validation),
      ("test", "test", counts.test),
    ] {
      for animal in Animal.Kind.allCases.prefix(kinds) {
        places.append(
          Place(
            part: part, partTitle: title, animal: animal, numbers: start..<start + count))
      }
      start += count
    }
    return places
  }

  /// Counts the files in `folder`, as the book does after it has copied them.
  static func report(_ folder: String, kinds: Int = 2) throws(PictureError) -> [String] {
    var lines: [String] = []
    for place in places(Counts(train: 0, validation: 0, test: 0), kinds: kinds) {
      let count = try Folder.list("\(folder)/\(place.folder)").count
      lines.append("total \(place.partTitle) \(place.animal.name) images: \(count)")
    }
    return lines
  }
}

extension BookLayout {
  /// Copies Kaggle's photographs of dogs and cats, byte for byte, into the book's folders:
  /// cat.0.jpg and so on into train, the next ones into validation, the next into test.
  ///
  /// - Parameters:
  ///   - source: the folder with `cat.0.jpg`, or the one above it that has it in `train`.
  ///   - destination: a new or empty folder.
  ///   - counts: at least 1, 1 and 0.
  /// - Returns: six lines, `total training cat images: 1000` and so on.
  /// - Throws: `PictureError`; then nothing is at `destination` that was not there before.
  public static func prepare(
    from source: String, to destination: String, _ counts: Counts
  ) throws(PictureError) -> [String] {
    let photographs = try folder(in: source)
    let places = places(counts)
    var missing: [String] = []
    for place in places {
      let names = place.numbers.map(place.name)
      missing += names.filter { !Folder.exists("\(photographs)/\($0)") }
    }
    guard missing.isEmpty else {
      let shown = missing.prefix(10).joined(separator: ", ")
      let more = missing.count > 10 ? " and \(missing.count - 10) more" : ""
      throw PictureError(
        path: photographs,
        "\(missing.count) of \(counts.all * 2) pictures are missing: \(shown)\(more)")
    }
    try StagedFolder.build(destination) { staged throws(PictureError) in
      for place in places {
        try Folder.create("\(staged)/\(place.folder)")
        for number in place.numbers {
          let file = try FileBytes(path: "\(photographs)/\(place.name(number))")
          try FileBytes.write(
            file.bytes, to: "\(staged)/\(place.folder)/\(place.name(number))")
        }
      }
    }
    return try report(destination)
  }

  private static func folder(in source: String) throws(PictureError) -> String {
    _ = try Folder.list(source)
    let places = [source, "\(source)/train"]
    if let found = places.first(where: { Folder.exists("\($0)/cat.0.jpg") }) { return found }
    throw PictureError(
      path: source,
      "neither cat.0.jpg nor train/cat.0.jpg is in it: give the unpacked folder of Kaggle's "
        + "\"Dogs vs. Cats\" photographs")
  }
}
