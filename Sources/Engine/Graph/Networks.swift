// Networks that need no file.

/// A network that Dogsled can build itself, for any classes and size of pictures.
public enum Network: String, CaseIterable, Sendable {
  /// The convnet of Deep Learning with Python by F. Chollet, section 5.2.
  case book
  /// The same with dropout before its classifier, as the book trains it on augmented pictures.
  case bookAugmented = "book-augmented"
  /// The small Xception of the book's third edition, chapter 9: separable convolutions, residual
  /// connections and batch normalisation.
  case smallXception = "small-xception"
  /// A residual network of 20 layers for small pictures (K. He and others, CVPR 2016, section 4.2),
  /// with twice the filters on half the rows and columns.
  case resnetSmall = "resnet-small"
  /// EfficientNet-Lite0 (M. Tan's, 2020) with new weights.
  case efficientNetLite0 = "efficientnet-lite0"

  /// Rows and columns of its pictures where nobody says another number.
  public var side: Int {
    switch self {
    case .book, .bookAugmented, .efficientNetLite0: 150
    case .smallXception: 180
    case .resnetSmall: 96
    }
  }

  /// The network.
  /// - Parameters:
  ///   - height: rows of a picture; nil for the network's own.
  ///   - width: columns, likewise.
  ///   - classes: at least 2.
  /// - Throws: `ArchitectureError` where pictures are too small for it.
  public func architecture(
    height: Int? = nil, width: Int? = nil, classes: Int = 2
  ) throws -> Architecture {
    let (height, width) = (height ?? side, width ?? side)
    var graph = GraphBuilder()
    switch self {
    case .book: return try .book(height: height, width: width, classes: classes)
    case .bookAugmented:
      return try .book(height: height, width: width, classes: classes).addingDropout(0.5)
    case .smallXception: graph.smallXception()
    case .resnetSmall: graph.resnetSmall()
    case .efficientNetLite0: graph.efficientNetLite0()
    }
    graph.add(.head(classes: classes))
    return try Architecture(
      input: Shape(height: height, width: width, channels: 3), nodes: graph.nodes)
  }
}

/// Puts layers one on the other, and names those without a name as Keras does.
struct GraphBuilder {
  private(set) var nodes: [Architecture.Node] = []
  private var counts: [String: Int] = [:]
  /// The output of the newest layer.
  private(set) var last = Value.picture

  /// Adds a layer on the newest one, or on others.
  @discardableResult
  mutating func add(_ layer: any Layer, _ name: String? = nil, on inputs: Value...) -> Value {
    let kind = layer.kerasName
    let index = counts[kind, default: 0]
    if name == nil { counts[kind] = index + 1 }
    nodes.append(
      Architecture.Node(
        name: name ?? (index == 0 ? kind : "\(kind)_\(index)"), layer: layer,
        inputs: inputs.isEmpty ? [last] : inputs))
    last = .node(nodes.count - 1)
    return last
  }

  /// A convolution whose result is normalised, without a bias.
  fileprivate static func convolution(
    _ filters: Int, _ size: Int, stride: Int = 1, padding: Padding = .same
  ) -> Convolution {
    var convolution = Convolution(
      filters: filters, size: size, stride: stride, activation: .linear)
    convolution.padding = padding
    convolution.usesBias = false
    return convolution
  }
}

// MARK: The networks without their classifiers

extension GraphBuilder {
  fileprivate mutating func smallXception() {
    add(Self.convolution(32, 5, padding: .valid))
    for filters in [32, 64, 128, 256, 512] {
      let residual = last
      for _ in 0..<2 {
        add(BatchNormalization())
        add(ActivationLayer(.relu))
        add(SeparableConvolution(Self.convolution(filters, 3)))
      }
      var pooling = Pooling(.max, size: 3)
      pooling.windows.strides = (2, 2)
      pooling.windows.padding = .same
      let pooled = add(pooling)
      let shortcut = add(Self.convolution(filters, 1, stride: 2), on: residual)
      add(Merging(.add), on: pooled, shortcut)
    }
    add(.globalPooling(.average))
    add(.dropout(rate: 0.5))
  }

  fileprivate mutating func resnetSmall() {
    add(Self.convolution(32, 3, stride: 2))
    add(BatchNormalization())
    var shortcut = add(ActivationLayer(.relu))
    for (group, filters) in [32, 64, 128].enumerated() {
      for block in 0..<3 {
        let stride = group > 0 && block == 0 ? 2 : 1
        add(Self.convolution(filters, 3, stride: stride), on: shortcut)
        add(BatchNormalization())
        add(ActivationLayer(.relu))
        add(Self.convolution(filters, 3))
        let own = add(BatchNormalization())
        if stride > 1 {
          add(Self.convolution(filters, 1, stride: stride), on: shortcut)
          shortcut = add(BatchNormalization())
        }
        add(Merging(.add), on: own, shortcut)
        shortcut = add(ActivationLayer(.relu))
      }
    }
    add(.globalPooling(.average))
  }

  fileprivate mutating func efficientNetLite0() {
    add(Rescaling(scale: [Float(255) / 128], offset: [Float(-127) / 128]), "rescaling")
    unit(Self.convolution(32, 3, stride: 2), "stem")
    // Kernel, stride of the first, expansion, filters, repeats.
    let groups = [
      (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3),
      (5, 2, 6, 192, 4), (3, 1, 6, 320, 1),
    ]
    var (number, channels) = (0, 32)
    for (kernel, first, expansion, filters, repeats) in groups {
      for index in 0..<repeats {
        let (name, stride, before) = ("block\(number)", index == 0 ? first : 1, last)
        if expansion > 1 {
          unit(Self.convolution(channels * expansion, 1), name + "_expand")
        }
        unit(
          DepthwiseConvolution(Self.convolution(1, kernel, stride: stride)), name + "_depthwise")
        unit(Self.convolution(filters, 1), name + "_project", isBounded: false)
        if stride == 1, channels == filters { add(Merging(.add), name + "_add", on: before, last) }
        (number, channels) = (number + 1, filters)
      }
    }
    unit(Self.convolution(1280, 1), "head")
    add(.globalPooling(.average), "pool")
    add(.dropout(rate: 0.2), "dropout")
  }

  /// A layer with its normalisation and, where it is bounded, a relu up to 6.
  private mutating func unit(_ layer: any Layer, _ name: String, isBounded: Bool = true) {
    add(layer, name)
    add(BatchNormalization(), name + "_bn")
    if isBounded { add(ActivationLayer(.relu6), name + "_relu") }
  }
}
