import Engine

extension Augmentation {
  /// What a network's own random layers ask for; nil where it has none.
  ///
  /// They are taken together into one change, each with a draw of its own, which Keras makes one
  /// after the other.
  /// - Throws: `ArchitectureError` naming the layer that asks for something else.
  public init?(of architecture: Architecture) throws {
    self.init()
    let layers = try architecture.randomLayers()
    guard !layers.isEmpty else { return nil }
    var kinds: Set<RandomLayer.Change> = []
    var fills: Set<FillMode> = []
    for (name, layer) in layers {
      func refusal(_ what: String) -> ArchitectureError { ArchitectureError("\(name): \(what)") }
      guard kinds.insert(layer.change).inserted else {
        throw refusal("it is the second \(layer.change.rawValue); one is drawn for a picture")
      }
      func most(_ range: ClosedRange<Float>, below limit: Float) throws -> Float {
        guard range.lowerBound == -range.upperBound, range.upperBound < limit else {
          throw refusal(
            "\(range.lowerBound) to \(range.upperBound): it must be as far either way, and below "
              + "\(limit)")
        }
        return range.upperBound
      }
      switch layer.change {
      case .flip: (horizontalFlip, verticalFlip) = layer.flips
      case .rotation: rotation = 360 * (try most(layer.range, below: 0.5))
      case .translation:
        heightShift = try most(layer.range, below: 1)
        widthShift = try most(layer.widthRange ?? 0...0, below: 1)
      case .zoom:
        guard layer.widthRange.map({ $0 == layer.range }) ?? true else {
          throw refusal("rows and columns are zoomed within the same limits, or by one draw")
        }
        zoom =
          layer.range.lowerBound == -layer.range.upperBound
          ? .around(layer.range.upperBound)
          : .between(1 + layer.range.lowerBound, 1 + layer.range.upperBound)
        keepsAspect = layer.widthRange == nil && !zoom.isOne
        guard zoom.isValid else { throw refusal("a zoom must be \(FactorRange.rule)") }
      case .brightness, .contrast:
        throw refusal(
          "pixels are multiplied, with --brightness; take the layer out of the model to train")
      }
      guard layer.change != .flip else { continue }
      guard layer.interpolation == "bilinear" else { throw refusal("pixels are made bilinearly") }
      guard let fill = FillMode(rawValue: layer.fillMode), fill != .wrap,
        fill != .constant || layer.fillValue == 0
      else {
        throw refusal("fill_mode must be reflect, nearest, or constant with 0")
      }
      fills.insert(fill)
    }
    guard fills.count < 2 else {
      throw ArchitectureError("\(layers[0].name) and others have different fill modes")
    }
    if movesPixels, let fill = fills.first { fillMode = fill }
  }
}
