import Primitives

/// When a heartbeat is due, and whether the peer is silent, or takes nothing of what waits to be
/// sent, for longer than the bound.
///
/// Any byte is a sign of life.
struct Liveness: Sendable {
  private var interval: Duration
  private var bound: Duration
  /// Whether a silent peer is never lost.
  private let waitsForEver: Bool
  private var lastRead = Duration.zero
  /// When the socket last took something, or had nothing to take.
  private var lastTaken = Duration.zero
  private var nextBeat = Duration.zero
  private var nextCheck = Duration.zero
  /// Bytes given to the socket, and how many of them it had taken at the last check.
  private var given = 0
  private var taken = 0

  /// - Parameters:
  ///   - heartbeat: seconds between two heartbeats.
  ///   - bound: seconds of silence.
  init(heartbeat: Double, bound: Double, waitsForEver: Bool) {
    interval = .limited(seconds: heartbeat)
    self.bound = .limited(seconds: bound)
    self.waitsForEver = waitsForEver
  }

  /// The connection is open.
  mutating func begin(now: Duration) {
    (lastRead, lastTaken) = (now, now)
    (nextBeat, nextCheck) = (now + interval, now + period)
  }

  /// Takes on what the coordinator's welcome asks for.
  mutating func adopt(heartbeat: Double, bound: Double, now: Duration) {
    interval = .limited(seconds: heartbeat)
    self.bound = .limited(seconds: bound)
    (nextBeat, nextCheck) = (min(nextBeat, now + interval), min(nextCheck, now + period))
  }

  /// Bytes came.
  mutating func received(now: Duration) { lastRead = now }

  /// Bytes were given to the socket.
  mutating func gave(_ count: Int) { given += count }

  /// When there is something to do.
  var wakeAt: Duration { waitsForEver ? nextBeat : min(nextBeat, nextCheck) }

  /// Whether a heartbeat is due; it counts as sent.
  mutating func beats(now: Duration) -> Bool {
    guard now >= nextBeat else { return false }
    nextBeat = now + interval
    return true
  }

  /// Why the peer is lost; nil where it is not.
  /// - Parameter unsent: bytes that the socket was given and has not taken.
  mutating func check(now: Duration, unsent: Int) -> String? {
    guard !waitsForEver, now >= nextCheck else { return nil }
    // A check that comes late means that this process stood still: the peer is not to blame.
    let late = now - nextCheck
    if late > bound / 10 {
      // What came since then was not late.
      lastRead = min(now, lastRead + late)
      lastTaken = min(now, lastTaken + late)
    }
    nextCheck = now + period
    if unsent == 0 || given - unsent > taken { lastTaken = now }
    taken = given - unsent
    // The next check would be too late.
    let most = bound - period
    if now - lastRead > most { return "silent for \((now - lastRead).shortSeconds)" }
    if now - lastTaken > most {
      return "took none of what was sent for \((now - lastTaken).shortSeconds)"
    }
    return nil
  }

  /// Between two checks.
  private var period: Duration { max(bound / 30, .milliseconds(1)) }
}

extension Duration {
  /// The time in seconds, to one decimal, as messages give it.
  fileprivate var shortSeconds: String { "\(((self / .seconds(1)) * 10).rounded() / 10) s" }
}
