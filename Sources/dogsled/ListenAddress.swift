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
  /// - Throws: `Failure` with the status of wrong usage: nobody knows the name, it is no address of
  ///   this machine, or it is loopback without saying so.
  init(_ endpoint: Endpoint) throws {
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
  }

  /// Addresses by which workers reach it, those that are most likely to do first; loopback where
  /// this machine has no other now.
  var hosts: [String] {
    guard host == "*" else { return [host] }
    let own = InternetAddress.ofThisMachine().filter { !$0.isLinkLocal }.map(\.text)
    return own.isEmpty ? ["127.0.0.1"] : own
  }

  /// Says where the coordinator listens, and what to type on workers.
  ///
  /// - Parameters:
  ///   - token: what they need; nil where they need none.
  ///   - file: the file that holds it, where there is one: it is printed on a terminal alone, since
  ///     other outputs are kept, and read by others.
  ///   - command: what to type but for what names the coordinator.
  func announce(port: Int, token: Token?, file: String?, command: (String) -> String) {
    let most = Token.mostAddresses
    let endpoints = hosts.map { Endpoint(host: $0, port: port) }
    let others = hosts.count > most ? ", and \(hosts.count - most) more addresses" : ""
    let only = endpoints.allSatisfy { InternetAddress.resolve($0.host).allSatisfy(\.isLoopback) }
    log(
      "listens at  \(endpoints.prefix(most).map(\.description).joined(separator: ", "))\(others)"
        + (only ? "   (only this machine can reach that address)" : ""))
    guard let token else {
      log(
        "on workers  \(command("\(endpoints[0]) --insecure"))\n"
          + "insecure    anybody who reaches this address can join, read all that is sent, and "
          + "change it")
      return
    }
    let words = isatty(STDERR_FILENO) != 0 ? token.text : "--token-file \(file ?? "FILE")"
    log("on workers  \(command(words))")
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
