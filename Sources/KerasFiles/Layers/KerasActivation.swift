import Engine

/// Keras's names of activations.
enum KerasActivation {
  /// By name; the first name of each is the one that is written.
  static let named: [String: Activation] = [
    "linear": .linear, "relu": .relu, "relu6": .relu6,
    "leaky_relu": .rectified(slope: 0.2, threshold: 0, ceiling: .infinity), "sigmoid": .sigmoid,
    "hard_sigmoid": .hardSigmoid(slope: 1 / 6, offset: 0.5), "tanh": .tanh, "swish": .swish,
    "silu": .swish, "gelu": .gelu(approximate: false), "softmax": .softmax,
  ]

  /// The name of one; null for what has none.
  static func name(_ activation: Activation) -> JSON {
    // Keras 3 knows both, Keras 2 only this one.
    if activation == .swish { return "swish" }
    return named.first { $0.value == activation }.map { .string($0.key) } ?? nil
  }
}

extension ActivationLayer: KerasLayer {
  package static let classes: [String: [String: KerasArgument]] = [
    "Activation": KerasArgument.common.merging(["activation": .computed]) { $1 },
    "ReLU": KerasArgument.common.merging([
      "max_value": .computed, "negative_slope": .computed, "threshold": .computed,
    ]) { $1 },
    "LeakyReLU": KerasArgument.common.merging([
      "negative_slope": .computed, "alpha": .computed,
    ]) { $1 },
    "Softmax": KerasArgument.common.merging(["axis": .only(-1, [-1])]) { $1 },
  ]

  package init(reading reader: LayerReader) throws {
    switch reader.kind {
    case "ReLU":
      let ceiling = try reader.number("max_value", default: .infinity)
      let slope = try reader.number("negative_slope", default: 0)
      let threshold = try reader.number("threshold", default: 0)
      guard ceiling >= threshold else {
        throw reader.refusal("max_value", "those from the threshold on")
      }
      self.init(
        slope == 0 && threshold == 0 && ceiling == .infinity
          ? .relu : .rectified(slope: slope, threshold: threshold, ceiling: ceiling))
    case "LeakyReLU":
      // Keras 2 calls it alpha.
      let old = try reader.number("alpha", default: 0.3)
      let slope = try reader.number("negative_slope", default: old)
      self.init(.rectified(slope: slope, threshold: 0, ceiling: .infinity))
    case "Softmax": self.init(.softmax)
    default: self.init(try reader.activation())
    }
  }

  package var kerasClass: String {
    guard case .rectified(_, _, let ceiling) = activation else { return "Activation" }
    return ceiling == 6 ? "Activation" : "ReLU"
  }

  package var configuration: [String: JSON] {
    guard kerasClass == "ReLU", case .rectified(let slope, let threshold, let ceiling) = activation
    else { return ["activation": KerasActivation.name(activation)] }
    return [
      "max_value": ceiling.isFinite ? JSON(shortest: ceiling) : nil,
      "negative_slope": JSON(shortest: slope), "threshold": JSON(shortest: threshold),
    ]
  }
}
