import CKey
import Foundation
import Primitives
import Wire

/// The key of who listens: a coordinator's, which may outlive it in a file, or a worker's, which
/// does not.
///
/// From a coordinator's key follows all that a token holds but addresses, so that a coordinator
/// that comes back with its key has the token of before.
public struct Key: Sendable {
  /// The private key: P-256, PKCS 8 in PEM.
  let pem: [UInt8]
  /// A certificate that the key has signed itself, in DER, which never expires: TLS wants one.
  let certificate: [UInt8]
  /// What tells its public key from others.
  public let fingerprint: Fingerprint
  /// What workers must know: the first bytes of SHA-256 of a label and the private number.
  public let secret: Secret

  private static let label = Array("dogsled secret 1:".utf8)
  /// The most bytes of a file that is read as a key.
  private static let most = 1 << 16

  /// A new key.
  /// - Throws: `KeyError` where libcrypto cannot make one.
  public init() throws(KeyError) {
    var key = ckey()
    guard ckey_make(&key) != 0 else { throw KeyError("libcrypto cannot make a key") }
    try self.init(key)
  }

  /// The key in the file at `path`.
  /// - Throws: `KeyError` for a file that holds none of ours; `FileError` where it cannot be read,
  ///   or others can.
  public init(file path: String) throws {
    let file = try PlainFile(path)
    guard file.size <= Self.most else { throw KeyError("\(path): no key: it is too large") }
    let bytes = try file.bytes(at: 0, count: file.size)
    var key = ckey()
    guard ckey_read(&key, bytes, bytes.count) != 0 else {
      throw KeyError(
        "\(path): no private key of the curve P-256 without a password: make one with "
          + "'dogsled key FILE'")
    }
    try file.refuseOpenToOthers()
    try self.init(key)
  }

  private init(_ key: ckey) throws(KeyError) {
    pem = withUnsafeBytes(of: key.pem) { Array($0.prefix(key.pem_size)) }
    certificate = withUnsafeBytes(of: key.certificate) { Array($0.prefix(key.certificate_size)) }
    let number = withUnsafeBytes(of: key.scalar) { Array($0) }
    guard let fingerprint = withUnsafeBytes(of: key.fingerprint, { Fingerprint(Array($0)) }),
      let secret = Secret(Self.sha256(Self.label + number))
    else { throw KeyError("libcrypto cannot compute SHA-256") }
    (self.fingerprint, self.secret) = (fingerprint, secret)
  }

  /// Writes the key into a new file that its owner alone can read.
  /// - Parameter replacing: whether a file of that name may be there.
  /// - Throws: `FileError` where there is something of that name already, or it cannot be written.
  public func write(to path: String, replacing: Bool = false) throws(FileError) {
    guard replacing || !PlainFiles.exists(path) else {
      throw FileError("\(path): is there already: name another file, or remove it")
    }
    try PlainFiles.replace(path, with: Data(pem), isPrivate: true)
  }

  /// SHA-256 of `bytes`; empty where libcrypto cannot.
  static func sha256(_ bytes: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: Int(CKEY_DIGEST_SIZE))
    return ckey_sha256(bytes, bytes.count, &digest) != 0 ? digest : []
  }
}

/// What is wrong with a key.
public struct KeyError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String
  init(_ description: String) { self.description = description }
}
