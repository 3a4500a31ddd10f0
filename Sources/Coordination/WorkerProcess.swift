/// A worker's process, whatever connection it has at the moment.
struct WorkerProcess: Hashable, Sendable {
  /// The number that it has drawn.
  let token: UInt64
  /// What its other processes share with it: the host's name, and where it connects from.
  let machine: String

  static func == (a: Self, b: Self) -> Bool { a.token == b.token }
  func hash(into hasher: inout Hasher) { hasher.combine(token) }
}
