import KernelInterface

/// What a layer does to its input's last value.
public enum Activation: String, Hashable, Sendable {
  /// The value itself.
  case linear
  /// max(0, x).
  case relu
  /// 1 / (1 + exp(-x)).
  case sigmoid
  /// exp(x) / the sum of exp over the layer's outputs; of a model's last layer alone.
  case softmax
}

/// How a convolution treats the border of its input.
public enum Padding: String, Hashable, Sendable {
  /// Only positions where the whole kernel lies on the input: the output is smaller.
  case valid
  /// Zeros around the input, so that a stride of one keeps the size (Keras's `same`).
  case same
}

/// A two-dimensional convolution (Keras's `Conv2D`): kernels are [height, width, in, out].
public struct Convolution: Hashable, Sendable {
  /// Output channels.
  public var filters: Int
  /// Rows and columns of the kernel.
  public var kernel: (height: Int, width: Int)
  /// Rows and columns between two output positions.
  public var strides: (height: Int, width: Int)
  /// What lies beyond the border.
  public var padding: Padding
  /// `linear` or `relu`.
  public var activation: Activation

  /// A convolution of `filters` square kernels of side `size`.
  public init(
    filters: Int, size: Int = 3, stride: Int = 1, padding: Padding = .valid,
    activation: Activation = .relu
  ) {
    self.filters = filters
    kernel = (size, size)
    strides = (stride, stride)
    self.padding = padding
    self.activation = activation
  }

  /// Equal in every field.
  public static func == (a: Self, b: Self) -> Bool {
    a.filters == b.filters && a.kernel == b.kernel && a.strides == b.strides
      && a.padding == b.padding && a.activation == b.activation
  }

  /// Hashes every field.
  public func hash(into hasher: inout Hasher) {
    for n in [filters, kernel.height, kernel.width, strides.height, strides.width] {
      hasher.combine(n)
    }
    hasher.combine(padding)
    hasher.combine(activation)
  }
}

/// One layer of a model, as data.
public enum Layer: Hashable, Sendable {
  /// Keras's `Conv2D`.
  case convolution(Convolution)
  /// Keras's `MaxPooling2D` with windows of `size` x `size`, stride `size`, padding valid.
  case maxPooling(size: Int)
  /// Keras's `Flatten`.
  case flatten
  /// Keras's `Dropout`: in training each number is dropped with the probability `rate`, which is
  /// below 1.
  case dropout(rate: Float)
  /// Keras's `Dense`; its kernel is [in, out].
  case dense(units: Int, activation: Activation)
}

/// A model described by data: the input's shape and the layers in order.
///
/// The last layer must be the head of one of `Losses.all`.
public struct Architecture: Hashable, Sendable {
  /// One picture: height, width and 3 channels.
  public let input: Shape
  /// Each layer with the name that files and tables give it; names are unique.
  public let layers: [(name: String, layer: Layer)]
  /// The output shape of each layer.
  public let outputs: [Shape]
  /// Every trainable tensor, in Keras's order: each layer's kernel, then its bias.
  public let parameters: ParameterLayout
  /// What training makes small, and what the last layer's outputs mean.
  public let loss: any Loss

  /// The most floats of one tensor, or of one picture's map: 1 GiB.
  private static let floatsMax = 0x1p28

