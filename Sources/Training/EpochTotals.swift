import Engine
import KerasFiles

/// The sums and times of one epoch, from which its record is made.
struct EpochTotals {
  /// Sums over the steps whose gradients are in the weights, in step order.
  var training = Engine.Totals()
  /// The present update's totals by place; they are not in `training` yet.
  var update: [Engine.Totals?] = []
  /// Totals by validation batch.
  var validation: [Engine.Totals?] = []
  /// Steps whose gradients are in the weights.
  var steps = 0
  /// When the epoch began.
  var began: Duration?
  /// When its last update was applied.
  var trained: Duration?
  /// What a checkpoint says that the epoch had taken, and its training; nil where it does not say.
  private var before: (seconds: Double, training: Double)?
  /// Pictures that a checkpoint without times brought along: nobody knows what they took.
  private var picturesBefore = 0
  /// The links' counts when the epoch began.
  var bytesReceived = 0
  var bytesSent = 0

  /// An epoch that has come as far as `position` says.
  init(at position: RunPosition) {
    training.loss = position.loss
    training.correct = position.correct
    training.count = position.count
    steps = position.steps
    if let seconds = position.seconds, let training = position.trainingSeconds {
      before = (seconds, training)
    } else {
      picturesBefore = position.count
    }
  }

  /// Adds the update's totals in step order and forgets them.
  mutating func commitUpdate() {
    for totals in update { training += totals ?? Engine.Totals() }
    steps += update.count
    update = []
  }

  /// What the epoch comes to, for the user's eyes: sums in the order of arrival.
  func soFar() -> (steps: Int, totals: Engine.Totals) {
    var totals = training
    let present = update.compactMap { $0 }
    for one in present { totals += one }
    return (steps + present.count, totals)
  }

  /// Seconds from the epoch's beginning to `now`, those before a checkpoint included.
  func seconds(now: Duration) -> Double {
    (before?.seconds ?? 0) + (now - (began ?? now)) / .seconds(1)
  }

  /// Seconds of training until `now` or the last update, those before a checkpoint included.
  func trainingSeconds(now: Duration) -> Double {
    (before?.training ?? 0) + ((trained ?? now) - (began ?? now)) / .seconds(1)
  }

  /// Training pictures a second until `now` or the last update.
  func pace(now: Duration) -> Double {
    let seconds = trainingSeconds(now: now)
    return seconds > 0 ? Double(soFar().totals.count - picturesBefore) / seconds : 0
  }
}

extension Engine.Totals {
  /// Loss and accuracy as means over the pictures; nan without pictures.
  var means: (loss: Double, accuracy: Double) {
    (loss / Double(count), Double(correct) / Double(count))
  }
}
