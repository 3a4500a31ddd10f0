import NIOCore

/// Messages that wait to be sent: the socket is given a frame at a time, so that a heartbeat finds
/// its way between the pieces of a body, and one body's memory serves all peers.
struct SendQueue: Sendable {
  private var messages = CircularBuffer<OutgoingMessage>()
  /// All bytes that wait.
  private(set) var byteCount = 0

  mutating func append(_ message: OutgoingMessage) {
    messages.append(message)
    byteCount += message.byteCount
  }

  /// The next frame of the oldest message; nil where nothing waits.
  mutating func next() -> OutgoingMessage.Frame? {
    while !messages.isEmpty {
      guard let frame = messages[messages.startIndex].next() else {
        messages.removeFirst()
        continue
      }
      byteCount -= frame.byteCount
      if messages[messages.startIndex].byteCount == 0 { messages.removeFirst() }
      return frame
    }
    return nil
  }
}
