/// What a run is doing.
enum Phase: Sendable {
  /// There are not enough workers yet; the time is when the first was ready.
  case gathering(firstReady: Duration?)
  /// Workers compute the gradients of an update, which may be the last before an interruption.
  case updating(WorkBoard, isLast: Bool)
  /// Workers evaluate the validation batches of an epoch.
  case validating(WorkBoard)
  /// The host applies an update.
  case applying(isLast: Bool)
  /// The host looks for earlier weights.
  case rollingBack(isLast: Bool)
  /// The run has ended.
  case over

  /// The work that can be given out, where there is any; setting it does nothing elsewhere.
  var board: WorkBoard? {
    get {
      switch self {
      case .updating(let board, _), .validating(let board): board
      case .gathering, .applying, .rollingBack, .over: nil
      }
    }
    set {
      guard let newValue else { return }
      switch self {
      case .updating(_, let isLast): self = .updating(newValue, isLast: isLast)
      case .validating: self = .validating(newValue)
      case .gathering, .applying, .rollingBack, .over: break
      }
    }
  }

  /// Whether the run ends with what it is doing, since a signal asked for that.
  var isLast: Bool {
    switch self {
    case .updating(_, let isLast), .applying(let isLast), .rollingBack(let isLast): isLast
    case .gathering, .validating, .over: false
    }
  }

  /// The host looks for earlier weights; nothing is given out until it has them.
  mutating func rollBack() { self = .rollingBack(isLast: isLast) }

  var isGathering: Bool { if case .gathering = self { true } else { false } }

  /// Whether no worker was ever ready.
  var isWithoutWorkers: Bool { if case .gathering(nil) = self { true } else { false } }

  var isOver: Bool { if case .over = self { true } else { false } }
}
