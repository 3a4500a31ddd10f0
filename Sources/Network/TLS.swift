import CKey
import NIOCore
import NIOSSL
import Wire

/// TLS 1.3 and nothing below, with keys that are known beforehand: no authority, no names, no
/// clock.
enum TLS {
  /// What a listener with `key` has in common for all connections.
  /// - Throws: `NetworkError` where the key cannot be used.
  static func context(_ key: Key) throws -> NIOSSLContext {
    do {
      var configuration = TLSConfiguration.makeServerConfiguration(
        certificateChain: [
          .certificate(try NIOSSLCertificate(bytes: key.certificate, format: .der))
        ],
        privateKey: .privateKey(try NIOSSLPrivateKey(bytes: key.pem, format: .pem)))
      configuration.minimumTLSVersion = .tlsv13
      configuration.shutdownTimeout = shutdownTimeout
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw NetworkError("the key cannot be used for TLS: \(NetworkError.summary(of: error))")
    }
  }

  /// What all connections that this process makes have in common.
  /// - Throws: `NetworkError`.
  static func context() throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv13
    configuration.shutdownTimeout = shutdownTimeout
    // Our own verification takes the place of authorities and names.
    configuration.certificateVerification = .noHostnameVerification
    configuration.trustRoots = .certificates([])
    do {
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw NetworkError("TLS cannot be used: \(NetworkError.summary(of: error))")
    }
  }

  /// The handler of a connection to whoever has the key of this fingerprint.
  static func handler(
    _ context: NIOSSLContext, to fingerprint: Fingerprint
  ) throws -> NIOSSLClientHandler {
    try NIOSSLClientHandler(
      context: context, serverHostname: nil,
      customVerificationCallback: { certificates, promise in
        let isRight = certificates.first.flatMap(Self.fingerprint) == fingerprint
        promise.succeed(isRight ? .certificateVerified : .failed)
      })
  }

  /// How long a connection that is closed waits for the peer's leave: connections end in good order
  /// before, by `ConnectionState`.
  private static let shutdownTimeout = TimeAmount.milliseconds(1)

  /// Of the public key in a certificate.
  private static func fingerprint(_ certificate: NIOSSLCertificate) -> Fingerprint? {
    guard let bytes = try? certificate.toDERBytes() else { return nil }
    var digest = [UInt8](repeating: 0, count: Int(CKEY_DIGEST_SIZE))
    guard ckey_fingerprint(bytes, bytes.count, &digest) != 0 else { return nil }
    return Fingerprint(digest)
  }
}

extension NetworkError {
  /// One line for what went wrong in TLS; nil for anything else.
  static func summary(ofTLS error: any Error) -> String? {
    switch error {
    case NIOSSLError.uncleanShutdown: return "it closed the connection"
    case NIOSSLError.handshakeFailed(.sslError(let stack)) where stack == [.eofDuringHandshake]:
      return "it closed the connection before TLS was agreed on"
    case NIOSSLError.handshakeFailed(let cause), NIOSSLError.shutdownFailed(let cause):
      return summary(of: cause)
    case let error as BoringSSLError: return summary(of: error)
    case is NIOSSLError, is NIOSSLCloseTimedOutError, is NIOSSLExtraError:
      return "TLS failed: \(error)".replacingOccurrences(of: "\n", with: " ")
    default: return nil
    }
  }

  /// What BoringSSL names in capitals, in words.
  private static let words = [
    ("CERTIFICATE_VERIFY_FAILED", wrongKey),
    ("ALERT_CERTIFICATE_UNKNOWN", "it does not know this key: its token is another run's"),
    ("ALERT_BAD_CERTIFICATE", "it does not know this key: its token is another run's"),
    ("ALERT_UNKNOWN_CA", "it does not know this key: its token is another run's"),
    ("ALERT_PROTOCOL_VERSION", "it speaks no TLS 1.3"),
    ("UNSUPPORTED_PROTOCOL", "it speaks no TLS 1.3"),
    ("HTTP_REQUEST", noTLS), ("HTTPS_PROXY_REQUEST", noTLS), ("WRONG_VERSION_NUMBER", noTLS),
    ("BAD_DECRYPT", "received a damaged record of TLS"),
    ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "received a damaged record of TLS"),
  ]

  /// Of a client: whoever listens there is not whom it looks for.
  static let wrongKey = "what listens there has another key than the token names"
  /// Of either side.
  static let noTLS = "it speaks no TLS"

  private static func summary(of error: BoringSSLError) -> String {
    let text = "\(error)"
    if let (_, words) = words.first(where: { text.contains($0.0) }) { return words }
    let name = text.matches(of: /[A-Z][A-Z0-9_]{5,}/).map(\.output).last { !$0.hasPrefix("SSL") }
    return "TLS failed: \(name ?? "for an unknown reason")"
  }
}