  /// Checks that every layer fits on the one before.
  /// - Parameter layers: with names; nil makes them as Keras does (`conv2d`, `conv2d_1`, ...).
  /// - Parameter decays: the factors of the squares of kernels' weights in the loss, by layer.
  /// - Throws: `ArchitectureError` naming the first layer that does not fit.
  public init(
    input: Shape, layers: [(name: String?, layer: Layer)], decays: [String: Float] = [:]
  ) throws {
    self.input = input
    var named: [(name: String, layer: Layer)] = []
    var counts: [String: Int] = [:]
    for (name, layer) in layers {
      let kind = layer.kerasName
      let index = counts[kind, default: 0]
      counts[kind] = index + 1
      named.append((name ?? (index == 0 ? kind : "\(kind)_\(index)"), layer))
    }
    self.layers = named
    var names: Set<String> = []
    for (name, _) in named where !names.insert(name).inserted {
      throw ArchitectureError("two layers have the same name, \(name)")
    }
    guard input.channels == 3, !input.isFlat, (1...4096).contains(input.height),
      (1...4096).contains(input.width)
    else {
      throw ArchitectureError("the input must be height x width x 3, not \(input)")
    }
    var shape = input
    var outputs: [Shape] = []
    var tensors: [ParameterLayout.Tensor] = []
    for (index, (name, layer)) in named.enumerated() {
      if case .dense(_, .softmax) = layer, index + 1 < named.count {
        throw ArchitectureError("\(name): only the last layer can have the activation softmax")
      }
      let (output, added) = try layer.applied(to: shape, name: name)
      for size in added.map(\.shape) + [[output.height, output.width, output.channels]]
      where size.reduce(1, { $0 * Double($1) }) > Self.floatsMax {
        throw ArchitectureError(
          "\(name): \(size.map(String.init).joined(separator: " x ")) numbers are too many")
      }
      outputs.append(output)
      let decay = decays[name] ?? 0
      guard decay >= 0, decay.isFinite else {
        throw ArchitectureError("\(name): a weight decay of \(decay); it must be at least 0")
      }
      tensors += added.map { tensor in
        var decaying = tensor
        if tensor.kind == .kernel { decaying.decay = decay }
        return decaying
      }
      shape = output
    }
    guard let loss = Losses.fitting(named.last?.layer) else {
      let heads = Losses.all.map { $0.head }.joined(separator: " or ")
      throw ArchitectureError("the last layer must be \(heads)")
    }
    self.loss = loss
    self.outputs = outputs
    parameters = ParameterLayout(tensors)
  }

  /// The convnet of Deep Learning with Python by F Chollet, section 5.2.
  ///
  /// It has 3,453,121 parameters for two classes of pictures of 150 x 150 x 3. For more classes it
  /// ends in one softmax, a unit for each.
  public static func book(
    height: Int = 150, width: Int = 150, classes: Int = 2
  ) throws -> Architecture {
    var layers: [(name: String?, layer: Layer)] = []
    for filters in [32, 64, 128, 128] {
      layers.append((nil, .convolution(Convolution(filters: filters))))
      layers.append((nil, .maxPooling(size: 2)))
    }
    layers.append((nil, .flatten))
    layers.append((nil, .dense(units: 512, activation: .relu)))
    let head: Layer =
      classes > 2
      ? .dense(units: classes, activation: .softmax) : .dense(units: 1, activation: .sigmoid)
    layers.append((nil, head))
    return try Architecture(
      input: Shape(height: height, width: width, channels: 3), layers: layers)
  }

  /// The same model with dropout before its classifier, the first dense layer, where it has one.
  /// - Throws: `ArchitectureError` where it has dropout already, or the rate is none.
  public func addingDropout(_ rate: Float) throws -> Architecture {
    var layers = layers.map { (name: String?.some($0.name), layer: $0.layer) }
    for (name, layer) in self.layers {
      guard case .dropout = layer else { continue }
      throw ArchitectureError("the model has dropout of its own, \(name): leave out --dropout")
    }
    let dense = layers.firstIndex { if case .dense = $0.layer { true } else { false } }
    layers.insert((nil, .dropout(rate: rate)), at: dense ?? 0)
    return try Architecture(input: input, layers: layers, decays: decays)
  }

  /// The same model with the decay of all kernels' weights in the loss.
  /// - Throws: `ArchitectureError` where it has some already, or the factor is none.
  public func addingDecay(_ decay: Float) throws -> Architecture {
    if let layer = decays.keys.sorted().first {
      throw ArchitectureError(
        "the model has weight decay of its own, in \(layer): leave out --weight-decay")
    }
    return try Architecture(
      input: input, layers: layers.map { ($0.name, $0.layer) },
      decays: Dictionary(uniqueKeysWithValues: layers.map { ($0.name, decay) }))
  }

  /// The factors of the squares of kernels' weights in the loss, by layer; those that are above 0.
  public var decays: [String: Float] {
    Dictionary(
      uniqueKeysWithValues: parameters.tensors.filter { $0.decay > 0 }.map { ($0.layer, $0.decay) })
  }

