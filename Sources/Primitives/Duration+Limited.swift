extension Duration {
  /// A time in seconds: none below zero, or for what is no number, and thirty years at most.
  package static func limited(seconds: Double) -> Duration {
    .seconds(seconds > 0 ? min(seconds, 1e9) : 0)
  }
}
