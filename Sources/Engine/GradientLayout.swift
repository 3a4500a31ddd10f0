/// How the gradient of one step lies in its buffer: what an engine fills and an `Updater` takes.
///
/// The gradient of a dense kernel is the product of the layer's inputs, transposed, and its output
/// gradients. Where the two are much smaller than the product, as those of 20 pictures are for the
/// book's network (0.5 MB and 12.8 MB), the buffer holds them instead: less to store and to send,
/// and whoever sums the gradients multiplies them tile by tile, with the same bits.
///
/// Tensors that are frozen have none.
public struct GradientLayout: Hashable, Sendable {
  /// The model's parameters.
  public let parameters: ParameterLayout
  /// The gradient's own buffer: in the parameters' order the tensors as they are, or two factors
  /// in a kernel's place.
  public let buffer: ParameterLayout
  /// Pictures that the factors have room for.
  public let batch: Int

  /// Where a parameter's gradient lies.
  enum Place: Hashable {
    /// All of it, from this float on.
    case whole(Int)
    /// [batch][in] from the first float named, [batch][out] from the second.
    case factors(inputs: Int, outputGradients: Int)

    /// The float that it starts at.
    var offset: Int {
      switch self {
      case .whole(let offset), .factors(let offset, _): offset
      }
    }
  }

  /// What a gradient's buffer has for a tensor.
  private enum Part {
    case whole(ParameterLayout.Tensor)
    case factors(inputs: ParameterLayout.Tensor, outputGradients: ParameterLayout.Tensor)

    var tensors: [ParameterLayout.Tensor] {
      switch self {
      case .whole(let tensor): [tensor]
      case .factors(let inputs, let outputGradients): [inputs, outputGradients]
      }
    }

    func place(in buffer: ParameterLayout) -> Place {
      switch self {
      case .whole(let tensor): .whole(buffer[tensor.name]!.offset)
      case .factors(let inputs, let outputGradients):
        .factors(
          inputs: buffer[inputs.name]!.offset,
          outputGradients: buffer[outputGradients.name]!.offset)
      }
    }
  }

  /// Where the gradient of each tensor of `parameters` lies that is not frozen.
  let places: [ParameterLayout.TensorName: Place]

  /// The layout for steps of at most `batch` pictures.
  /// - Parameter factors: whether kernels may be held as factors.
  public init(_ parameters: ParameterLayout, batch: Int, factors: Bool = true) {
    self.parameters = parameters
    self.batch = batch
    let tensors = parameters.tensors.filter { !$0.isFrozen }
    let parts = tensors.map { tensor -> Part in
      guard factors, Self.paysToFactor(tensor, batch) else { return .whole(tensor) }
      return .factors(
        inputs: tensor.replaced(kind: .inputs, shape: [batch, tensor.shape[0]]),
        outputGradients: tensor.replaced(kind: .outputGradients, shape: [batch, tensor.shape[1]]))
    }
    let buffer = ParameterLayout(parts.flatMap(\.tensors))
    self.buffer = buffer
    places = Dictionary(
      uniqueKeysWithValues: zip(tensors, parts).map { tensor, part in
        (tensor.name, part.place(in: buffer))
      })
  }

  /// The batch's statistics in a step's gradient, tensor by tensor; the weights' moving ones follow
  /// them.
  public func statistics(_ step: StepGradient) -> [Float] {
    parameters.statistics.flatMap { tensor in
      buffer[tensor.name].map { Array(step.buffer[$0]) } ?? []
    }
  }

  /// Whether a tensor is a dense kernel whose factors take at most half its room.
  private static func paysToFactor(_ tensor: ParameterLayout.Tensor, _ batch: Int) -> Bool {
    guard tensor.kind == .kernel, tensor.shape.count == 2,
      padded(tensor.shape[1]) == tensor.shape[1]
    else { return false }
    return batch * (tensor.shape[0] + tensor.shape[1]) * 2 <= tensor.count
  }
}

extension ParameterLayout.Tensor {
  fileprivate func replaced(kind: ParameterLayout.Kind, shape: [Int]) -> Self {
    Self(layer: layer, kind: kind, shape: shape, fanIn: 0, fanOut: 0)
  }
}

/// The gradient of one step, of the sum of its pictures' losses.
public struct StepGradient: Sendable {
  /// In a `GradientLayout`.
  public let buffer: ParameterBuffer
  /// Pictures of the step.
  public let pictures: Int

  /// The gradient in `buffer`.
  public init(_ buffer: ParameterBuffer, pictures: Int) {
    (self.buffer, self.pictures) = (buffer, pictures)
  }
}
