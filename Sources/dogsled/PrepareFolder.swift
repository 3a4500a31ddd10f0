import ArgumentParser
import Pictures

/// Any folder of class folders into train, validation and test.
struct PrepareFolder: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "folder",
    abstract: "Split any folder of class folders.",
    discussion: """
      SOURCE has one folder of JPEGs for each class. They are copied into
      DEST/{train,validation,test}/CLASS, of each class the same shares, drawn by the seed.
      A source that is itself called folder is written ./folder without this word.

      Example: dogsled prepare folder flowers split --split 80,10,10
      """)

  @Argument(help: "The folder with the classes' folders.", completion: .directory)
  var source: String

  @Argument(help: "A new or empty folder.", completion: .directory)
  var dest: String

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Training, validation and test pictures of a hundred: whole numbers that make 100; test may "
        + "be 0.", valueName: "t,v,e"),
    transform: { text in
      guard let shares = SplitLayout.Shares(text) else {
        throw ValidationError(
          "three whole numbers that make 100, the first two at least 1, as 70,15,15")
      }
      return shares
    })
  var split = SplitLayout.Shares.standard

  @Option(parsing: .unconditional, help: "Random seed of the split.")
  var seed: UInt64 = 1

  func run() throws {
    let (lines, remarks) = try SplitLayout.prepare(from: source, to: dest, split, seed: seed)
    remarks.forEach(log)
    try emit(lines.joined(separator: "\n"))
  }
}
