/// How a run ends.
public enum RunEnding: Hashable, Sendable {
  /// Every epoch is done.
  case finished
  /// A signal asked for it; it can go on from its checkpoint.
  case interrupted
  /// It cannot go on, nor could it when tried again; one clear line.
  case failed(String)
  /// It cannot go on for want of workers, or of a place to write to: what may be there the next
  /// time. One clear line.
  case cutShort(String)

  /// Training made numbers that are not finite: the next try would come to the same.
  static func diverged(_ what: String, _ place: String) -> RunEnding {
    .failed("\(what) is no longer a finite number in \(place): choose a smaller --learning-rate")
  }

  /// Why a run ended that neither finished nor was asked to end.
  public var reason: String? {
    switch self {
    case .finished, .interrupted: nil
    case .failed(let reason), .cutShort(let reason): reason
    }
  }
}
