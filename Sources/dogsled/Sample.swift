import ArgumentParser
import Pictures

/// A small data set of drawn pictures.
struct Sample: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw a small data set of animals to try Dogsled on.",
    discussion: """
      Writes JPEG files into DEST/{train,validation,test}/{cats,dogs} and prints how many there
      are; --kinds 3 adds birds, --kinds 4 also fish. The same seed draws the same pictures.

      Example: dogsled sample drawn && dogsled train drawn --epochs 5
      """)

  @Argument(help: "A new or empty folder.", completion: .directory)
  var dest: String

  @Option(parsing: .unconditional, help: "Training pictures of each class.")
  var train = 500

  @Option(parsing: .unconditional, help: "Validation pictures of each class.")
  var validation = 150

  @Option(parsing: .unconditional, help: "Test pictures of each class.")
  var test = 150

  @Option(parsing: .unconditional, help: "Kinds of animals, 2 to 4: classes of the data set.")
  var kinds = 2

  @Option(parsing: .unconditional, help: "Random seed of the drawings.")
  var seed: UInt64 = 1

  private var counts: BookLayout.Counts {
    BookLayout.Counts(train: train, validation: validation, test: test)
  }

  func validate() throws {
    if let problem = counts.problem { throw ValidationError(problem) }
    guard (2...BookLayout.kinds.count).contains(kinds) else {
      throw ValidationError(
        "--kinds must be from 2 to \(BookLayout.kinds.count), not \(kinds): there are "
          + BookLayout.kinds.joined(separator: ", "))
    }
  }

  func run() throws {
    try emit(BookLayout.sample(to: dest, counts, kinds: kinds, seed: seed).joined(separator: "\n"))
  }
}
