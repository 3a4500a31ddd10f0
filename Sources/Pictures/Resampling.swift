/// Resampling by a filter along rows and along columns, with 8-bit pixels between: the arithmetic
/// of Pillow's resize, whose coefficients have 22 bits after the point.
extension Resize {
  enum Filter {
    case triangle, box

    var support: Double { self == .triangle ? 1 : 0.5 }

    func weight(_ x: Double) -> Double {
      switch self {
      case .triangle: return max(0, 1 - abs(x))
      case .box: return x > -0.5 && x <= 0.5 ? 1 : 0
      }
    }
  }

  static func resample(
    _ picture: DecodedPicture, height: Int, width: Int, _ filter: Filter
  ) throws(PictureError) -> DecodedPicture {
    let rows = { (picture: DecodedPicture) throws(PictureError) in
      picture.width == width
        ? picture : try alongRows(picture, Taps(from: picture.width, to: width, filter))
    }
    let columns = { (picture: DecodedPicture) throws(PictureError) in
      picture.height == height
        ? picture : try alongColumns(picture, Taps(from: picture.height, to: height, filter))
    }
    // Rounding between the passes makes their order count. Since version 13 Pillow takes the
    // columns first where the height shrinks by more than twice what the width does.
    let shrinks = (rows: picture.height - height, columns: picture.width - width)
    let columnsFirst = shrinks.rows > 0 && shrinks.rows > 2 * shrinks.columns
    return try columnsFirst ? rows(columns(picture)) : columns(rows(picture))
  }

  private static let precision: Int32 = 22

  /// For each output place the first source place and the fixed-point weights from there on.
  private struct Taps {
    var first: [Int] = []
    var start: [Int] = [0]  // Where the weights of a place begin; one more than there are places.
    var weights: [Int32] = []

    init(from source: Int, to count: Int, _ filter: Filter) {
      let scale = Double(source) / Double(count)
      let stretch = max(scale, 1)
      let support = filter.support * stretch
      for place in 0..<count {
        let center = (Double(place) + 0.5) * scale
        let low = max(0, Int(center - support + 0.5))
        let high = min(source, Int(center + support + 0.5))
        let exact = (low..<high).map { source in
          filter.weight((Double(source) - center + 0.5) * (1 / stretch))
        }
        let sum = exact.reduce(0, +)
        first.append(low)
        weights += exact.map { weight in
          Int32(0.5 + (sum == 0 ? weight : weight / sum) * Double(1 << precision))
        }
        start.append(weights.count)
      }
    }
  }

  private static func alongRows(_ picture: DecodedPicture, _ taps: Taps) throws(PictureError)
    -> DecodedPicture
  {
    let width = taps.first.count
    return try DecodedPicture(height: picture.height, width: width) { out in
      var pixel = out.baseAddress!
      for row in 0..<picture.height {
        let source = picture.bytes + row * picture.width * 3
        for column in 0..<width {
          var value = source + taps.first[column] * 3
          var sum = SIMD4<Int32>(repeating: 1 << (precision - 1))
          for tap in taps.start[column]..<taps.start[column + 1] {
            let color = SIMD4(Int32(value[0]), Int32(value[1]), Int32(value[2]), 0)
            sum &+= color &* taps.weights[tap]
            value += 3
          }
          pixel[0] = clamped(sum.x)
          pixel[1] = clamped(sum.y)
          pixel[2] = clamped(sum.z)
          pixel += 3
        }
      }
    }
  }

  private static func alongColumns(_ picture: DecodedPicture, _ taps: Taps) throws(PictureError)
    -> DecodedPicture
  {
    let height = taps.first.count
    let stride = picture.width * 3
    return try DecodedPicture(height: height, width: picture.width) { out in
      var sums = [Int32](repeating: 0, count: stride)
      for row in 0..<height {
        for i in 0..<stride { sums[i] = 1 << (precision - 1) }
        var source = picture.bytes + taps.first[row] * stride
        for tap in taps.start[row]..<taps.start[row + 1] {
          let weight = taps.weights[tap]
          for i in 0..<stride { sums[i] &+= Int32(source[i]) &* weight }
          source += stride
        }
        for i in 0..<stride { out[row * stride + i] = clamped(sums[i]) }
      }
    }
  }

  private static func clamped(_ sum: Int32) -> UInt8 {
    UInt8(truncatingIfNeeded: max(0, min(255, sum >> precision)))
  }
}
