import KernelInterface

/// The range of numbers that a network's pictures have: its least for a byte of 0, its greatest for
/// 255.
public struct InputRange: Hashable, Sendable, Codable, CustomStringConvertible {
  /// What a byte of 0 becomes.
  public let low: Float
  /// What a byte of 255 becomes.
  public let high: Float

  /// From 0 to 1.
  public static let unit = InputRange(low: 0, high: 1)
  /// The bytes themselves.
  public static let bytes = InputRange(low: 0, high: 255)

  /// From `low` to `high`, which is greater.
  public init(low: Float, high: Float) { (self.low, self.high) = (low, high) }

  /// `0..1`.
  public var description: String {
    func text(_ number: Float) -> String {
      number == number.rounded() && abs(number) < 1e6 ? "\(Int(number))" : "\(number)"
    }
    return "\(text(low))..\(text(high))"
  }

  /// What makes it of bytes.
  var reading: PixelReading {
    PixelReading(scale: (Double(high) - Double(low)) / 255, offset: Double(low))
  }
}

/// What a picture's bytes become: scale x + offset.
struct PixelReading: Hashable {
  let scale: Double
  let offset: Double

  /// First this, then `next`.
  func then(_ next: PixelReading) -> PixelReading {
    PixelReading(scale: scale * next.scale, offset: offset * next.scale + next.offset)
  }
}

extension FeatureMap {
  /// Writes a picture's bytes as the floats that `reading` makes of them: the one place where bytes
  /// become floats.
  ///
  /// It is called at two moments. A first stage that is a plain convolution calls it for one
  /// picture at a time, in both passes, while that picture is in the cache. For any other first
  /// stage the engine calls it for the whole batch, before the stage begins.
  /// - Parameters:
  ///   - bytes: height x width x channels of the map's shape.
  ///   - place: which of the map's pictures it becomes.
  ///   - needed: the rows and columns that are read; the others are left as they are.
  func read(
    _ bytes: UnsafePointer<UInt8>, at place: Int, _ needed: Extent,
    _ kernels: any KernelOperations.Type
  ) {
    let channels = shape.channels
    // As Keras's `rescale=1./255` does: times the float nearest to 1/255.
    let (scale, offset) = (Float(reading.scale), Float(reading.offset))
    for row in 0..<needed.height {
      let target = values + place * pictureStride + row * rowStride
      let source = bytes + row * shape.width * channels
      if channelStride == channels {
        kernels.bytesToFloats(
          source, scale: scale, offset: offset, values: target, count: needed.width * channels)
      } else {
        for column in 0..<needed.width {
          kernels.bytesToFloats(
            source + column * channels, scale: scale, offset: offset,
            values: target + column * channelStride, count: channels)
        }
      }
    }
  }
}
