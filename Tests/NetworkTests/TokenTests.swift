import Foundation
import Network
import Primitives
import TestSupport
import Testing
import Wire

@Suite struct TokenTests {
  /// Its fingerprint and its secret were computed with the programs of OpenSSL and Python.
  private static let pem = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQge2LA+5nRGomROf+P
    j8TBTJciTxcFoyD0xOtgOzQ/VRChRANCAATrO/hnrFlr8WbKMVqIYaMVS6FW9d4J
    EhBq3rK0tJ/S06gamZ5XqJYlf/pGbFhITSBNUfqjJWbGtUE7LlYvcJq3
    -----END PRIVATE KEY-----

    """
  private static let text =
    "dogsled1_vqUB_6K4RGLcXihFsqsTNh5hIHV7dwJMoellXpzIdJsMBIOx18etLKphEO1ZgS1qUNFVCzE5Mi4xNjguMS4y"
    + "Z79PlA"

  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func aKeyHasOneToken() throws {
    let key = try Key(file: file(mode: 0o600))
    #expect(key.fingerprint.description == "dXt3Akyh6WVenMh0mwwEg7HXx60sqmEQ7VmBLWpQ0VU")
    let token = Token(of: key, hosts: ["192.168.1.2"], port: 7777)
    #expect(token.text == Self.text)
    #expect(try Token(Self.text) == token)
  }

  private func file(mode: mode_t) throws -> String {
    let path = try folder.write(Array(Self.pem.utf8), to: "k")
    try #require(chmod(path, mode) == 0)
    return path
  }

  @Test(arguments: [0o640, 0o620, 0o604, 0o602, 0o610, 0o644, 0o666] as [mode_t])
  func aKeyThatOthersMayReadOrWriteIsRefused(_ mode: mode_t) throws {
    let path = try file(mode: mode)
    let error = #expect(throws: FileError.self) { try Key(file: path) }
    let octal = String(mode, radix: 8)
    #expect(
      error?.description == "\(path): others may read or write this file, whose mode is \(octal), "
        + "and what it holds must stay secret: chmod 600 \(path)")
  }

  @Test(arguments: [0o600, 0o400, 0o700] as [mode_t])
  func aKeyOfItsOwnersAloneIsTaken(_ mode: mode_t) throws {
    _ = try Key(file: file(mode: mode))
  }

  /// As ssh has it: who does not own it cannot change its mode.
  @Test(.enabled(if: geteuid() == 0, "needs root")) func aKeyOfAnotherUsersIsTaken() throws {
    let path = try file(mode: 0o644)
    try #require(chown(path, 65534, 65534) == 0)
    _ = try Key(file: path)
  }

  @Test func aKeyComesBackFromItsFileWhichIsPrivate() throws {
    let (key, path) = (try Key(), folder.file("key"))
    try key.write(to: path)
    #expect(
      try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
    let read = try Key(file: path)
    #expect(read.fingerprint == key.fingerprint && read.secret == key.secret)
    #expect(throws: (any Error).self) { try key.write(to: path) }
    let other = try Key()
    #expect(other.fingerprint != key.fingerprint && other.secret != key.secret)
  }

  @Test(arguments: [
    "", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    pem.replacingOccurrences(of: "PRIVATE", with: "PUBLIC"), String(pem.prefix(120)),
    String(repeating: "x", count: 1 << 17),
  ])
  func whatIsNoKeyIsSaidToBeNone(_ text: String) throws {
    let path = try folder.write(Array(text.utf8), to: "bad")
    let error = #expect(throws: KeyError.self) { try Key(file: path) }
    #expect(error?.description.hasPrefix("\(path): no") == true)
  }

  @Test func aTokenHoldsAddressesOfAllKinds() throws {
    let key = try Key()
    let hosts = ["10.0.0.7", "2001:db8::7", "fe80::1%eth0", "node-1.example"]
    for fingerprint in [key.fingerprint, nil] {
      let token = Token(
        secret: key.secret, fingerprint: fingerprint, hosts: hosts + ["one.too.many"], port: 65535)
      let read = try Token(token.text)
      #expect(read == token)
      #expect(read.endpoints == hosts.map { Endpoint(host: $0, port: 65535) })
    }
  }

  /// Any character that is another, and any part that is missing, is noticed.
  @Test func aMistypedTokenIsToldFromAWrongOne() throws {
    let characters = Array(Self.text)
    for place in 9..<characters.count {
      var typed = characters
      typed[place] = typed[place] == "x" ? "y" : "x"
      let error = #expect(throws: TokenError.self) { try Token(String(typed)) }
      #expect(error?.description.contains("not copied whole") == true)
      #expect(throws: TokenError.self) { try Token(String(characters.prefix(place))) }
    }
    #expect(throws: TokenError.self) { try Token(Self.text + "A") }
    let other = #expect(throws: TokenError.self) { try Token("dogsled2_" + Self.text.dropFirst(9)) }
    #expect(other?.description.contains("another version") == true)
    let none = #expect(throws: TokenError.self) { try Token("SWMTKN-1-abc") }
    #expect(none?.description.contains("no token") == true)
  }

  /// What describes a token or a secret, also within another value, does not hold it.
  @Test func nothingPrintsATokenByAccident() throws {
    let token = try Token(Self.text)
    var hello = Hello(version: "1", name: "n", process: 1, threads: 1, kernels: "k")
    hello.secret = token.secret
    var dumped = ""
    dump(hello, to: &dumped)
    dump(token.secret, to: &dumped)
    let shown = "\(token) \(hello) \(token.secret) \(String(reflecting: token.secret)) \(dumped)"
    #expect(!shown.contains("vqUB") && !shown.contains("190"), "\(shown)")
  }
}
