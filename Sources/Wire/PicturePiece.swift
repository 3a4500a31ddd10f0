import NIOCore

/// Some bytes of a picture's file, on their way to a worker that lacks it.
///
/// As bytes: the picture (UInt32, big-endian), the first byte's place in the file (UInt32), the
/// bytes.
public struct PicturePiece: Hashable, Sendable {
  /// The most bytes of a piece: what is urgent waits for no more.
  package static let most = 64 << 10
  private static let headBytes = 8
  /// The most bytes of its payload.
  static let maximumPayload = headBytes + most

  /// Counted through the manifest: first the training pictures, then those of validation.
  package let picture: Int
  /// The first byte's place in the file.
  package let offset: Int
  package let bytes: [UInt8]

  package init(picture: Int, offset: Int, bytes: [UInt8]) {
    (self.picture, self.offset, self.bytes) = (picture, offset, bytes)
  }

  /// - Throws: `WireError` where there is no piece in `payload`.
  init(payload: ByteBuffer) throws {
    var rest = payload
    guard let picture: UInt32 = rest.readInteger(), let offset: UInt32 = rest.readInteger() else {
      throw WireError("received a piece of a picture that is too short")
    }
    (self.picture, self.offset) = (Int(picture), Int(offset))
    bytes = Array(rest.readableBytesView)
  }

  var payload: ByteBuffer {
    var payload = ByteBuffer()
    payload.reserveCapacity(Self.headBytes + bytes.count)
    payload.writeInteger(UInt32(truncatingIfNeeded: picture))
    payload.writeInteger(UInt32(truncatingIfNeeded: offset))
    payload.writeBytes(bytes)
    return payload
  }
}

/// Pictures that a worker lacks, numbered as in `PicturePiece`.
public struct WantedPictures: Codable, Hashable, Sendable {
  /// The most pictures that are asked for at once.
  package static let most = 1024
  /// None twice, nor again over the same connection.
  public var pictures: [Int]

  /// These pictures.
  public init(_ pictures: [Int]) { self.pictures = pictures }

  /// Itself, where these may be asked for at once.
  func checked() throws -> WantedPictures {
    guard (1...Self.most).contains(pictures.count) else {
      throw WireError("received a wish for \(pictures.count) pictures at once")
    }
    return self
  }
}
