import Foundation

/// A TCP socket that is waited for, and no longer than it is told.
final class PlainSocket: Sendable {
  private let descriptor: Int32

  private init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// A connection to the first address of `host` that takes one within some seconds each.
  /// - Throws: `NetworkError`.
  static func connect(to host: String, port: Int, seconds: Int) throws(NetworkError) -> PlainSocket
  {
    var isConnected = false
    let tries = InternetAddress.lookUp(host, port: port) {
      entry -> Result<PlainSocket, NetworkError>? in
      guard !isConnected else { return nil }
      let descriptor = socket(entry.ai_family, entry.ai_socktype | flags, entry.ai_protocol)
      guard descriptor >= 0 else { return .failure(Self.last()) }
      let socket = PlainSocket(descriptor)
      // It bounds connecting too.
      socket.limit(seconds: seconds)
      guard Glibc.connect(descriptor, entry.ai_addr, entry.ai_addrlen) == 0 else {
        let reason =
          errno == EINPROGRESS
          ? NetworkError("no answer within \(seconds) s") : Self.last()
        return .failure(reason)
      }
      isConnected = true
      return .success(socket)
    }
    var failure = NetworkError("no machine is known by that name")
    for attempt in tries {
      switch attempt {
      case .success(let socket): return socket
      case .failure(let error): failure = error
      }
    }
    throw failure
  }

  /// Listens on an address of this machine, or on all for `*`; on any free port for 0.
  /// - Throws: `NetworkError`.
  static func listen(on host: String, port: Int) throws(NetworkError) -> PlainSocket {
    let (hosts, passive) = host == "*" ? (["::", "0.0.0.0"], AI_PASSIVE) : ([host], 0)
    var code = EADDRNOTAVAIL
    for host in hosts {
      let found = InternetAddress.lookUp(host, port: port, flags: passive | AI_NUMERICHOST) {
        entry -> PlainSocket? in
        let descriptor = socket(entry.ai_family, entry.ai_socktype | flags, entry.ai_protocol)
        guard descriptor >= 0 else { return nil }
        let socket = PlainSocket(descriptor)
        socket.set(SOL_SOCKET, SO_REUSEADDR, Int32(1))
        if entry.ai_family == AF_INET6 { socket.set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, Int32(0)) }
        guard bind(descriptor, entry.ai_addr, entry.ai_addrlen) == 0,
          Glibc.listen(descriptor, 256) == 0
        else {
          code = errno
          return nil
        }
        return socket
      }
      if let socket = found.first { return socket }
    }
    let reason =
      code == EADDRINUSE
      ? "the port is in use; choose another, or 0 for any that is free"
      : String(cString: strerror(code))
    throw NetworkError(
      "cannot listen on \(Endpoint(host: host, port: port)): \(reason)",
      mayPass: code == EADDRINUSE, isWrongUsage: code != EADDRINUSE)
  }

  /// The next connection to who listens; nil where there is none within a tenth of a second.
  func accept() -> PlainSocket? {
    var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&wanted, 1, 100) > 0 else { return nil }
    let connection = Glibc.accept(descriptor, nil, nil)
    guard connection >= 0 else { return nil }
    _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
    return PlainSocket(connection)
  }

  /// Takes no more connections: the port is free.
  func endListening() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  /// This end's port.
  var port: Int {
    var address = sockaddr_in6()
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    let code = withUnsafeMutableBytes(of: &address) { bytes in
      bytes.withMemoryRebound(to: sockaddr.self) { base in
        base.baseAddress.map { getsockname(descriptor, $0, &length) } ?? -1
      }
    }
    // It stands in the same place for version 4.
    return code == 0 ? Int(UInt16(bigEndian: address.sin6_port)) : 0
  }

  /// Has each reading and writing fail that takes longer.
  func limit(seconds: Int) {
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      set(SOL_SOCKET, option, timeval(tv_sec: seconds, tv_usec: 0))
    }
  }

  /// Reads what there is, at least a byte.
  /// - Returns: how many bytes; 0 at the end, and where the connection fails.
  func read(into memory: UnsafeMutableRawBufferPointer) -> Int {
    while true {
      let count = recv(descriptor, memory.baseAddress, memory.count, 0)
      if count >= 0 || errno != EINTR { return max(0, count) }
    }
  }

  /// Exactly `count` bytes; nil where they do not come.
  func read(_ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let more = bytes.withUnsafeMutableBytes { memory in
        read(into: UnsafeMutableRawBufferPointer(rebasing: memory[filled...]))
      }
      guard more > 0 else { return nil }
      filled += more
    }
    return bytes
  }

  /// Whether all `bytes` could be handed to the kernel.
  @discardableResult func write(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { memory in
        send(
          descriptor, UnsafeRawBufferPointer(rebasing: memory[sent...]).baseAddress,
          bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  /// The other end reads an end.
  func endWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

  private static let flags = Int32(SOCK_CLOEXEC.rawValue)

  private static func last() -> NetworkError {
    NetworkError(errno == ECONNREFUSED ? "connection refused" : String(cString: strerror(errno)))
  }

  private func set<Value: BitwiseCopyable>(_ level: Int32, _ option: Int32, _ value: Value) {
    var value = value
    setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Value>.size))
  }
}
