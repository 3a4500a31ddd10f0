import NIOCore

/// Messages out of a stream of bytes, one after the other: a `FrameDecoder` and what it has not
/// taken yet.
package struct FrameReader<Message: WireMessage> {
  private var decoder: FrameDecoder<Message>
  private var rest = ByteBuffer()
  /// Whether `rest` is a buffer of the socket's.
  private var isBorrowed = false

  /// A reader for a new connection.
  package init(_ decoder: FrameDecoder<Message>) { self.decoder = decoder }

  /// A reader for a new connection.
  package init(limits: Limits) { self.init(FrameDecoder(limits: limits)) }

  /// Bytes came.
  package mutating func append(_ bytes: ByteBuffer) {
    if rest.readableBytes == 0 {
      (rest, isBorrowed) = (bytes, true)
    } else {
      rest.writeImmutableBuffer(bytes)
    }
  }

  /// The next message that is whole; nil where more bytes are needed.
  /// - Throws: `WireError`: the connection cannot go on.
  package mutating func next() throws -> Message? {
    if let message = try decoder.decode(buffer: &rest) { return message }
    if isBorrowed {
      // The socket reads into its buffer again where nobody keeps it.
      rest = ByteBuffer(bytes: rest.readableBytesView)
      isBorrowed = false
    } else if rest.readerIndex > rest.readableBytes {
      rest.discardReadBytes()
    }
    return nil
  }

  /// The stream has ended.
  /// - Throws: `WireError` where that was within a message.
  package func finish() throws { try decoder.finish(buffer: rest) }
}
