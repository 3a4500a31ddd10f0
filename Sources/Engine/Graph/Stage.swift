import KernelInterface

/// What a stage needs to know of the step that is being computed.
package struct StepContext {
  /// Pictures of this batch.
  let batch: Int
  /// Their bytes, for a first stage that reads them itself.
  let pictures: [UnsafePointer<UInt8>]
  let weights: ParameterBuffer
  /// Overwritten by the backward pass, in the plan's `GradientLayout`.
  let gradient: ParameterBuffer?
  /// The step, in training; nil at inference.
  var training: TrainingStep?
  let pool: ThreadPool
  let kernels: any KernelOperations.Type
}

/// A part of the model that is computed as one: a layer, or a convolution with its pooling.
package protocol Stage: AnyObject {
  /// Where `forward` puts the result and `backward` finds its gradient.
  var output: FeatureMap { get }
  /// The layers that it computes.
  var layers: String { get }
  /// Multiply-adds of a picture's forward pass, as if by direct convolution.
  var multiplyAdds: Int { get }
  /// Multiply-adds of a picture's backward pass, likewise.
  var backwardMultiplyAdds: Int { get }
  func forward(_ step: StepContext)
  /// Sets the gradient of the stage's parameters, and of its input where that is wanted.
  func backward(_ step: StepContext)
}
