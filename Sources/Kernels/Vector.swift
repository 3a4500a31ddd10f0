// The vector that every kernel computes with: 16 floats, whatever the processor's registers hold.
// A lane never meets another lane but in `laneSum`, whose order is fixed, and a product is added
// with one rounding (fused): so every instruction set gives the same bits.

import KernelInterface

typealias Vector = SIMD16<Float>

/// Calls `body` with the first column and the width, 32 or 16, of each block of `columns`, a
/// multiple of 16.
@inline(__always)
func forBlocks(_ columns: Int, _ body: (_ first: Int, _ width: Int) -> Void) {
  var first = 0
  while first < columns {
    let width = min(blockColumns, columns - first)
    body(first, width)
    first += width
  }
}

@inline(__always)
func load(_ source: Source) -> Vector {
  UnsafeRawPointer(source).loadUnaligned(as: Vector.self)
}

@inline(__always)
func load(_ target: Target) -> Vector {
  UnsafeRawPointer(target).loadUnaligned(as: Vector.self)
}

@inline(__always)
func store(_ value: Vector, _ target: Target) {
  UnsafeMutableRawPointer(target).storeBytes(of: value, as: Vector.self)
}

/// The 16 lanes' sum, always as the same tree: neighbours first.
@inline(__always)
func laneSum(_ v: Vector) -> Float {
  let eight = v.evenHalf + v.oddHalf
  let four = eight.evenHalf + eight.oddHalf
  let two = four.evenHalf + four.oddHalf
  return two.x + two.y
}

/// The `laneSum` of four vectors, with the same bits in fewer instructions.
@inline(__always)
func laneSums(_ a: Vector, _ b: Vector, _ c: Vector, _ d: Vector) -> SIMD4<Float> {
  let four = pairSums(pairSums(a, b), pairSums(c, d))
  let two = four.evenHalf + four.oddHalf
  return two.evenHalf + two.oddHalf
}

/// The sums of neighbouring lanes, first those of `a`.
@inline(__always)
func pairSums(_ a: Vector, _ b: Vector) -> Vector {
  Vector(lowHalf: a.evenHalf + a.oddHalf, highHalf: b.evenHalf + b.oddHalf)
}
