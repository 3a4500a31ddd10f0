import ArgumentParser

/// What somebody means who mistyped a name, or uses that of another program.
enum Suggestion {
  /// Names of Keras, PyTorch and the like that no spelling leads from to ours.
  private static let others = [
    "lr": "learning-rate", "bs": "batch-size", "size": "input-size", "image-size": "input-size",
    "target-size": "input-size", "n-epochs": "epochs", "num-epochs": "epochs",
    "max-epochs": "epochs", "num-workers": "workers", "nproc": "workers", "num-threads": "threads",
    "jobs": "threads", "random-seed": "seed", "out": "run", "output-dir": "run",
    "save-freq": "checkpoint-every", "weights": "model", "augmentation": "augment",
    "rotation_range": "rotation", "width_shift_range": "width-shift",
    "height_shift_range": "height-shift", "shear_range": "shear", "zoom_range": "zoom",
    "brightness_range": "brightness",
    "fit": "train", "test": "evaluate", "eval": "evaluate", "score": "evaluate",
    "infer": "predict", "classify": "predict", "serve": "coordinator", "server": "coordinator",
    "master": "coordinator", "client": "worker", "benchmark": "bench", "draw": "plot",
    "hash": "digest", "split": "prepare",
  ]

  /// A usage error with what was perhaps meant.
  /// - Parameters:
  ///   - line: what ArgumentParser says.
  ///   - hint: where it sends the user, as `dogsled train --help`.
  static func mended(_ line: String, hint: String?) -> String {
    let quoted = line.split(separator: "'", omittingEmptySubsequences: false)
    guard let hint, quoted.count > 2 else { return line }
    let given = String(quoted[1])
    var command: any ParsableCommand.Type = Dogsled.self
    for word in hint.split(separator: " ").dropFirst().dropLast() {
      command = command.configuration.subcommands.first { name(of: $0) == word } ?? command
    }
    if line.hasPrefix("Unknown option '--") {
      let help = Dogsled.helpMessage(for: command, columns: 200)
      let options = help.matches(of: /--([a-z][a-z-]*)/).map { String($0.1) }
      let meant = nearest(to: String(given.dropFirst(2)), in: options)
      return "Unknown option '\(given)'" + (meant.map { ". Did you mean '--\($0)'?" } ?? "")
    }
    let verbs = command.configuration.subcommands.map(name)
    guard line.contains("nexpected argument"), !verbs.isEmpty else { return line }
    let meant = nearest(to: given, in: verbs)
    return "'\(given)' is no verb. "
      + (meant.map { "Did you mean '\($0)'?" } ?? "There are \(verbs.joined(separator: ", "))")
  }

  private static func name(of command: any ParsableCommand.Type) -> String {
    command.configuration.commandName ?? "\(command)".lowercased()
  }

  /// The name that is meant by another program's, a beginning, or a slip of the finger.
  private static func nearest(to given: String, in names: [String]) -> String? {
    if let other = others[given], names.contains(other) { return other }
    if given.count > 2, let longer = names.first(where: { $0.hasPrefix(given) }) { return longer }
    let distances = names.map { (name: $0, distance: distance(Array(given), Array($0))) }
    let least = distances.min { $0.distance < $1.distance }
    return least.flatMap { $0.distance <= 1 + given.count / 5 ? $0.name : nil }
  }

  /// Letters to insert, leave out, change or swap with their neighbour.
  private static func distance(_ a: [Character], _ b: [Character]) -> Int {
    var rows = [Array(0...b.count)]
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var least = min(row[j] + 1, rows[i][j + 1] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
          least = min(least, rows[i - 1][j - 1] + 1)
        }
        row.append(least)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}
