import Foundation

/// The memory that pictures may take while they are decoded, over all threads of the process.
///
/// Whoever decodes waits here until there is room for it, and holds nothing else that others wait
/// for; a picture that is larger than all of the budget is decoded alone. First come, first
/// served: a large picture is not kept waiting by small ones for ever.
package final class DecodingBudget: @unchecked Sendable {
  /// Of this process.
  static let shared = DecodingBudget(bytes: 1 << 30)

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
