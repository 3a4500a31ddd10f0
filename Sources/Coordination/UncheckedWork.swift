/// Whose answers count although no second worker computed them.
///
/// Should a machine turn out to make errors, the run rolls back to before its first answer.
struct UncheckedWork: Sendable {
  /// By machine, the update of its first unchecked gradient.
  private var first: [String: Int] = [:]
  /// Whether there are gradients of before this coordinator: nobody knows whose they are.
  private var hasUnknown: Bool

  /// - Parameter updates: what another coordinator applied before.
  init(after updates: Int) { hasUnknown = updates > 0 }

  /// An answer of `process` counts unchecked: a gradient in `update`, or totals of a validation
  /// before it.
  mutating func add(_ process: WorkerProcess, update: Int) {
    first[process.machine] = min(first[process.machine] ?? update, update)
  }

  /// The update since which the weights may hold errors of these processes' machines; nil where
  /// they hold none.
  func firstUpdate(of processes: Set<WorkerProcess>) -> Int? {
    if processes.isEmpty { return nil }
    return hasUnknown ? 0 : processes.compactMap { first[$0.machine] }.min()
  }

  /// The weights are those after `update` again.
  mutating func rollBack(to update: Int) {
    first = first.filter { $0.value < update }
    if update == 0 { hasUnknown = false }
  }
}
