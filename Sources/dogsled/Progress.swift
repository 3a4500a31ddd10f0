// How a run shows itself: on a terminal one live line for the epoch, elsewhere a plain line an
// epoch. Results go to standard output, notes to standard error.

import Foundation
import Runs
import Training

/// Prints what a coordinator reports; one thread at a time.
final class ProgressPrinter {
  private let epochs: Int
  private let showsRate: Bool
  /// Whether standard output shows a line that is written over: a terminal that takes escapes.
  private let showsLiveLine =
    isatty(STDOUT_FILENO) == 1
    && !["", "dumb"].contains(ProcessInfo.processInfo.environment["TERM"] ?? "")
  private var liveLine = false
  private var lastDraw: ContinuousClock.Instant?

  /// For a run of these values.
  init(_ values: Hyperparameters) {
    epochs = values.epochs
    showsRate = values.changesRate
  }

  /// Prints a report.
  func show(_ report: TrainingReport) {
    switch report {
    case .note(let note):
      clear()
      log(note.description)
    case .progress(let progress): draw(progress)
    case .epoch(let record):
      clear()
      write(Self.line(record, epochs: epochs, showsRate: showsRate) + "\n")
    }
  }

  /// One plain line for an epoch.
  /// - Parameter showsRate: whether the learning rate is in it.
  static func line(_ record: EpochRecord, epochs: Int, showsRate: Bool) -> String {
    var parts = [
      "epoch \(record.epoch)/\(epochs)", String(format: "loss %.4f", record.loss),
      String(format: "acc %.4f", record.accuracy),
    ]
    if !record.validationLoss.isNaN {
      parts.append(String(format: "val_loss %.4f", record.validationLoss))
      parts.append(String(format: "val_acc %.4f", record.validationAccuracy))
    }
    if let share = record.validationTopFive { parts.append(String(format: "val_top5 %.4f", share)) }
    if showsRate, let rate = record.learningRate {
      parts.append(String(format: "rate %.3g", rate))
    }
    parts.append(String(format: "%.1f s", record.seconds))
    parts.append(String(format: "%.0f pictures/s", record.picturesPerSecond))
    if record.bytesReceived > 0 {
      parts.append(
        String(
          format: "waited %.1f s for gradients, a worker %.1f s for weights",
          record.gradientsAwaited, record.weightsAwaited))
    }
    return parts.joined(separator: "  ")
  }

  /// The live line, at most `columns` wide.
  static func live(_ progress: TrainingProgress, columns: Int) -> String {
    var parts = [
      "\(progress.steps)/\(progress.stepsPerEpoch)",
      String(format: "%.0f pictures/s", progress.picturesPerSecond),
      String(format: "loss %.3f", progress.loss), String(format: "acc %.3f", progress.accuracy),
    ]
    if progress.validated > 0 {
      parts.append("validating \(progress.validated)/\(progress.validationBatches)")
    } else if let left = progress.secondsLeft {
      parts.append(String(format: "%.0f s left", left))
    }
    parts.append(counted(progress.workers, "worker"))
    let (head, tail) = (
      "epoch \(progress.epoch)/\(progress.epochs) ", parts.joined(separator: "  ")
    )
    // The bar takes the room that is left.
    let width = min(20, columns - head.count - tail.count - 3)
    guard width >= 4 else { return String((head + tail).prefix(columns)) }
    let filled = width * progress.steps / max(progress.stepsPerEpoch, 1)
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
    return "\(head)[\(bar)] \(tail)"
  }

  private func draw(_ progress: TrainingProgress) {
    let now = ContinuousClock.now
    guard showsLiveLine, lastDraw.map({ now - $0 >= .milliseconds(100) }) ?? true else { return }
    lastDraw = now
    write("\r\(Self.live(progress, columns: Self.columns - 1))\u{1B}[K")
    liveLine = true
  }

  private func clear() {
    if liveLine { write("\r\u{1B}[K") }
    liveLine = false
  }

  private func write(_ text: String) {
    // A run goes on where nobody can see it; what it leaves behind is in its folder.
    try? FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
  }

  private static var columns: Int {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }
}