  /// Equal input and equal layers with equal names and decays.
  public static func == (a: Self, b: Self) -> Bool {
    a.input == b.input && a.parameters == b.parameters
      && a.layers.elementsEqual(b.layers) { $0 == $1 }
  }

  /// Hashes the input, names and layers.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(input)
    for (name, layer) in layers {
      hasher.combine(name)
      hasher.combine(layer)
    }
  }
}

/// A model that cannot be built; `description` says which layer and why.
public struct ArchitectureError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String
  /// An error that says `description`.
  public init(_ description: String) { self.description = description }
}

extension Layer {
  /// Keras's default name for a layer of this kind.
  public var kerasName: String {
    switch self {
    case .convolution: "conv2d"
    case .maxPooling: "max_pooling2d"
    case .flatten: "flatten"
    case .dropout: "dropout"
    case .dense: "dense"
    }
  }

  /// The output's shape for an input of `shape`, and the tensors that the layer trains.
  func applied(
    to shape: Shape, name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    switch self {
    case .convolution(let c):
      guard !shape.isFlat else {
        throw ArchitectureError("\(name): a convolution cannot follow a flat layer")
      }
      guard c.filters > 0, c.kernel.height > 0, c.kernel.width > 0, c.strides.height > 0,
        c.strides.width > 0, [.linear, .relu].contains(c.activation)
      else { throw ArchitectureError("\(name): a size below 1, or an activation not supported") }
      let height = c.outputSize(shape.height, c.kernel.height, c.strides.height)
      let width = c.outputSize(shape.width, c.kernel.width, c.strides.width)
      guard height > 0, width > 0 else {
        throw ArchitectureError(
          "\(name): a kernel of \(c.kernel.height) x \(c.kernel.width) does not fit on its input "
            + "of \(shape.height) x \(shape.width)")
      }
      let area = c.kernel.height * c.kernel.width
      return (
        Shape(height: height, width: width, channels: c.filters),
        [
          .init(
            layer: name, kind: .kernel,
            shape: [c.kernel.height, c.kernel.width, shape.channels, c.filters],
            fanIn: area * shape.channels, fanOut: area * c.filters),
          .init(layer: name, kind: .bias, shape: [c.filters], fanIn: 0, fanOut: 0),
        ]
      )
    case .maxPooling(let size):
      guard !shape.isFlat, shape.height >= size, shape.width >= size else {
        throw ArchitectureError("\(name): pooling by \(size) does not fit on its input \(shape)")
      }
      guard (1...poolSizeMax).contains(size) else {
        throw ArchitectureError("\(name): pooling by \(size); it must be 1 to \(poolSizeMax)")
      }
      return (
        Shape(
          height: shape.height / size, width: shape.width / size, channels: shape.channels), []
      )
    case .flatten:
      return (Shape(units: shape.count), [])
    case .dropout(let rate):
      guard rate >= 0, rate < 1 else {
        throw ArchitectureError("\(name): dropout of \(rate); it must be at least 0 and below 1")
      }
      return (shape, [])
    case .dense(let units, _):
      guard shape.isFlat else {
        throw ArchitectureError("\(name): a dense layer needs a flat input: put Flatten before it")
      }
      guard units > 0 else { throw ArchitectureError("\(name): a dense layer needs units") }
      return (
        Shape(units: units),
        [
          .init(
            layer: name, kind: .kernel, shape: [shape.channels, units],
            fanIn: shape.channels, fanOut: units),
          .init(layer: name, kind: .bias, shape: [units], fanIn: 0, fanOut: 0),
        ]
      )
    }
  }
}

extension Convolution {
  /// Output positions along one side of `size`.
  func outputSize(_ size: Int, _ kernel: Int, _ stride: Int) -> Int {
    switch padding {
    case .valid: size < kernel ? 0 : (size - kernel) / stride + 1
    case .same: (size + stride - 1) / stride
    }
  }

  /// Zeros before the first row (or column) of an input of `size`: Keras puts the odd one last.
  func zerosBefore(_ size: Int, _ kernel: Int, _ stride: Int) -> Int {
    guard padding == .same else { return 0 }
    return max(0, (outputSize(size, kernel, stride) - 1) * stride + kernel - size) / 2
  }
}
