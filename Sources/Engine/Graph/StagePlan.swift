import KernelInterface

/// What a stage is made from: its place in the model, and what it may take.
package struct StagePlan {
  /// The layers that it computes, as the profile shows them.
  let layers: String
  /// What it reads; the gradients for them go there.
  let inputs: [FeatureMap]
  /// For each input whether the loss's gradient for it is wanted.
  let wantsInputGradients: [Bool]
  /// What it fills, and where the gradient comes from.
  let output: FeatureMap
  /// The rows and columns of the output that reach the loss.
  let needed: Extent
  /// Of all layers' tensors.
  private(set) var gradients: GradientLayout
  /// The layer whose tensors it has.
  let layer: String
  /// The layer's place among the model's.
  let place: Int
  /// Pictures that there is room for.
  let batch: Int
  /// Threads that compute.
  let threads: Int
  /// Whether `input` has room for one picture a thread, to be made from the step's pictures.
  let readsBytes: Bool
  /// Whether the stage has a backward pass.
  let hasBackward: Bool
  /// Where buffers come from.
  let memory: PlanMemory

  /// The only input, or the first.
  var input: FeatureMap { inputs[0] }
  /// Whether the gradient for `input` is wanted.
  var wantsInputGradient: Bool { wantsInputGradients[0] }

  /// The most pictures of a step of the run, which decide how a gradient's sums are cut.
  var stepSize: Int { gradients.batch }

  /// The same for tensors in another layout.
  func with(_ gradients: GradientLayout) -> StagePlan {
    var plan = self
    plan.gradients = gradients
    return plan
  }

  /// The layer's tensor of a kind, which it must have.
  func tensor(_ kind: ParameterLayout.Kind) -> StageTensor {
    guard let tensor = tensorIfAny(kind) else { preconditionFailure("\(layer) has no \(kind)") }
    return tensor
  }

  /// The layer's tensor of a kind; nil where it has none.
  func tensorIfAny(_ kind: ParameterLayout.Kind) -> StageTensor? {
    let name = ParameterLayout.TensorName(layer: layer, kind: kind)
    guard let weights = gradients.parameters[name] else { return nil }
    let place = gradients.places[name]
    return StageTensor(
      weights: weights, gradient: place,
      nowhere: place == nil && hasBackward ? memory.floats(weights.count) : nil)
  }
}

/// A tensor of weights, and where its gradient lies.
struct StageTensor {
  let weights: ParameterLayout.Tensor
  /// Nil of a tensor that is frozen.
  let gradient: GradientLayout.Place?
  /// Where a stage leaves the gradient of a tensor that is frozen, which nobody reads.
  let nowhere: Target?

  /// Where the stage leaves the tensor's gradient.
  func target(in gradient: ParameterBuffer) -> Target {
    if let nowhere { return nowhere }
    guard let place = self.gradient else { return gradient.floats }
    return gradient.floats + place.offset
  }

  /// One of its numbers, of the weights.
  subscript(_ index: Int, of weights: ParameterBuffer) -> Float {
    weights.floats[self.weights.offset + index]
  }

  /// Sets one of its numbers in a step's gradient.
  func set(_ index: Int, of gradient: ParameterBuffer, to value: Float) {
    target(in: gradient)[index] = value
  }
}
