/// What a stage is made from: its place in the model, and what it may take.
struct StagePlan {
  /// The layers that it computes, as the profile shows them.
  let layers: String
  /// What it reads; the gradient for it goes there.
  let input: FeatureMap
  /// What it fills, and where the gradient comes from.
  let output: FeatureMap
  /// Of all layers' tensors.
  let gradients: GradientLayout
  /// The layer whose tensors it has.
  let layer: String
  /// Pictures that there is room for.
  let batch: Int
  /// Threads that compute.
  let threads: Int
  /// Whether the loss's gradient for the input is wanted.
  let wantsInputGradient: Bool
  /// Whether `input` has room for one picture a thread, to be made from the step's pictures.
  let readsBytes: Bool
  /// Where buffers come from.
  let memory: PlanMemory

  /// The most pictures of a step of the run, which decide how a gradient's sums are cut.
  var stepSize: Int { gradients.batch }

  /// The layer's tensor of a kind, which it must have.
  func tensor(_ kind: ParameterLayout.Kind) -> StageTensor {
    let name = ParameterLayout.TensorName(layer: layer, kind: kind)
    guard let weights = gradients.parameters[name], let gradient = gradients.places[name] else {
      preconditionFailure("\(layer) has no \(kind)")
    }
    return StageTensor(weights: weights, gradient: gradient)
  }
}

/// A tensor of weights, and where its gradient lies.
struct StageTensor {
  let weights: ParameterLayout.Tensor
  let gradient: GradientLayout.Place
}
