import Foundation
import NIOCore
import Wire

/// A plain blocking TCP socket on loopback: a peer that does as it likes.
final class RawSocket: @unchecked Sendable {
  private let descriptor: Int32
  /// Frames that it sent.
  private var frames: UInt32 = 0

  /// Connects to `port`.
  init(port: Int) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = Self.loopback(port: port)
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { throw POSIXError(.ECONNREFUSED) }
  }

  private init(descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  static func loopback(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
  }

  /// A socket that listens on a free port of loopback, and that port.
  static func listening() throws -> (RawSocket, port: Int) {
    let listener = RawSocket(descriptor: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
    var address = loopback(port: 0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener.descriptor, $0, length) | listen(listener.descriptor, 8)
          | getsockname(listener.descriptor, $0, &length)
      }
    }
    guard status == 0 else { throw POSIXError(.EADDRINUSE) }
    return (listener, Int(UInt16(bigEndian: address.sin_port)))
  }

  /// Nothing more comes from here.
  func closeOutput() { shutdown(descriptor, Int32(SHUT_WR)) }

  func accepted() -> RawSocket { RawSocket(descriptor: accept(descriptor, nil, nil)) }

  func send(_ text: String) { send(ByteBuffer(string: text)) }

  func send(_ buffer: ByteBuffer) {
    _ = buffer.withUnsafeReadableBytes {
      Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
  }

  func send(_ message: OutgoingMessage) {
    send(message.frame(number: frames).bytes)
    frames += 1
  }

  func send(_ message: some WireMessage) throws { send(try OutgoingMessage(message)) }

  func send(_ messages: [some WireMessage]) throws { for message in messages { try send(message) } }

  /// At most `count` bytes; none at the end of the stream, or after `timeout` seconds.
  func receive(_ count: Int = 1 << 16, timeout: Double = 5) -> ByteBuffer {
    var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard Foundation.poll(&poll, 1, Int32(timeout * 1000)) > 0 else { return ByteBuffer() }
    var buffer = ByteBuffer()
    buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) {
      max(0, recv(descriptor, $0.baseAddress, count, 0))
    }
    return buffer
  }

  /// Everything until the end of the stream.
  func receiveAll() -> ByteBuffer {
    var all = ByteBuffer()
    while true {
      let part = receive()
      if part.readableBytes == 0 { return all }
      all.writeImmutableBuffer(part)
    }
  }
}
