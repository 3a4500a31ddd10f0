import Foundation
import Network
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
  /// - Parameter command: what to type for an address.
  func instructions(
    port: Int, command: (Endpoint) -> String = { "dogsled worker \($0) --data DATA" }
  ) -> [String] {
    let most = 4
    let own = InternetAddress.ofThisMachine().filter { !$0.isLinkLocal }.map(\.text)
    let hosts = host == "*" ? own : [host]
    var lines = hosts.prefix(most).map { command(Endpoint(host: $0, port: port)) }
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
