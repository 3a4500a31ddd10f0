/// How a convolution treats the border of its input.
public enum Padding: String, Hashable, Sendable {
  /// Only positions where the whole kernel lies on the input: the output is smaller.
  case valid
  /// Zeros around the input, so that a stride of one keeps the size (Keras's `same`).
  case same
}

/// A two-dimensional convolution (Keras's `Conv2D`): kernels are [height, width, in, out].
public struct Convolution: Layer {
  package var kerasName: String { "conv2d" }

  /// Output channels.
  public var filters: Int
  /// Rows and columns of the kernel.
  public var kernel: (height: Int, width: Int)
  /// Rows and columns between two output positions.
  public var strides: (height: Int, width: Int)
  /// Rows and columns between two taps of the kernel.
  public var dilation: (height: Int, width: Int) = (1, 1)
  /// Equal parts of the input's channels and of the filters: a filter reads those of its own part.
  public var groups = 1
  /// What lies beyond the border.
  public var padding: Padding
  /// What is done to each number of the output.
  public var activation: Activation
  /// Whether each output channel has a number of its own that is added.
  public var usesBias = true

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
      && a.dilation == b.dilation && a.groups == b.groups && a.padding == b.padding
      && a.activation == b.activation && a.usesBias == b.usesBias
  }

  /// Hashes every field.
  public func hash(into hasher: inout Hasher) {
    for n in [
      filters, kernel.height, kernel.width, strides.height, strides.width, dilation.height,
      dilation.width, groups,
    ] {
      hasher.combine(n)
    }
    hasher.combine(padding)
    hasher.combine(activation)
    hasher.combine(usesBias)
  }
}

extension Convolution {
  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    let output = try outputShape(of: inputs[0], filters: filters)
    let channels = inputs[0].channels
    guard groups > 0, channels % groups == 0, filters % groups == 0 else {
      throw ArchitectureError(
        "\(groups) groups of \(channels) channels and \(filters) filters: they must divide both")
    }
    try checkPlain(inputs: channels, filters: filters)
    let area = kernel.height * kernel.width
    // Keras does not count groups here.
    let weights = ParameterLayout.Tensor(
      layer: name, kind: .kernel,
      shape: [kernel.height, kernel.width, channels / groups, filters],
      fanIn: area * channels / groups, fanOut: area * filters)
    return (output, [weights] + (usesBias ? [.bias(of: name, filters)] : []))
  }

  package var operations: [any Operation] {
    var plain = plain
    plain.activation = .linear
    let operation = ConvolutionOperation(convolution: plain)
    guard groups > 1 || dilation != (1, 1) else { return [operation] + activation.operations }
    return [
      ExpandedOperation(
        plain: operation,
        places: ExpandedKernel(kind: .kernel, dilation: dilation, groups: groups))
    ] + activation.operations
  }

  /// The convolution without dilation and groups that it is computed as.
  var plain: Convolution {
    var plain = self
    plain.kernel = reach
    (plain.dilation, plain.groups) = ((1, 1), 1)
    return plain
  }

  /// - Throws: `ArchitectureError` where the plain convolution that it is computed as has a kernel
  ///   that nobody has memory for.
  func checkPlain(inputs: Int, filters: Int) throws {
    let sizes = [reach.height, reach.width, inputs, filters]
    guard sizes.reduce(1, { $0 * Double($1) }) <= 0x1p28 else {
      throw ArchitectureError(
        "with its dilation, groups or depth multiplier it is computed with a kernel of "
          + "\(sizes.map(String.init).joined(separator: " x ")) numbers, which are too many")
    }
  }

  /// Rows and columns from the kernel's first tap to its last.
  var reach: (height: Int, width: Int) {
    (
      (kernel.height - 1) * dilation.height + 1, (kernel.width - 1) * dilation.width + 1
    )
  }
}

extension Layer where Self == Convolution {
  /// Keras's `Conv2D`.
  package static func convolution(_ convolution: Convolution) -> Convolution { convolution }
}

