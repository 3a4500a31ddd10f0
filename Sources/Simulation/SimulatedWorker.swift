import Training

/// A worker's process, while it runs.
final class SimulatedWorker {
  let number: Int
  /// Counts its processes.
  var incarnation = 0
  /// Nil while no process runs.
  var host: WorkerHost?
  var connection: SimulatedConnection?
  /// What came while it computed or stood still.
  var inbox: [WorkerInput] = []
  var isComputing = false
  var isHanging = false
  /// What was due while it stood still.
  var isComputed = false
  var slowness = 1.0
  /// Whether a bit of its next gradient will be wrong.
  var miscomputes = false
  /// Whether a float of its next gradient will be no number.
  var losesNumber = false
  /// Whether a bit of its weights will be wrong after the next update.
  var strays = false
  /// Whether the totals that it says next will be wrong.
  var lies = false

  init(_ number: Int) { self.number = number }
}
