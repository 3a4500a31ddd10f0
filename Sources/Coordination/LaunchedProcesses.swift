/// The worker processes that the program launched itself: workers 1, 2 and so on.
struct LaunchedProcesses: Sendable {
  /// Their numbers as workers, by those that their processes were given.
  private let numbers: [UInt64: Int]
  /// Those that have not ended, by number.
  private var living: Set<Int>
  /// Why they were put out, those that were, by number.
  private var faults: [Int: String] = [:]
  /// Why the last of them was turned away.
  private var lastRefusal: String?
  /// How a run would end with the last of them that ended; nil while all live.
  private var lastExit: RunEnding?

  /// Processes with these numbers of their own; none for a coordinator that workers join from
  /// elsewhere.
  init(_ processes: [UInt64]) {
    numbers = Dictionary(zip(processes, 1...)) { first, _ in first }
    living = Set(processes.indices.map { $0 + 1 })
    count = processes.count
  }

  /// How many there were.
  let count: Int
  /// How many have not ended.
  var livingCount: Int { living.count }
  /// Whether there were some, and all have ended.
  var haveEnded: Bool { count > 0 && living.isEmpty }

  /// The worker that this process is; nil for one from elsewhere.
  func number(of process: WorkerProcess) -> Int? { numbers[process.number] }

  /// The worker, if it is one of them, cannot take part.
  mutating func refuse(_ worker: Int?, _ reason: String) {
    if let worker, worker <= numbers.count { lastRefusal = reason }
  }

  /// The worker, if it is one of them, is put out.
  mutating func putOut(_ worker: Int, _ reason: String) {
    if worker <= numbers.count { faults[worker] = reason }
  }

  /// A process has ended.
  /// - Returns: false where it had before.
  mutating func exit(_ worker: Int, _ reason: String) -> Bool {
    guard living.remove(worker) != nil else { return false }
    let fault = faults.removeValue(forKey: worker)
    let line = "no worker is left; the last one: \(fault ?? reason)"
    // One that was killed may live the next time; one that was put out would be again.
    lastExit = fault == nil ? .cutShort(line) : .failed(line)
    return true
  }

  /// How a run ends once they have all ended.
  /// - Parameter hadWorkers: whether any worker ever took part.
  func ending(hadWorkers: Bool) -> RunEnding {
    // Workers that could not take part would not the next time either.
    if !hadWorkers, let lastRefusal {
      return .failed("no worker can take part; the last one: \(lastRefusal)")
    }
    return lastExit ?? .cutShort("no worker is left")
  }
}
