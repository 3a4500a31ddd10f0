import NIOCore

/// Messages that wait to be sent, the most urgent first; of equally urgent ones the oldest.
///
/// The socket is given a frame at a time, so that what is urgent finds its way between parts, and
/// one part's memory serves all peers.
struct SendQueue: Sendable {
  /// By priority.
  private var lanes: [Int: CircularBuffer<OutgoingMessage>] = [:]
  /// All bytes that wait.
  private(set) var byteCount = 0

  mutating func append(_ message: OutgoingMessage) {
    lanes[message.priority, default: []].append(message)
    byteCount += message.byteCount
  }

  /// The next message; nil where nothing waits.
  mutating func next() -> OutgoingMessage? {
    guard let priority = lanes.keys.min(), let message = lanes[priority]?.popFirst() else {
      return nil
    }
    if lanes[priority]?.isEmpty == true { lanes[priority] = nil }
    byteCount -= message.byteCount
    return message
  }
}
