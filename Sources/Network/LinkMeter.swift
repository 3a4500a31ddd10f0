import Foundation
import Primitives
import Synchronization

/// What this machine saw of a connection that a host made to it.
public struct LinkSeen: Sendable, Equatable {
  /// How far the host's clock is ahead of ours, seconds.
  public let clock: Double
  /// What came from the host, bits a second; nil where that was not measured.
  public let bitsFromHost: Double?
}

/// Waits for hosts to connect, knows each by the word that it was given, and measures its link.
///
/// A connection: the host sends its word and one byte, `r` to be reached or `m` to be measured; we
/// send `t`, and get its clock (microseconds since 1970, 8 bytes, big-endian). To be measured it
/// waits for `g`, sends as much as it can for half a second, and then reads as much as we can send
/// in half a second. One host at a time is measured. Nothing secret goes by.
public final class LinkMeter: Sendable {
  /// The bytes of a word.
  public static let wordSize = 16
  /// How long each direction is filled.
  static let span = 0.5
  private static let most = 512

  private struct State {
    var seen: [[UInt8]: LinkSeen?] = [:]
    var connections = 0
    var isOver = false
  }

  /// Where it listens.
  public let port: Int
  private let listener: PlainSocket
  private let state = Mutex(State())
  /// Held by who is measured.
  private let turn = Mutex<Void>(())

  /// Listens.
  ///
  /// - Parameters:
  ///   - host: an address of this machine, or `*` for all.
  ///   - port: 0 for one that is free now, from 20000 to 31999.
  ///   - words: of the hosts that will come.
  /// - Throws: `NetworkError`; `ThreadError`.
  public init(host: String, port: Int, words: [[UInt8]]) throws {
    var found: PlainSocket?
    // Free ports of the kernel's own choice are those that outgoing connections get.
    for _ in 0..<(port == 0 ? 20 : 0) where found == nil {
      found = try? PlainSocket.listen(on: host, port: Int.random(in: 20000...31999))
    }
    let listener = try found ?? PlainSocket.listen(on: host, port: port)
    self.listener = listener
    self.port = listener.port
    state.withLock { state in for word in words { state.seen[word] = .some(nil) } }
    try OwnThread.start("links") { [self] in serve() }
  }

  /// What was seen of the host with this word; nil where it did not come.
  public func seen(_ word: [UInt8]) -> LinkSeen? { state.withLock { $0.seen[word] ?? nil } }

  /// Takes no more connections; returns when the port is free.
  public func stop() {
    state.withLock { $0.isOver = true }
    defer { listener.endListening() }
    while state.withLock({ $0.connections >= 0 }) { usleep(10_000) }
  }

  private func serve() {
    while !state.withLock({ $0.isOver }) {
      guard let connection = listener.accept() else { continue }
      let mayServe = state.withLock { state in
        guard state.connections < Self.most else { return false }
        state.connections += 1
        return true
      }
      guard mayServe else { continue }
      do {
        try OwnThread.start("link") { [self] in
          talk(connection)
          state.withLock { $0.connections -= 1 }
        }
      } catch {
        state.withLock { $0.connections -= 1 }
      }
    }
    while state.withLock({ $0.connections > 0 }) { usleep(10_000) }
    state.withLock { $0.connections = -1 }
  }

  private func talk(_ connection: PlainSocket) {
    connection.limit(seconds: 3)
    guard let hello = connection.read(Self.wordSize + 1) else { return }
    let word = Array(hello.dropLast())
    guard state.withLock({ $0.seen[word] != nil }) else { return }
    let asked = Date().timeIntervalSince1970
    guard connection.write([UInt8(ascii: "t")]), let clock = connection.read(8) else { return }
    let middle = (asked + Date().timeIntervalSince1970) / 2
    let theirs = clock.reduce(0) { $0 << 8 | UInt64($1) }
    let ahead = Double(theirs) / 1e6 - middle
    note(word, LinkSeen(clock: ahead, bitsFromHost: nil))
    guard hello.last == UInt8(ascii: "m") else { return }
    turn.withLock { _ in
      guard connection.write([UInt8(ascii: "g")]) else { return }
      let bits = LinkTrial.emptied(connection)
      note(word, LinkSeen(clock: ahead, bitsFromHost: bits))
      LinkTrial.fill(connection)
      connection.endWriting()
    }
  }

  private func note(_ word: [UInt8], _ seen: LinkSeen) {
    state.withLock { $0.seen[word] = .some(seen) }
  }
}

/// The other side of `LinkMeter`: a host that tries to connect to it.
public enum LinkTrial {
  /// Connects, proves itself with `word`, and measures the link where that is wanted.
  ///
  /// - Returns: bits a second that came; nil where that is not wanted, or failed.
  /// - Throws: `NetworkError` where nobody that knows the word can be reached within 3 seconds.
  public static func run(
    _ endpoint: Endpoint, word: [UInt8], measuring: Bool
  ) throws(NetworkError) -> Double? {
    let connection = try PlainSocket.connect(to: endpoint.host, port: endpoint.port, seconds: 3)
    connection.limit(seconds: 3)
    guard connection.write(word + [UInt8(ascii: measuring ? "m" : "r")]),
      connection.read(1) == [UInt8(ascii: "t")]
    else { throw NetworkError("something else listens there") }
    let now = UInt64(Date().timeIntervalSince1970 * 1e6)
    guard connection.write((0..<8).map { UInt8(truncatingIfNeeded: now >> (56 - 8 * $0)) }) else {
      throw NetworkError("the connection ended")
    }
    guard measuring else {
      // Its end says that the clock was read.
      _ = connection.read(1)
      return nil
    }
    // Others may be measured before.
    connection.limit(seconds: 120)
    guard connection.read(1) == [UInt8(ascii: "g")] else { return nil }
    connection.limit(seconds: 5)
    fill(connection)
    connection.endWriting()
    return emptied(connection)
  }

  /// Sends as much as goes through in `LinkMeter.span`.
  static func fill(_ connection: PlainSocket) {
    let bytes = [UInt8](repeating: 0x55, count: 1 << 16)
    let clock = ContinuousClock()
    let end = clock.now + .seconds(LinkMeter.span)
    while clock.now < end, connection.write(bytes) {}
  }

  /// Reads to the end.
  /// - Returns: bits a second from the first byte to the last; nil where almost nothing came.
  static func emptied(_ connection: PlainSocket) -> Double? {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
    defer { memory.deallocate() }
    let clock = ContinuousClock()
    guard connection.read(into: memory) > 0 else { return nil }
    let (start, bound) = (clock.now, Duration.seconds(20 * LinkMeter.span))
    var (total, end) = (0, start)
    while end - start < bound {
      let count = connection.read(into: memory)
      guard count > 0 else { break }
      (total, end) = (total + count, clock.now)
    }
    let seconds = (end - start) / .seconds(1)
    return total > 1 << 16 && seconds > 0.01 ? 8 * Double(total) / seconds : nil
  }
}
