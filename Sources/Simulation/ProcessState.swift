import Synchronization

/// Whether the coordinator's process lives: it may be killed between any two things that it does to
/// the world.
final class ProcessState: Sendable {
  private let state = Mutex<(isDead: Bool, actsLeft: Int?)>((true, nil))

  var isDead: Bool { state.withLock { $0.isDead } }

  func start() { state.withLock { $0 = (false, nil) } }

  func end() { state.withLock { $0 = (true, nil) } }

  /// Kills it after so many more acts.
  func kill(after acts: Int) { state.withLock { $0.actsLeft = acts } }

  /// Something is about to be done; false where nobody is left to do it.
  func acts() -> Bool {
    state.withLock { state in
      if state.isDead { return false }
      guard let left = state.actsLeft else { return true }
      state.actsLeft = left - 1
      if left == 0 { state.isDead = true }
      return left > 0
    }
  }
}
