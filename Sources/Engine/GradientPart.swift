/// A tile of a step's gradient: what travels, and is checked, summed and forwarded, as one.
public struct GradientPart: Hashable, Sendable {
  /// Its place in `GradientLayout.parts`.
  public let index: Int
  /// The layer whose gradient it belongs to.
  public let layer: String
  /// Its floats in a buffer of `GradientLayout.buffer`, all of one tensor.
  public let floats: Range<Int>
  /// Whether each step's is wanted for itself, and no sum: a factor, which the update multiplies,
  /// or the batch's statistics.
  public let isPerStep: Bool
}

extension GradientLayout {
  /// The buffer cut into parts of at most `most` floats, a multiple of 16, in its order.
  public func parts(most: Int) -> [GradientPart] {
    var parts: [GradientPart] = []
    for tensor in buffer.tensors {
      let isPerStep =
        tensor.kind == .inputs || tensor.kind == .outputGradients || tensor.momentum != nil
      for floats in tensor.tiles(most: most) {
        parts.append(
          GradientPart(
            index: parts.count, layer: tensor.layer, floats: floats, isPerStep: isPerStep))
      }
    }
    return parts
  }
}

extension ParameterLayout {
  /// A buffer's tensors cut into tiles of at most `most` floats, a multiple of 16, in their order.
  public func tiles(most: Int) -> [Range<Int>] { tensors.flatMap { $0.tiles(most: most) } }
}

extension ParameterLayout.Tensor {
  fileprivate func tiles(most: Int) -> [Range<Int>] {
    precondition(most > 0 && most % 16 == 0, "a tile begins on a multiple of 16 floats")
    return stride(from: 0, to: count, by: most).map { first in
      offset + first..<offset + min(first + most, count)
    }
  }
}
