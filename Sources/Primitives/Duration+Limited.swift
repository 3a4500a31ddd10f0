extension Duration {
  /// A time in seconds: none below zero, and thirty years at most.
  package static func limited(seconds: Double) -> Duration { .seconds(min(max(seconds, 0), 1e9)) }
}
