import Foundation
import NIOCore
import Synchronization

/// Stands between workers and a coordinator, passes frames on, and does harm to one of them.
final class Relay: Sendable {
  enum Harm: Sendable, CaseIterable {
    case none, flippedBit, cutShort, repeated, swapped
  }

  let port: Int
  private let listener: Int32
  private let target: Int
  private let latency: Double
  private let harm: Harm
  /// The kind of frame that is harmed, and how many of it pass before.
  private let kind: UInt8
  private let state: Mutex<(left: Int, done: Bool, connections: [Int32])>

  /// Listens on a free port of loopback.
  /// - Parameter latency: seconds that each frame is on its way.
  init(
    to target: Int, latency: Double = 0, _ harm: Harm = .none, kind: UInt8 = 0, after count: Int = 0
  ) throws {
    (listener, port) = try Sockets.listen()
    (self.target, self.latency, self.harm, self.kind) = (target, latency, harm, kind)
    state = Mutex((count, false, []))
    Thread.detachNewThread { [self] in
      while true {
        let worker = accept(listener, nil, nil)
        guard worker >= 0 else { return }
        guard let coordinator = try? Sockets.connect(to: self.target) else {
          close(worker)
          continue
        }
        state.withLock { $0.connections += [worker, coordinator] }
        pass(worker, coordinator)
        pass(coordinator, worker)
      }
    }
  }

  /// Closes everything.
  func stop() {
    for socket in state.withLock({ $0.connections }) + [listener] {
      shutdown(socket, Int32(SHUT_RDWR))
    }
  }

  /// Whether the harm was done.
  var isDone: Bool { state.withLock { $0.done } }

  private func pass(_ from: Int32, _ to: Int32) {
    let due = Mutex<[(time: Date, bytes: [UInt8])]>([])
    let isOver = Atomic<Bool>(false)
    let box = Box(due: due, isOver: isOver)
    Thread.detachNewThread { [self] in
      read(from, to, box)
      box.isOver.store(true, ordering: .releasing)
    }
    Thread.detachNewThread {
      while true {
        guard let next = box.due.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else {
          if box.isOver.load(ordering: .acquiring) { break }
          usleep(200)
          continue
        }
        let left = next.time.timeIntervalSinceNow
        if left > 0 { usleep(UInt32(left * 1e6)) }
        guard Sockets.send(next.bytes, to) else { break }
      }
      shutdown(to, Int32(SHUT_RDWR))
    }
  }

  private final class Box: Sendable {
    let due: Mutex<[(time: Date, bytes: [UInt8])]>
    let isOver: Atomic<Bool>
    init(
      due: consuming sending Mutex<[(time: Date, bytes: [UInt8])]>,
      isOver: consuming sending Atomic<Bool>
    ) {
      self.due = due
      self.isOver = isOver
    }
  }

  /// Reads the preface and then frame after frame.
  private func read(_ from: Int32, _ to: Int32, _ box: Box) {
    func put(_ bytes: [UInt8]) {
      box.due.withLock { $0.append((Date().addingTimeInterval(latency), bytes)) }
    }
    guard let preface = Sockets.receive(8, from) else { return }
    put(preface)
    var held: [UInt8]?
    while let head = Sockets.receive(9, from) {
      let length = head.prefix(4).reduce(0) { $0 << 8 | Int($1) }
      guard let payload = Sockets.receive(length, from) else { return }
      var frame = head + payload
      if let before = held {
        put(frame)
        put(before)
        held = nil
        continue
      }
      guard head[4] == kind, isNext() else {
        put(frame)
        continue
      }
      switch harm {
      case .none: put(frame)
      case .flippedBit:
        frame[frame.count / 2] ^= 16
        put(frame)
      case .cutShort:
        put(Array(frame.prefix(frame.count / 2)))
        return
      case .repeated:
        put(frame)
        put(frame)
      case .swapped: held = frame
      }
    }
  }

  private func isNext() -> Bool {
    state.withLock { state in
      if state.done { return false }
      state.left -= 1
      if state.left < 0 { state.done = true }
      return state.done
    }
  }
}

/// Plain blocking TCP on loopback.
enum Sockets {
  private static func address(_ port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
  }

  static func listen() throws -> (socket: Int32, port: Int) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = address(0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) | Glibc.listen(listener, 64) | getsockname(listener, $0, &length)
      }
    }
    guard status == 0 else { throw POSIXError(.EADDRINUSE) }
    return (listener, Int(UInt16(bigEndian: address.sin_port)))
  }

  static func connect(to port: Int) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = address(port)
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else {
      close(descriptor)
      throw POSIXError(.ECONNREFUSED)
    }
    return descriptor
  }

  /// Whether all was sent.
  static func send(_ bytes: [UInt8], _ socket: Int32) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(socket, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  /// Exactly so many bytes; nil where the stream ends before.
  static func receive(_ count: Int, _ socket: Int32) -> [UInt8]? {
    guard count > 0 else { return [] }
    var bytes = [UInt8](repeating: 0, count: count)
    let got = bytes.withUnsafeMutableBytes {
      recv(socket, $0.baseAddress, count, Int32(MSG_WAITALL))
    }
    return got == count ? bytes : nil
  }
}
