/// The size of one picture's activation between two layers: height x width x channels, without
/// the batch dimension, laid out with channels innermost (NHWC) as Keras does.
public struct Shape: Hashable, Sendable, Codable, CustomStringConvertible {
  /// Rows.
  public var height: Int
  /// Columns.
  public var width: Int
  /// Channels, or units of a flat activation.
  public var channels: Int
  /// Whether Keras shows it with one dimension: `(None, 512)` and not `(None, 7, 7, 128)`.
  public var isFlat: Bool

  /// A map of `height` x `width` x `channels`.
  public init(height: Int, width: Int, channels: Int) {
    (self.height, self.width, self.channels, isFlat) = (height, width, channels, false)
  }

  /// A flat activation of `units` numbers.
  public init(units: Int) {
    (height, width, channels, isFlat) = (1, 1, units, true)
  }

  /// The numbers in one picture's activation.
  public var count: Int { height * width * channels }

  /// As Keras prints it, `(None, 148, 148, 32)`.
  public var description: String {
    isFlat ? "(None, \(channels))" : "(None, \(height), \(width), \(channels))"
  }

  /// Checks that Keras's number of a dimension is that of the channels.
  /// - Parameter axis: nil for the last, whatever it is.
  /// - Throws: `ArchitectureError` where it is another.
  func check(axis: Int?) throws {
    guard axis == nil || axis == (isFlat ? 1 : 3) else {
      throw ArchitectureError(
        "its axis is \(axis ?? -1), which is not that of the channels of \(self): use -1")
    }
  }
}
