/// Which encoding of a part arrives soonest over a link, as far as that can be said beforehand.
///
/// The time is that of encoding, of the bytes on the link, and of decoding, one after the other.
/// `dogsled bench gradient` prints the times that the constants stand for.
struct PartCosts {
  /// A link of which nothing is known: 1 Gbit/s.
  private static let unknownLink = 125e6
  /// Seconds to make planes of a float and to put it together again.
  private static let planes = 2.3e-9
  /// Seconds to leave out a zero or to keep another float, and to spread them again.
  private static let sparse = 1.2e-9
  /// Bytes of a float in planes: 24 bits of sign and mantissa, and about 4 of the exponent.
  private static let bytesInPlanes = 3.5
  /// Bytes of a float in the mask: a bit, less what LZ4 finds in it.
  private static let bytesInMask = 0.09

  /// What may be done with the floats.
  enum Choice: Equatable {
    case plain
    case planes
    case sparse(withPlanes: Bool)

    var encoding: PartEncoding {
      switch self {
      case .plain: .plain
      case .planes: .planes
      case .sparse: .sparse
      }
    }
  }

  private let secondsPerByte: Double

  /// - Parameter bytesPerSecond: nil where it is not known.
  init(bytesPerSecond: Double?) {
    secondsPerByte = 1 / max(bytesPerSecond ?? Self.unknownLink, 1)
  }

  /// The choice for `floats` of which `zeros` can be left out.
  func choose(floats: Int, zeros: Int) -> Choice {
    let (all, kept) = (Double(floats), Double(floats - zeros))
    let mask = Self.bytesInMask * all
    let times: [(choice: Choice, seconds: Double)] = [
      (.plain, 4 * all * secondsPerByte),
      (.planes, Self.bytesInPlanes * all * secondsPerByte + Self.planes * all),
      (.sparse(withPlanes: false), (mask + 4 * kept) * secondsPerByte + Self.sparse * all),
      (
        .sparse(withPlanes: true),
        (mask + Self.bytesInPlanes * kept) * secondsPerByte + Self.sparse * all
          + Self.planes * kept
      ),
    ]
    return times.min { $0.seconds < $1.seconds }?.choice ?? .plain
  }
}
