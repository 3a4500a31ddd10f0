import NIOCore

/// The first eight bytes from either side: `DOGSLED` and the protocol's version.
///
/// Whoever sends something else is refused at its first wrong byte.
package enum Preface {
  /// The version of the protocol, 1...255: raised by every change of messages or frames.
  package static let version: UInt8 = 16

  /// What this program sends first.
  package static let bytes = bytes(version: version)

  package static func bytes(version: UInt8) -> ByteBuffer {
    ByteBuffer(bytes: magic + [version])
  }

  /// What is said of a peer whose first byte is one of TLS.
  package static let speaksTLS =
    "the peer speaks TLS, and this side does not: give both the run's token, or both --insecure"

  private static let magic = Array("DOGSLED".utf8)

  /// Takes the preface from `buffer`.
  /// - Returns: false where not all of it is there yet.
  /// - Throws: `WireError` for a stranger, or another version.
  static func read(from buffer: inout ByteBuffer) throws -> Bool {
    // A record of TLS: an alert or a handshake.
    if let first = buffer.readableBytesView.first, first == 0x15 || first == 0x16 {
      throw WireError(speaksTLS)
    }
    let seen = buffer.readableBytesView.prefix(magic.count)
    guard seen.elementsEqual(magic.prefix(seen.count)) else {
      let text = buffer.readableBytesView.prefix(16).map { byte in
        (0x20..<0x7F).contains(byte) ? String(UnicodeScalar(byte)) : "."
      }.joined()
      throw WireError("the peer is no Dogsled program: its first bytes are \"\(text)\"")
    }
    guard buffer.readableBytes > magic.count else { return false }
    buffer.moveReaderIndex(forwardBy: magic.count)
    let peer: UInt8? = buffer.readInteger()
    guard peer == version else {
      throw WireError(
        "the peer speaks version \(peer ?? 0) of Dogsled's protocol, this program version "
          + "\(version): install the same version of Dogsled on both machines")
    }
    return true
  }
}
