/// What a stage is made from: its place in the model, and what it may take.
struct StagePlan {
  /// The layers that it computes, as the profile shows them.
  let layers: String
  /// What it reads; the gradient for it goes there.
  let input: FeatureMap
  /// What it fills, and where the gradient comes from.
  let output: FeatureMap
  /// Its kernel and its bias, where it has any.
  let tensors: [StageTensor]
  /// Pictures that there is room for.
  let batch: Int
  /// The most pictures of a step of the run, which decide how a gradient's sums are cut.
  let stepSize: Int
  /// Threads that compute.
  let threads: Int
  /// Whether the loss's gradient for the input is wanted.
  let wantsInputGradient: Bool
  /// Whether `input` has room for one picture a thread, to be made from the step's pictures.
  let readsBytes: Bool
  /// Where buffers come from.
  let memory: PlanMemory
}

/// A tensor of weights, and where its gradient lies.
struct StageTensor {
  let weights: ParameterLayout.Tensor
  let gradient: GradientLayout.Place
}
