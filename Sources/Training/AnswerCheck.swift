// Whether an answer can be right, looked at before the rules hear of it.

import Coordination
import Engine
import Pictures
import Wire

extension BatchPlan {
  /// The totals that an answer names, step by step.
  /// - Throws: `AnswerFault` where they cannot be right, or there are no such steps.
  package func totals(of header: GradientHeader) throws(AnswerFault) -> [Engine.Totals] {
    var all: [Engine.Totals] = []
    for (index, totals) in header.totals.enumerated() {
      all.append(
        try self.totals(
          of: .step(header.step + index), loss: totals.loss, correct: totals.correct,
          count: totals.count))
    }
    return all
  }

  /// The totals that an answer to one batch names.
  /// - Throws: `AnswerFault` where they cannot be right, or there is no such batch.
  package func totals(
    of unit: WorkUnit, loss: Double, correct: Int, amongFive: Int = 0, count: Int
  ) throws(AnswerFault) -> Engine.Totals {
    guard let expected = pictures(of: unit) else {
      throw .impossible("its answer is to \(unit), which there is not")
    }
    guard count == expected else {
      throw .impossible("its answer to \(unit) is for \(count) pictures, not \(expected)")
    }
    guard (0...count).contains(correct) else {
      throw .impossible("its answer to \(unit) has \(correct) of \(count) pictures right")
    }
    // Of no more than five classes it is not counted.
    guard amongFive == 0 || (correct...count).contains(amongFive) else {
      throw .impossible(
        "its answer to \(unit) has \(correct) pictures right, and \(amongFive) of \(count) among "
          + "the first five")
    }
    // A picture's loss is at most its logit, a `Float`, and a little more.
    let most = Double(count) * (Double(Float.greatestFiniteMagnitude) + 1)
    guard !loss.isFinite || (0...most).contains(loss) else {
      throw .impossible("its answer to \(unit) has a loss of \(loss)")
    }
    var totals = Engine.Totals()
    (totals.loss, totals.correct, totals.count) = (loss, correct, count)
    totals.amongFive = amongFive
    return totals
  }

  /// How many pictures a batch has, whatever number a peer may name; nil where there is none, and
  /// for a unit of several.
  ///
  /// It does not permute them, which would be work that any peer could cause.
  package func pictures(of unit: WorkUnit) -> Int? {
    switch unit {
    case .steps(let steps):
      guard let step = steps.first, steps.count == 1, step >= 0, trainingCount > 0 else {
        return nil
      }
      return min(batchSize, trainingCount - step % batchesPerPass * batchSize)
    case .validation(let batch):
      guard (0..<validationBatches).contains(batch) else { return nil }
      return validation(batch: batch).count
    }
  }
}
