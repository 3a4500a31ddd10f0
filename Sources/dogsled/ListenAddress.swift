import Foundation
import Primitives

/// Where a coordinator listens: what the endpoint that it was given comes to on this machine.
struct ListenAddress {
  /// What the socket is bound to: an address of this machine, or `*` for all that it has.
  let host: String
  /// Whether only this machine can reach it.
  let isLoopback: Bool

  /// Finds what `endpoint` stands for: a name, an address, or `*`.
  ///
  /// - Parameter insecure: whether other machines may reach it.
  /// - Throws: `Failure` with the status of wrong usage: nobody knows the name, it is no address of
  ///   this machine, it is loopback without saying so, or others reach it and may not.
  init(_ endpoint: Endpoint, insecure: Bool) throws {
    func wrong(_ reason: String) -> Failure {
      Failure("--listen \(endpoint): \(reason)", status: .wrongUsage)
    }
    let name = endpoint.host
    let addresses = name == "*" ? [] : InternetAddress.resolve(name)
    guard name == "*" || !addresses.isEmpty else { throw wrong("no machine is known by that name") }
    let own = InternetAddress.ofThisMachine()
    let others = addresses.filter { !$0.isLoopback }
    if name == "*" || addresses.contains(where: \.isUnspecified) {
      (host, isLoopback) = ("*", false)
    } else if others.isEmpty {
      guard InternetAddress.isLiteral(name) || Self.saysLoopback(name) else {
        throw wrong(
          "here this name is \(addresses[0].text), which no other machine can reach: give "
            + "\(Self.choice(own)), * for all of them, or \(addresses[0].text) for this machine "
            + "alone")
      }
      (host, isLoopback) = (addresses[0].text, true)
    } else if let address = others.first(where: own.contains) {
      (host, isLoopback) = (address.text, false)
    } else {
      let meaning = InternetAddress.isLiteral(name) ? "" : " as \(others[0].text)"
      throw wrong(
        "this machine has no such address\(meaning): give \(Self.choice(own)), or * for all of "
          + "them")
    }
    guard isLoopback || insecure else {
      throw wrong(
        "other machines reach this address, and traffic is neither encrypted nor authenticated; "
          + "say --insecure on a network that you trust")
    }
  }

  /// The lines to type on workers of a coordinator that listens on `port`.
  func instructions(port: Int) -> [String] {
    let most = 4
    let own = InternetAddress.ofThisMachine().filter { !$0.isLinkLocal }.map(\.text)
    let hosts = host == "*" ? own : [host]
    var lines = hosts.prefix(most).map {
      "dogsled worker \(Endpoint(host: $0, port: port)) --data DATA"
    }
    if hosts.count > most { lines.append("\(hosts.count - most) more addresses of this machine") }
    if isLoopback { lines[0] += "   (only this machine can reach that address)" }
    return lines.isEmpty ? ["this machine has no address now that other machines can reach"] : lines
  }

  /// Whether `name` is one that stands for loopback on every machine.
  private static func saysLoopback(_ name: String) -> Bool {
    let name = name.lowercased()
    return name.contains("localhost") || name.contains("loopback")
  }

  /// What to give instead, in words.
  private static func choice(_ own: [InternetAddress]) -> String {
    let own = own.filter { !$0.isLinkLocal }.prefix(4).map(\.text).joined(separator: ", ")
    return "an address of this machine (\(own.isEmpty ? "it has none now" : own))"
  }
}

/// An address of the internet protocol, of version 4 or 6.
struct InternetAddress: Hashable {
  /// 4 or 16 bytes; one of version 4 that is written as version 6 has 4.
  let bytes: [UInt8]
  /// As one types it; where it is valid on one link only, with that link's name.
  let text: String

  /// Whether it is of this machine alone.
  var isLoopback: Bool {
    bytes.count == 4 ? bytes[0] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes[15] == 1
  }

  /// Whether it stands for all addresses of a machine.
  var isUnspecified: Bool { bytes.allSatisfy { $0 == 0 } }

  /// Whether it is of version 6 and valid on one link only.
  var isLinkLocal: Bool { bytes.count == 16 && bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80 }

  /// Whether `host` is an address rather than a name.
  static func isLiteral(_ host: String) -> Bool { !resolve(host, AI_NUMERICHOST).isEmpty }

  /// The addresses of a name, those of version 4 first, since a worker may have no other; none for
  /// a name that nobody knows.
  static func resolve(_ host: String, _ flags: Int32 = 0) -> [InternetAddress] {
    var hints = addrinfo()
    hints.ai_flags = flags
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var first: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, nil, &hints, &first) == 0, let first else { return [] }
    defer { freeaddrinfo(first) }
    let found = sequence(first: first, next: { $0.pointee.ai_next })
      .compactMap { InternetAddress($0.pointee.ai_addr) }
    return found.filter { $0.bytes.count == 4 } + found.filter { $0.bytes.count == 16 }
  }

  /// The addresses of this machine's interfaces that are up and not loopback: those of version 4
  /// first, those that a program made for containers and virtual machines last.
  static func ofThisMachine() -> [InternetAddress] {
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
