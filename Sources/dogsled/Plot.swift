import ArgumentParser
import Foundation
import Training

/// `dogsled plot`: the curves of runs.
struct Plot: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw the curves of a run, or of several in one picture.",
    discussion: """
      Without --output, one run's curves go into its folder, those of several into this one, as \
      curves.svg and curves.png.

      Example: dogsled plot runs/a runs/b --output both.png
      """)

  @Argument(help: "Run folders, or history.csv files.", completion: .directory)
  var runs: [String]

  @Option(
    help: ArgumentHelp("The picture to write: .svg or .png.", valueName: "file"),
    completion: .file(extensions: ["svg", "png"]))
  var output: String?

  func validate() throws {
    if let output, Curves.Format(output) == nil {
      throw ValidationError("--output \(output): curves are drawn as .svg or .png")
    }
  }

  func run() throws {
    let histories = try runs.map { run in
      let path = Self.isFolder(run) ? run + "/history.csv" : run
      let history = try History(reading: path)
      guard !history.records.isEmpty else {
        throw Failure("\(path): no epoch is over yet: there is nothing to draw")
      }
      return history
    }
    let names = runs.map { URL(fileURLWithPath: $0).lastPathComponent }
    let curves = Curves(
      zip(Set(names).count == names.count ? names : runs, histories).map { (name: $0, history: $1) }
    )
    let folder = runs.count == 1 && Self.isFolder(runs[0]) ? runs[0] + "/" : ""
    for path in output.map({ [$0] }) ?? [folder + "curves.svg", folder + "curves.png"] {
      try curves.write(to: path)
      try emit(path)
    }
  }

  private static func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && isFolder.boolValue
  }
}
