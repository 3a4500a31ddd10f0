// One peer of the coordinator and how far it has come, as etcd's raft keeps its followers in
// tracker/progress.go.

/// A peer: a stranger, a worker that gets ready, or one that computes.
package struct Worker: Sendable {
  /// How far it has come.
  enum State: Sendable {
    /// It has not been taken in.
    case connected
    /// It has its number, and builds the model and checks its files.
    case welcomed(WorkerProcess)
    /// It computes.
    case ready(WorkerProgress)
  }

  /// As a user knows it.
  package private(set) var identity: WorkerIdentity
  private(set) var state = State.connected
  /// The pictures that it was sent.
  var sent: Set<Int> = []

  /// A peer that has just connected.
  package init(address: String) {
    identity = WorkerIdentity(number: nil, name: "", address: address)
  }

  /// Its number, once it is welcome.
  package var number: Int? { identity.number }

  /// Whether it can compute.
  package var isReady: Bool { progress != nil }

  /// Its process, once it is welcome.
  package var process: WorkerProcess? {
    switch state {
    case .connected: nil
    case .welcomed(let process): process
    case .ready(let progress): progress.process
    }
  }

  /// What it has to do, once it is ready; setting it does nothing before.
  package var progress: WorkerProgress? {
    get { if case .ready(let progress) = state { progress } else { nil } }
    set { if let newValue, isReady { state = .ready(newValue) } }
  }

  /// What it was doing, for who reads that it is lost.
  package var activity: String { progress?.description ?? CoordinatorNote.gettingReady }

  /// It said what it is called.
  package mutating func introduce(as name: String) { identity.name = name }

  /// It is taken in.
  package mutating func welcome(as number: Int, _ process: WorkerProcess) {
    identity.number = number
    state = .welcomed(process)
  }

  /// It can compute.
  /// - Returns: false where it is not welcome, or is ready already.
  package mutating func getReady() -> Bool {
    guard case .welcomed(let process) = state else { return false }
    state = .ready(WorkerProgress(process))
    return true
  }
}
