/// Every limit of a connection, in one value.
///
/// Sizes are bytes, times are seconds.
public struct Limits: Hashable, Sendable {
  /// The floats of a part, a multiple of 16: 64 KiB, so that what is urgent never waits long.
  public var partFloats = PartCoding.maximumFloats
  /// The header of a `hello`, the one message that a stranger can make us read.
  public var hello = 4 << 10
  /// The header of a `welcome`, which holds the manifest: some 500,000 pictures.
  public var welcome = 128 << 20
  /// The header of any other message.
  public var header = 1 << 20
  /// The floats of a model: 1 GiB of weights.
  public var floats = 1 << 28
  /// What may wait to be sent to one peer; parts that several peers are sent count for each.
  public var queued = 4 << 30
  /// Workers connected at once; for one more, of the host with most workers that are not ready, the
  /// oldest goes.
  public var connections = 256
  /// Connections that have not said who they are; of more the oldest goes.
  public var strangers = 256
  /// Time for a new connection to say a valid `hello`.
  public var helloTimeout = 10.0
  /// Time from then until a worker is ready: it checks every file of its data set.
  public var readyTimeout = 600.0
  /// Time to make a connection.
  public var connectTimeout = 5.0
  /// Between two heartbeats.
  public var heartbeat = 1.0
  /// Silence, or time without accepting a byte, after which a peer is lost.
  public var heartbeatBound = 3.0

  /// The standard limits.
  public init() {}

  /// What is used where nobody asks for something else.
  public static let standard = Limits()
}
