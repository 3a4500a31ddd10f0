import ArgumentParser
import Pictures

/// A small data set of drawn pictures.
struct Sample: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw a small data set of cats and dogs to try Dogsled on.",
    discussion: """
      Writes JPEG files into DEST/{train,validation,test}/{cats,dogs} and prints how many there
      are. The same seed draws the same pictures.

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

  @Option(parsing: .unconditional, help: "Random seed of the drawings.")
  var seed: UInt64 = 1

  private var counts: BookLayout.Counts {
    BookLayout.Counts(train: train, validation: validation, test: test)
  }

  func validate() throws {
    if let problem = counts.problem { throw ValidationError(problem) }
  }

  func run() throws {
    try emit(BookLayout.sample(to: dest, counts, seed: seed).joined(separator: "\n"))
  }
}
