import Engine
import KerasFiles
import Primitives
import Runs

/// The sums and times of one epoch, from which its record is made.
struct EpochTotals {
  /// Counted from 0.
  let epoch: Int
  /// Sums over the steps whose gradients are in the weights, in step order.
  private var training = Engine.Totals()
  /// The present update's totals by place; they are not in `training` yet.
  private var update: [Engine.Totals?] = []
  /// Totals by validation batch.
  private(set) var validation: [Engine.Totals?] = []
  /// Steps whose gradients are in the weights.
  private(set) var steps = 0
  /// When the epoch began.
  private(set) var began: Duration?
  /// When its last update was applied.
  var trained: Duration?
  /// What a checkpoint brought along.
  private var before = Before.timed(seconds: 0, training: 0)
  /// Time that was waited while the epoch was trained: for gradients here, and for weights by all
  /// workers together.
  private var awaited = (gradients: Duration.zero, weights: Duration.zero)
  /// The links' counts when the epoch began.
  private var bytes = (received: 0, sent: 0)

  /// The part of an epoch that was over before this coordinator began.
  private enum Before {
    /// It took so long, its training included.
    case timed(seconds: Double, training: Double)
    /// So many pictures: nobody knows what they took.
    case untimed(pictures: Int)

    var seconds: Double { if case .timed(let seconds, _) = self { seconds } else { 0 } }
    var training: Double { if case .timed(_, let training) = self { training } else { 0 } }
    var untimedPictures: Int { if case .untimed(let pictures) = self { pictures } else { 0 } }
  }

  /// An epoch of which nothing is done.
  init(epoch: Int) { self.epoch = epoch }

  /// An epoch that has come as far as `position` says.
  init(at position: RunPosition) {
    epoch = position.epochs
    training.loss = position.loss
    training.correct = position.correct
    training.count = position.count
    steps = position.steps
    if let seconds = position.seconds, let training = position.trainingSeconds {
      before = .timed(seconds: seconds, training: training)
    } else {
      before = .untimed(pictures: position.count)
    }
  }

  /// Its first work is given out.
  /// - Parameter isTrained: whether nothing but its validation is left: a checkpoint may lie there.
  mutating func begin(_ now: Duration, isTrained: Bool, bytesReceived: Int, bytesSent: Int) {
    began = now
    if isTrained { trained = now }
    bytes = (bytesReceived, bytesSent)
  }

  /// Adds a step at its place in an update of `count` steps.
  mutating func add(_ step: Engine.Totals, at place: Int, of count: Int) {
    if update.isEmpty { update = Array(repeating: nil, count: count) }
    update[place] = step
  }

  /// Adds time that the coordinator waited for what came next.
  mutating func addWait(_ time: Duration) {
    if began != nil, trained == nil { awaited.gradients += time }
  }

  /// Adds time that a worker waited before it could begin a step.
  mutating func addWait(ofWorker time: Duration) { awaited.weights += time }

  /// Adds a validation batch.
  mutating func add(_ totals: Engine.Totals, batch: Int, of count: Int) {
    if validation.isEmpty { validation = Array(repeating: nil, count: count) }
    validation[batch] = totals
  }

  /// Adds the update's totals in step order and forgets them.
  /// - Parameter penalty: what the decay of the weights that they are of adds to a picture's loss.
  mutating func commitUpdate(penalty: Double) {
    for var totals in update.compactMap({ $0 }) {
      totals.loss += penalty * Double(totals.count)
      training += totals
    }
    steps += update.count
    update = []
  }

  /// Forgets the update's totals.
  mutating func forgetUpdate() { update = [] }

  /// What the epoch comes to, for the user's eyes: sums in the order of arrival.
  func soFar() -> (steps: Int, totals: Engine.Totals) {
    var totals = training
    let present = update.compactMap { $0 }
    for one in present { totals += one }
    return (steps + present.count, totals)
  }

  /// Seconds from the epoch's beginning to `now`, those before a checkpoint included.
  private func seconds(now: Duration) -> Double {
    before.seconds + (now - (began ?? now)) / .seconds(1)
  }

  /// Seconds of training until `now` or the last update, those before a checkpoint included.
  private func trainingSeconds(now: Duration) -> Double {
    before.training + ((trained ?? now) - (began ?? now)) / .seconds(1)
  }

  /// Training pictures a second until `now` or the last update.
  func pace(now: Duration) -> Double {
    let seconds = trainingSeconds(now: now)
    return seconds > 0 ? Double(soFar().totals.count - before.untimedPictures) / seconds : 0
  }

  /// What the epoch came to, with the links' counts as they are now.
  /// - Parameters:
  ///   - classes: that the model tells apart.
  ///   - penalty: what the decay of its last weights adds to a picture's loss.
  ///   - rate: the learning rate of its last update.
  func record(
    classes: Int, penalty: Double, rate: Float, now: Duration, bytesReceived: Int, bytesSent: Int,
    workers: Int
  ) -> EpochRecord {
    var sums = Engine.Totals()
    for totals in validation { sums += totals ?? Engine.Totals() }
    let weightsAwaited: Double = awaited.weights / .seconds(1)
    return EpochRecord(
      epoch: epoch + 1, loss: training.means.loss, accuracy: training.means.accuracy,
      validationLoss: sums.means.loss + penalty, validationAccuracy: sums.means.accuracy,
      seconds: seconds(now: now), picturesPerSecond: pace(now: now),
      bytesReceived: bytesReceived - bytes.received, bytesSent: bytesSent - bytes.sent,
      gradientsAwaited: awaited.gradients / .seconds(1),
      weightsAwaited: weightsAwaited / Double(max(workers, 1)),
      learningRate: Double(rate),
      validationTopFive: classes > 5 ? Double(sums.amongFive) / Double(sums.count) : nil)
  }

  /// How far `run` has come, with so many updates in the weights.
  func position(run: Digest, updates: Int, now: Duration) -> RunPosition {
    RunPosition(
      run: run, epochs: epoch, steps: steps, updates: updates, loss: training.loss,
      correct: training.correct, count: training.count, seconds: seconds(now: now),
      trainingSeconds: trainingSeconds(now: now))
  }
}

extension Engine.Totals {
  /// Loss and accuracy as means over the pictures; nan without pictures.
  var means: (loss: Double, accuracy: Double) {
    (loss / Double(count), Double(correct) / Double(count))
  }
}