/// A convolution, with the relu and the max pooling that follow it.
struct ConvolutionOperation: Operation {
  /// Its activation is `linear` or `relu`.
  var convolution: Convolution
  /// Which of the layer's tensors has the weights.
  var kernel = ParameterLayout.Kind.kernel
  /// 1 for no pooling.
  var poolSize = 1
  /// Whether the Winograd kernels may compute it.
  var allowsWinograd = true

  func output(of inputs: [Shape]) -> Shape {
    var shape = convolution.mapShape(of: inputs[0], filters: convolution.filters)
    shape.height /= poolSize
    shape.width /= poolSize
    return shape
  }

  func needed(of input: Shape, for output: Extent) -> Extent { size(input, output).neededInput }

  func border(around input: Shape, for output: Extent) -> FeatureMap.Border {
    size(input, output).border
  }

  var inputSteps: Extent {
    guard isPointwise else { return Extent(height: 1, width: 1) }
    return Extent(height: convolution.strides.height, width: convolution.strides.width)
  }

  var isConvolution: Bool { true }

  func bySums(of input: Shape) -> (any Operation)? {
    guard size(input, output(of: [input]).extent).suitsWinograd else { return nil }
    var direct = self
    direct.allowsWinograd = false
    return direct
  }

  private var isPointwise: Bool { convolution.kernel == (1, 1) && poolSize == 1 }

  /// Of three channels, that need no padding to whole vectors.
  func readsBytes(of input: Shape, for output: Extent) -> Bool {
    !size(input, output).suitsWinograd
  }

  func absorbing(_ next: any Operation) -> (any Operation)? {
    guard poolSize == 1 else { return nil }
    var both = self
    switch next {
    case let next as ActivationOperation
    where next.activation == .relu && convolution.activation == .linear:
      both.convolution.activation = .relu
    case let next as PoolingOperation:
      guard let square = next.square else { return nil }
      both.poolSize = square
    default: return nil
    }
    return both
  }

  func stage(_ plan: StagePlan) -> any Stage {
    let size = size(plan.input.shape, plan.needed)
    let suitsWinograd =
      size.suitsWinograd && plan.input.channelStride == padded(plan.input.shape.channels)
    if suitsWinograd { return WinogradStage(plan, size) }
    // Without a border, which the first strided position would lie in.
    if isPointwise, !plan.readsBytes {
      return PointwiseStage(plan, size)
    }
    return ConvolutionStage(plan, size)
  }

  private func size(_ input: Shape, _ needed: Extent) -> ConvolutionSize {
    ConvolutionSize(
      convolution: convolution, kernel: kernel, poolSize: poolSize, input: input,
      neededHeight: needed.height,
      neededWidth: needed.width, allowsWinograd: allowsWinograd)
  }
}

extension Convolution {
  /// The shape of the output for an input that the windows fit on.
  /// - Throws: `ArchitectureError` where they do not.
  func outputShape(of input: Shape, filters: Int) throws -> Shape {
    guard !input.isFlat else { throw ArchitectureError("a convolution cannot follow a flat layer") }
    guard filters > 0, kernel.height > 0, kernel.width > 0, strides.height > 0, strides.width > 0,
      dilation.height > 0, dilation.width > 0
    else { throw ArchitectureError("a size below 1") }
    guard dilation == (1, 1) || strides == (1, 1) else {
      throw ArchitectureError("strides and dilation together, which Keras does not have")
    }
    let shape = mapShape(of: input, filters: filters)
    guard shape.height > 0, shape.width > 0 else {
      throw ArchitectureError(
        "a kernel of \(reach.height) x \(reach.width) does not fit on its input of "
          + "\(input.height) x \(input.width)")
    }
    return shape
  }

  /// The shape of the output, with a size of 0 where the windows do not fit.
  func mapShape(of input: Shape, filters: Int) -> Shape {
    Shape(
      height: outputSize(input.height, reach.height, strides.height),
      width: outputSize(input.width, reach.width, strides.width), channels: filters)
  }

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
