/// Who is connected, and who has which number.
struct Membership: Sendable {
  private(set) var workers: [PeerID: Worker] = [:]
  /// What the program launched itself.
  var launched: LaunchedProcesses
  private var nextNumber: Int

  init(_ launched: LaunchedProcesses) {
    self.launched = launched
    nextNumber = launched.count + 1
  }

  /// A peer that is connected.
  subscript(peer: PeerID) -> Worker? {
    get { workers[peer] }
    set { workers[peer] = newValue }
  }

  /// Workers that are ready.
  var readyCount: Int { workers.values.count { $0.isReady } }

  /// Everybody that is ready, in any order.
  var ready: [(peer: PeerID, worker: Worker, progress: WorkerProgress)] {
    workers.compactMap { peer, worker in worker.progress.map { (peer, worker, $0) } }
  }

  /// Those of them that hold the present weights: they can be given work.
  var able: [(peer: PeerID, worker: Worker, progress: WorkerProgress)] {
    ready.filter(\.progress.holdsWeights)
  }

  /// Those that are sent every update, in order.
  var followers: [PeerID] {
    peers.filter { peer in workers[peer]?.progress.map { $0.weights != .none } == true }
  }

  /// Everybody, by the order in which they connected.
  var peers: [PeerID] { workers.keys.sorted() }

  /// Whether nobody is left, nor can come from what the program launched.
  var isAbandoned: Bool { launched.haveEnded && workers.isEmpty }

  /// The number for a process that joins.
  mutating func number(for process: WorkerProcess) -> Int {
    if let number = launched.number(of: process) { return number }
    nextNumber += 1
    return nextNumber - 1
  }
}
