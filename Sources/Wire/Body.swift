import Engine
import NIOCore

/// The tensors that come with a message.
public enum Body: Sendable {
  /// One LZ4 frame, made and read by `TensorCoding`: what travels over a socket.
  case frame(ByteBuffer)
  /// The tensors themselves: what travels inside one process. Whoever receives it may read it, and
  /// nobody may write to it any more.
  case local(ParameterBuffer)

  /// The bytes that travel; 0 inside one process.
  public var byteCount: Int {
    switch self {
    case .frame(let frame): frame.readableBytes
    case .local: 0
    }
  }
}
