import ArgumentParser
import Pictures

/// Photographs into folders for training, validation and test.
struct Prepare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prepare",
    abstract: "Split photographs into train, validation and test.",
    discussion: """
      prepare SOURCE DEST splits Kaggle's Dogs vs. Cats photographs as the book does; prepare \
      folder SOURCE DEST splits any folder of class folders.

      Example: dogsled prepare dogs-vs-cats cats_and_dogs_small
      """,
    subcommands: [PrepareBook.self, PrepareFolder.self], defaultSubcommand: PrepareBook.self)
}

/// The Kaggle folder into the book's folders.
struct PrepareBook: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "as-book",
    abstract: "Split Kaggle's Dogs vs. Cats photographs as the book does.",
    discussion: """
      Copies cat.0.jpg, dog.0.jpg and so on from SOURCE, or from its train folder, into
      DEST/{train,validation,test}/{cats,dogs} and prints how many there are.

      Example: dogsled prepare dogs-vs-cats cats_and_dogs_small
      """)

  @Argument(help: "The unpacked Kaggle folder.", completion: .directory)
  var source: String

  @Argument(help: "A new or empty folder.", completion: .directory)
  var dest: String

  @Option(parsing: .unconditional, help: "Training pictures of each class.")
  var train = 1000

  @Option(parsing: .unconditional, help: "Validation pictures of each class.")
  var validation = 500

  @Option(parsing: .unconditional, help: "Test pictures of each class.")
  var test = 500

  private var counts: BookLayout.Counts {
    BookLayout.Counts(train: train, validation: validation, test: test)
  }

  func validate() throws {
    if let problem = counts.problem { throw ValidationError(problem) }
  }

  func run() throws {
    try emit(BookLayout.prepare(from: source, to: dest, counts).joined(separator: "\n"))
  }
}
