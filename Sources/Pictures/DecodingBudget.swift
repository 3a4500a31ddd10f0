import Foundation
import Primitives

/// Memory that pictures may take while they are decoded, over all threads of the process.
///
/// Whoever needs some waits here until there is room for it; what is larger than all of the budget
/// has it alone. First come, first served: a large picture is not kept waiting by small ones for
/// ever. Nobody waits for `files` who has some of `pixels`: so there is always one who goes on.
package final class DecodingBudget: @unchecked Sendable {
  /// For the files that are decoded, or wait for that.
  static let files = DecodingBudget(bytes: 1 << 28)
  /// For pixels, and for the coefficients of progressive JPEGs.
  static let pixels = DecodingBudget(bytes: min(1 << 30, AvailableMemory.now().bytes / 4))

  private let limit: Int
  // All below is guarded by the condition.
  private let condition = NSCondition()
  private var taken = 0
  private var holders = 0
  /// Numbers that were given to those who come, and the one who is next.
  private var (numbers, next) = (0, 0)

  /// A budget of `bytes`.
  package init(bytes: Int) { limit = bytes }

  /// Waits until `bytes` are free, or nobody has any, and has them during `body`.
  package func with<Result>(
    _ bytes: Int, _ body: () throws(PictureError) -> Result
  ) throws(PictureError) -> Result {
    condition.lock()
    let number = numbers
    numbers += 1
    while number != next || (holders > 0 && taken + bytes > limit) { condition.wait() }
    next += 1
    holders += 1
    taken += bytes
    condition.broadcast()
    condition.unlock()
    defer {
      condition.lock()
      holders -= 1
      taken -= bytes
      condition.broadcast()
      condition.unlock()
    }
    return try body()
  }
}
