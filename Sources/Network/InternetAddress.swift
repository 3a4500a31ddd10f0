import Foundation

/// An address of the internet protocol, of version 4 or 6.
package struct InternetAddress: Hashable, Sendable {
  /// 4 or 16 bytes; one of version 4 that is written as version 6 has 4.
  package let bytes: [UInt8]
  /// As one types it; where it is valid on one link only, with that link's name.
  package let text: String

  /// Whether it is of this machine alone.
  package var isLoopback: Bool {
    bytes.count == 4 ? bytes[0] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes[15] == 1
  }

  /// Whether it stands for all addresses of a machine.
  package var isUnspecified: Bool { bytes.allSatisfy { $0 == 0 } }

  /// Whether it is of version 6 and valid on one link only.
  package var isLinkLocal: Bool { bytes.count == 16 && bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80 }

  /// Whether `host` is an address rather than a name.
  package static func isLiteral(_ host: String) -> Bool { !resolve(host, AI_NUMERICHOST).isEmpty }

  /// The addresses of a name, those of version 4 first, since a worker may have no other; none for
  /// a name that nobody knows.
  package static func resolve(_ host: String, _ flags: Int32 = 0) -> [InternetAddress] {
    let found = lookUp(host, flags: flags) { InternetAddress($0.ai_addr) }
    return found.filter { $0.bytes.count == 4 } + found.filter { $0.bytes.count == 16 }
  }

  /// What is made of each address of a name; nothing for a name that nobody knows.
  static func lookUp<Found>(
    _ host: String, port: Int? = nil, flags: Int32 = 0, _ found: (addrinfo) -> Found?
  ) -> [Found] {
    var hints = addrinfo()
    hints.ai_flags = flags
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var first: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, port.map(String.init), &hints, &first) == 0 else { return [] }
    defer { freeaddrinfo(first) }
    return sequence(first: first, next: { $0?.pointee.ai_next })
      .compactMap { $0.flatMap { found($0.pointee) } }
  }

  /// The addresses of this machine's interfaces that are up and not loopback: those of version 4
  /// first, those that a program made for containers and virtual machines last.
  package static func ofThisMachine() -> [InternetAddress] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0, let first else { return [] }
    defer { freeifaddrs(first) }
    var found: [(rank: Int, address: InternetAddress)] = []
    for item in sequence(first: first, next: { $0.pointee.ifa_next }).map(\.pointee) {
      guard item.ifa_flags & UInt32(IFF_UP) != 0,
        let address = InternetAddress(item.ifa_addr), !address.isLoopback,
        !found.contains(where: { $0.address == address })
      else { continue }
      let name = String(cString: item.ifa_name)
      let isMade = ["docker", "br-", "veth", "virbr", "cni"].contains { name.hasPrefix($0) }
      found.append(((isMade ? 2 : 0) + (address.bytes.count == 4 ? 0 : 1), address))
    }
    return (0..<4).flatMap { rank in found.filter { $0.rank == rank }.map(\.address) }
  }

  private init?(_ pointer: UnsafeMutablePointer<sockaddr>?) {
    guard let pointer else { return nil }
    let length: Int
    switch Int32(pointer.pointee.sa_family) {
    case AF_INET:
      length = MemoryLayout<sockaddr_in>.size
      bytes = UnsafeRawPointer(pointer).loadUnaligned(as: sockaddr_in.self).bytes
    case AF_INET6:
      length = MemoryLayout<sockaddr_in6>.size
      let all = UnsafeRawPointer(pointer).loadUnaligned(as: sockaddr_in6.self).bytes
      let isMapped = all[..<10].allSatisfy { $0 == 0 } && all[10] == 0xFF && all[11] == 0xFF
      guard !isMapped else {
        bytes = Array(all[12...])
        text = bytes.map(String.init).joined(separator: ".")
        return
      }
      bytes = all
    default: return nil
    }
    var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    guard
      getnameinfo(
        pointer, socklen_t(length), &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST) == 0
    else { return nil }
    text = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

extension sockaddr_in {
  fileprivate var bytes: [UInt8] { withUnsafeBytes(of: sin_addr) { Array($0) } }
}

extension sockaddr_in6 {
  fileprivate var bytes: [UInt8] { withUnsafeBytes(of: sin6_addr) { Array($0) } }
}
