// JSON has no infinity and no NaN: wherever Dogsled writes numbers that may be either, they become
// strings, and are read back as numbers.

import Foundation

extension JSONEncoder {
  /// An encoder that writes numbers that are not finite as "inf", "-inf" and "nan".
  package static var anyNumbers: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return encoder
  }
}

extension JSONDecoder {
  /// Reads what `JSONEncoder.anyNumbers` wrote.
  package static var anyNumbers: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return decoder
  }
}
