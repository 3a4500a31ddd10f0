// What is done to each number alone.

import KernelInterface

extension Operations {
  static func bytesToFloats(
    _ bytes: UnsafePointer<UInt8>, scale: Float, offset: Float, values: Target, count: Int
  ) {
    for i in 0..<count { values[i] = Float(bytes[i]) * scale + offset }
  }

  static func sum(_ a: Source, _ b: Source, target: Target, count: Int) {
    var i = 0
    while i < count {
      store(load(a + i) + load(b + i), target + i)
      i += 16
    }
  }

  static func copyRows(
    _ source: Source, sourceRow: Int, target: Target, targetRow: Int, rows: Int, width: Int
  ) {
    for row in 0..<rows {
      (target + row * targetRow).update(from: source + row * sourceRow, count: width)
    }
  }
}
