import KernelInterface

/// A convolution that is computed as a plain one with a wider kernel, whose other weights are zero:
/// one with dilation, with groups, or a depthwise one with several filters a channel.
///
/// It takes the time of the plain one. Each weight of the layer's own kernel stands in one place of
/// the wider kernel, where it is copied to in each forward pass and its gradient from in each
/// backward pass.
struct ExpandedOperation: Operation {
  /// The plain convolution, with what follows it.
  var plain: ConvolutionOperation
  let places: ExpandedKernel

  func output(of inputs: [Shape]) -> Shape { plain.output(of: inputs) }

  func needed(of input: Shape, for output: Extent) -> Extent {
    plain.needed(of: input, for: output)
  }

  func border(around input: Shape, for output: Extent) -> FeatureMap.Border {
    plain.border(around: input, for: output)
  }

  var inputSteps: Extent { plain.inputSteps }

  var isConvolution: Bool { true }

  func bySums(of input: Shape) -> (any Operation)? {
    guard let direct = plain.bySums(of: input) as? ConvolutionOperation else { return nil }
    return ExpandedOperation(plain: direct, places: places)
  }

  func readsBytes(of input: Shape, for output: Extent) -> Bool {
    plain.readsBytes(of: input, for: output)
  }

  func absorbing(_ next: any Operation) -> (any Operation)? {
    guard let both = plain.absorbing(next) as? ConvolutionOperation else { return nil }
    return ExpandedOperation(plain: both, places: places)
  }

  func stage(_ plan: StagePlan) -> any Stage { ExpandedStage(plan, self) }
}

/// Where each weight of a small kernel, [height][width][in][out], stands in a wider one.
struct ExpandedKernel {
  /// Which of the layer's tensors is the small kernel.
  let kind: ParameterLayout.Kind
  /// Rows and columns between two taps.
  let dilation: (height: Int, width: Int)
  /// Of a convolution, its groups; nil for a depthwise one.
  let groups: Int?

  /// Calls `body` with the index of each weight in the small kernel and in the wider one.
  func forEach(
    _ small: [Int], _ wide: [Int], _ body: (_ small: Int, _ wide: Int) -> Void
  ) {
    var index = 0
    for y in 0..<small[0] {
      for x in 0..<small[1] {
        let tap = (y * dilation.height * wide[1] + x * dilation.width) * wide[2]
        for i in 0..<small[2] {
          for o in 0..<small[3] {
            let input: Int
            let output: Int
            if let groups {
              // A filter reads the channels of its own group.
              input = o / (wide[3] / groups) * small[2] + i
              output = o
            } else {
              input = i
              output = i * small[3] + o
            }
            body(index, (tap + input) * wide[3] + output)
            index += 1
          }
        }
      }
    }
  }
}

/// The stage of the plain convolution, with weights and a gradient of its own.
final class ExpandedStage: Stage {
  var output: FeatureMap { plain.output }
  var layers: String { plain.layers }
  var multiplyAdds: Int { plain.multiplyAdds }
  var backwardMultiplyAdds: Int { plain.backwardMultiplyAdds }

  private let plain: any Stage
  private let kernel: StageTensor
  private let bias: StageTensor?
  private let places: ExpandedKernel
  private let wide: ParameterLayout
  private let weights: ParameterBuffer
  private let gradient: ParameterBuffer

  init(_ plan: StagePlan, _ operation: ExpandedOperation) {
    places = operation.places
    let convolution = operation.plain.convolution
    kernel = plan.tensor(places.kind)
    bias = convolution.usesBias ? plan.tensorIfAny(.bias) : nil
    let tensor = ParameterLayout.Tensor(
      layer: plan.layer, kind: operation.plain.kernel,
      shape: [
        convolution.kernel.height, convolution.kernel.width, plan.input.shape.channels,
        convolution.filters,
      ], fanIn: 0, fanOut: 0)
    wide = ParameterLayout([tensor] + (bias.map { [$0.weights] } ?? []))
    weights = ParameterBuffer(wide, in: plan.memory)
    gradient = ParameterBuffer(wide, in: plan.memory)
    plain = operation.plain.stage(
      plan.with(GradientLayout(wide, batch: plan.stepSize, factors: false)))
  }

  func forward(_ step: StepContext) {
    let (own, target) = (step.weights.floats + kernel.weights.offset, weights.floats)
    places.forEach(kernel.weights.shape, wide.tensors[0].shape) { small, wide in
      target[wide] = own[small]
    }
    if let bias {
      (target + wide.tensors[1].offset).update(
        from: step.weights.floats + bias.weights.offset, count: bias.weights.count)
    }
    plain.forward(inside(step))
  }

  func backward(_ step: StepContext) {
    guard let all = step.gradient else { return }
    plain.backward(inside(step))
    let (own, source) = (kernel.target(in: all), gradient.floats)
    places.forEach(kernel.weights.shape, wide.tensors[0].shape) { small, wide in
      own[small] = source[wide]
    }
    bias?.target(in: all).update(
      from: source + wide.tensors[wide.tensors.count - 1].offset,
      count: wide.tensors[wide.tensors.count - 1].count)
  }

  private func inside(_ step: StepContext) -> StepContext {
    StepContext(
      batch: step.batch, pictures: step.pictures, weights: weights,
      gradient: step.gradient == nil ? nil : gradient, training: step.training, pool: step.pool,
      kernels: step.kernels)
  }
}
