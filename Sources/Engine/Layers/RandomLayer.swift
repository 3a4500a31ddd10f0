/// Keras's layers that change pictures at random: `RandomFlip` and its like.
///
/// In training whoever decodes the pictures changes them, before the network reads them; at
/// inference they stay as they are. So the layer itself computes nothing.
package struct RandomLayer: Layer {
  /// What is drawn.
  package enum Change: String, CaseIterable, Sendable {
    /// Whether a picture is mirrored.
    case flip
    /// An angle.
    case rotation
    /// A shift along rows and columns.
    case translation
    /// How much of a picture is seen.
    case zoom
    /// What is added to all pixels.
    case brightness
    /// What the pixels' distance from their mean is multiplied by.
    case contrast
  }

  package let change: Change
  /// Of a flip: whether left and right may change places, and top and bottom.
  package var flips = (horizontal: true, vertical: true)
  /// What is drawn from: a fraction of a turn, of the height, or of the range of pixels.
  package var range: ClosedRange<Float> = 0...0
  /// Of a zoom or a translation, the same of the width; nil where a zoom has one draw for both.
  package var widthRange: ClosedRange<Float>?
  /// Of brightness and contrast: the range of pixels.
  package var pixels: ClosedRange<Float> = 0...255
  /// What is seen beyond a picture's edges, by Keras's names.
  package var fillMode = "reflect"
  /// What stands there with `constant`.
  package var fillValue: Float = 0
  /// How pixels are made of those between which they lie, by Keras's names.
  package var interpolation = "bilinear"

  package init(_ change: Change) { self.change = change }

  package var kerasName: String { "random_\(change.rawValue)" }
  package var operations: [any Operation] { [] }

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    guard !inputs[0].isFlat else { throw ArchitectureError("it changes pictures, not flat layers") }
    return (inputs[0], [])
  }

  package static func == (a: Self, b: Self) -> Bool {
    a.change == b.change && a.flips == b.flips && a.range == b.range
      && a.widthRange == b.widthRange && a.pixels == b.pixels && a.fillMode == b.fillMode
      && a.fillValue == b.fillValue && a.interpolation == b.interpolation
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(change)
    hasher.combine(range)
    hasher.combine(widthRange)
  }
}

extension Architecture {
  /// The layers that change pictures at random, in order: what training does with a picture before
  /// the network reads it.
  /// - Throws: `ArchitectureError` where one changes something else than the pictures that the
  ///   whole network reads.
  package func randomLayers() throws -> [(name: String, layer: RandomLayer)] {
    var found: [(name: String, layer: RandomLayer)] = []
    // What is still the picture, but for its range.
    var picture = Value.picture
    var isBehind = false
    for (place, node) in nodes.enumerated() {
      let random = node.layer as? RandomLayer
      if !isBehind, node.inputs == [picture],
        random != nil || node.layer is Rescaling || node.layer is Normalization,
        nodes.count(where: { $0.inputs.contains(picture) }) == 1
      {
        picture = .node(place)
        if let random { found.append((node.name, random)) }
        continue
      }
      isBehind = true
      if random != nil {
        throw ArchitectureError(
          "\(node.name): pictures are changed at random where a network begins, not behind other "
            + "layers")
      }
    }
    return found
  }
}
