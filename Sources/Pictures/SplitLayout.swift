import Primitives

/// Any folder of class folders, split into train, validation and test: each class in the same
/// shares.
public struct SplitLayout: Sendable {
  /// The parts of a hundred pictures.
  public struct Shares: Hashable, Sendable, LosslessStringConvertible {
    /// Training pictures.
    public let train: Int
    /// Validation pictures.
    public let validation: Int
    /// Test pictures; may be 0.
    public let test: Int

    /// 70, 15 and 15.
    public static let standard = Shares(train: 70, validation: 15, test: 15)

    private init(train: Int, validation: Int, test: Int) {
      (self.train, self.validation, self.test) = (train, validation, test)
    }

    /// From `70,15,15`; nil where that is not three whole numbers that make 100, or the first two
    /// are not at least 1.
    public init?(_ description: String) {
      let fields = description.split(separator: ",", omittingEmptySubsequences: false)
      let numbers = fields.compactMap { Int($0) }
      guard fields.count == 3, numbers.count == 3, numbers.allSatisfy({ (0...100).contains($0) }),
        numbers.reduce(0, +) == 100, numbers[0] > 0, numbers[1] > 0
      else { return nil }
      self.init(train: numbers[0], validation: numbers[1], test: numbers[2])
    }

    /// `70,15,15`.
    public var description: String { "\(train),\(validation),\(test)" }

    /// How many of `count` pictures each part is given: the nearest whole numbers, but at least one
    /// where the share is not 0.
    /// - Returns: nil where there are too few.
    func counts(of count: Int) -> (train: Int, validation: Int, test: Int)? {
      func part(_ share: Int) -> Int { share == 0 ? 0 : max(1, (count * share + 50) / 100) }
      guard count >= (test == 0 ? 2 : 3) else { return nil }
      var (validation, test) = (part(validation), part(test))
      // Of a few pictures rounding may leave none to train on.
      while validation + test >= count {
        if validation >= test { validation -= 1 } else { test -= 1 }
      }
      return (count - validation - test, validation, test)
    }
  }

  /// A class's pictures in one part.
  private struct Place {
    let part: String
    let name: String
    let pictures: [String]
  }

  /// Copies the pictures of `source`/CLASS, byte for byte, into `destination`/PART/CLASS.
  ///
  /// Which picture comes into which part depends on the seed, the class's place among the classes,
  /// and its pictures' names.
  /// - Parameters:
  ///   - source: a folder with one folder of pictures for each of two or more classes.
  ///   - destination: a new or empty folder.
  /// - Returns: a line for each class, and what was passed over, a line.
  /// - Throws: `PictureError`; then nothing is at `destination` that was not there before.
  public static func prepare(
    from source: String, to destination: String, _ shares: Shares, seed: UInt64
  ) throws(PictureError) -> (lines: [String], remarks: [String]) {
    let classes = try PictureFolder.classNames(in: source)
    guard classes.count > 1 else {
      let found = classes.isEmpty ? "no class" : "1 class (\(classes[0]))"
      throw PictureError(
        path: source, "\(found): there must be two or more subfolders, one a class")
    }
    var (places, lines, others): ([Place], [String], [String]) = ([], [], [])
    for (index, name) in classes.enumerated() {
      let files = try FolderFiles(inClass: "\(source)/\(name)")
      others += files.others.map { "\(name)/\($0)" }
      guard let counts = shares.counts(of: files.pictures.count) else {
        throw PictureError(
          path: "\(source)/\(name)",
          "too few pictures (\(files.pictures.count)) to have one in each part of \(shares)")
      }
      let order = CounterRandom(seed: seed, purpose: .split, UInt64(index))
        .permutation(files.pictures.count)
      var start = 0
      for (part, count) in [
        ("train", counts.train), ("validation", counts.validation), ("test", counts.test),
      ] where count > 0 {
        let numbers = order[start..<start + count].sorted()
        places.append(Place(part: part, name: name, pictures: numbers.map { files.pictures[$0] }))
        start += count
      }
      lines.append(
        "\(name): \(counts.train) training, \(counts.validation) validation, \(counts.test) test")
    }
    try StagedFolder.build(destination) { staged throws(PictureError) in
      for place in places {
        let folder = "\(staged)/\(place.part)/\(place.name)"
        try Folder.create(folder)
        for picture in place.pictures {
          let file = try FileBytes(path: "\(source)/\(place.name)/\(picture)")
          try FileBytes.write(file.bytes, to: "\(folder)/\(picture)")
        }
      }
    }
    return (lines, FolderFiles.note(passedOver: others, in: source))
  }
}
