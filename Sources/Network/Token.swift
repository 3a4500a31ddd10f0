import Primitives
import Wire

/// What a worker needs to join a run: where its coordinator listens, what tells the coordinator
/// from impostors, and the secret that lets the worker in.
///
/// As text: `dogsled1_`, then `Base64URL` of the secret (16 bytes), the port (2, big-endian), what
/// follows of the fingerprint (1: 32 bytes or none) and the fingerprint, of each address its length
/// (1) and its characters, and the first 4 bytes of SHA-256 of all before: so a token that was
/// copied badly is told from a wrong one.
public struct Token: Sendable, Equatable, CustomStringConvertible {
  /// What the text of every token begins with; the digit is the version of its form.
  static let prefix = "dogsled1_"
  /// The most addresses of a token.
  public static let mostAddresses = 4
  private static let checkBytes = 4

  /// What lets workers in.
  public let secret: Secret
  /// The coordinator's public key; nil where nothing is encrypted, which is on loopback alone.
  public let fingerprint: Fingerprint?
  /// Where the coordinator listens; any of them will do.
  public let endpoints: [Endpoint]

  /// - Parameters:
  ///   - hosts: addresses or names of the coordinator's machine, of at most 255 bytes; those
  ///     beyond `mostAddresses` are left out.
  ///   - port: 1...65535.
  public init(secret: Secret, fingerprint: Fingerprint?, hosts: [String], port: Int) {
    (self.secret, self.fingerprint) = (secret, fingerprint)
    endpoints = hosts.prefix(Self.mostAddresses).map { Endpoint(host: $0, port: port) }
  }

  /// The token of a coordinator with this key.
  public init(of key: Key, hosts: [String], port: Int) {
    self.init(secret: key.secret, fingerprint: key.fingerprint, hosts: hosts, port: port)
  }

  /// Whether somebody who typed `text` meant a token.
  public static func isMeant(by text: String) -> Bool {
    text.hasPrefix("dogsled") && !text.contains(":")
  }

  /// Reads the text of a token.
  /// - Throws: `TokenError`, which does not quote it.
  public init(_ text: String) throws(TokenError) {
    guard text.hasPrefix(Self.prefix) else {
      throw TokenError(
        text.hasPrefix("dogsled") && text.dropFirst(7).prefix(3).contains("_")
          ? "the token is of another version of Dogsled: install the coordinator's version here"
          : "no token: one begins with \(Self.prefix)")
    }
    let damaged = TokenError(
      "the token was not copied whole: its check characters do not fit; copy it again")
    guard let bytes = Base64URL.bytes(text.dropFirst(Self.prefix.count)),
      bytes.count > Self.checkBytes,
      Array(bytes.suffix(Self.checkBytes)) == Self.check(bytes.dropLast(Self.checkBytes))
    else { throw damaged }
    var rest = bytes.dropLast(Self.checkBytes)
    func take(_ count: Int) throws(TokenError) -> [UInt8] {
      guard rest.count >= count else { throw damaged }
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
    guard let secret = Secret(try take(Secret.byteCount)) else { throw damaged }
    let port = try take(2).reduce(0) { $0 << 8 | Int($1) }
    let size = Int(try take(1)[0])
    let fingerprint = size == 0 ? nil : Fingerprint(try take(size))
    guard port > 0, size == 0 || fingerprint != nil else { throw damaged }
    var hosts: [String] = []
    while !rest.isEmpty {
      let host = try take(Int(try take(1)[0]))
      guard !host.isEmpty, host.allSatisfy({ (0x21..<0x7F).contains($0) }) else { throw damaged }
      hosts.append(String(decoding: host, as: UTF8.self))
    }
    guard (1...Self.mostAddresses).contains(hosts.count) else { throw damaged }
    self.init(secret: secret, fingerprint: fingerprint, hosts: hosts, port: port)
  }

  /// As one types it.
  public var text: String {
    let port = endpoints.first?.port ?? 1
    var bytes = secret.bytes + [UInt8(port >> 8 & 0xFF), UInt8(port & 0xFF)]
    bytes += [UInt8(fingerprint?.bytes.count ?? 0)] + (fingerprint?.bytes ?? [])
    for endpoint in endpoints {
      let host = endpoint.host.utf8.prefix(255)
      bytes += [UInt8(host.count)] + host
    }
    return Self.prefix + Base64URL.text(bytes + Self.check(bytes[...]))
  }

  /// Not the token.
  public var description: String { "a token" }

  private static func check(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    Array(Key.sha256(Array(bytes)).prefix(checkBytes))
  }
}

/// What is wrong with a token, in one line that does not hold it.
public struct TokenError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String
  init(_ description: String) { self.description = description }
}
