/// What one stage of a model took.
public struct StageTime: Sendable {
  /// The layers that it computes, as "conv2d + max_pooling2d".
  public let layers: String
  /// Multiply-adds of a picture's forward pass, as if by direct convolution.
  public let multiplyAdds: Int
  /// The same of the backward pass, its weights' and its input's gradient.
  public let backwardMultiplyAdds: Int
  /// Forward passes.
  public var forward = Duration.zero
  /// Backward passes.
  public var backward = Duration.zero

  init(layers: String, multiplyAdds: Int, backwardMultiplyAdds: Int) {
    self.layers = layers
    self.multiplyAdds = multiplyAdds
    self.backwardMultiplyAdds = backwardMultiplyAdds
  }
}
