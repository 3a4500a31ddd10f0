import ArgumentParser
import Foundation
import KerasFiles
import Pictures
import Runs

/// `dogsled plot`: the curves of runs.
struct Plot: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw the curves of a run, or of several in one picture.",
    discussion: """
      Without --output, one run's curves go into its folder, those of several into this one, as \
      curves.svg and curves.png. Of several, those without an epoch to draw are left out.

      Training is points, validation a line, both smoothed as the book does it: each is --smooth \
      of what was before and the rest of its own value. Beneath is a thin line of the validation \
      as it was, on which the best epoch is marked: the highest accuracy, the lowest loss.

      Example: dogsled plot runs/a runs/b --output both.png
      """)

  @Argument(help: "Run folders, or history.csv files.", completion: .directory)
  var runs: [String]

  @Option(
    help: ArgumentHelp("The picture to write: .svg or .png.", valueName: "file"),
    completion: .file(extensions: ["svg", "png"]))
  var output: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How much of what was before is in each point, 0 (nothing) to 0.99.", valueName: "f"))
  var smooth = 0.8

  func validate() throws {
    guard (0...0.99).contains(smooth) else {
      throw ValidationError("--smooth must be from 0 to 0.99, not \(smooth)")
    }
    if let output, Curves.Format(output) == nil {
      throw ValidationError("--output \(output): curves are drawn as .svg or .png")
    }
  }

  func run() throws {
    let drawn = try runs.count == 1 ? [history(of: runs[0])] : drawable()
    let names = drawn.map { URL(fileURLWithPath: $0.run).lastPathComponent }
    let labels = Set(names).count == names.count ? names : drawn.map(\.run)
    let curves = Curves(
      zip(labels, drawn).map { (name: FileName.shown($0), history: $1.history) },
      smoothing: smooth)
    let folder = runs.count == 1 && PictureFolder.exists(runs[0]) ? runs[0] + "/" : ""
    let paths = output.map { [$0] } ?? [folder + "curves.svg", folder + "curves.png"]
    for path in paths { try curves.write(to: path) }
    drawn.forEach { nameBest(of: $0.run) }
    try emit(paths.joined(separator: "\n"))
  }

  /// Says which epoch a run has kept as its best, where it has.
  private func nameBest(of run: String) {
    guard let best = try? ModelFile(reading: run + "/best.h5").best else { return }
    log(
      String(
        format: "%@: best.h5 is of epoch %d, val_loss %.4f, val_acc %.4f",
        FileName.shown(run, doublingBackslashes: false), best.epoch, best.validationLoss,
        best.validationAccuracy))
  }

  /// Those of several runs that have something to draw; the others are named on standard error.
  /// - Throws: `Failure` where there is none.
  private func drawable() throws -> [(run: String, history: History)] {
    let drawn = runs.compactMap { run in
      do {
        return try history(of: run)
      } catch {
        log(FileName.shown("\(error); left out", doublingBackslashes: false))
        return nil
      }
    }
    guard !drawn.isEmpty else {
      throw Failure("none of the \(runs.count) runs has a finished epoch to draw")
    }
    return drawn
  }

  private func history(of run: String) throws -> (run: String, history: History) {
    let isFolder = PictureFolder.exists(run)
    let path = isFolder ? run + "/history.csv" : run
    guard FileManager.default.fileExists(atPath: path) || path == run else {
      throw Failure("\(run): no run's folder: there is no history.csv in it")
    }
    let history = try History(reading: path, followingLinks: !isFolder)
    guard !history.records.isEmpty else {
      throw Failure("\(path): no epoch is over yet: there is nothing to draw")
    }
    return (run, history)
  }
}
