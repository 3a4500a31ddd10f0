/// Flatten of a map with padded channels: leaves the padding out, so that a dense layer finds
/// Keras's order.
final class FlattenStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let input: FeatureMap

  init(_ plan: StagePlan) {
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
  }

  func forward(_ step: StepContext) {
    let channels = input.shape.channels
    step.kernels.copyRows(
      input.values, sourceRow: input.channelStride, target: output.values, targetRow: channels,
      rows: step.batch * input.shape.height * input.shape.width, width: channels)
  }

  func backward(_ step: StepContext) {
    let channels = input.shape.channels
    step.kernels.copyRows(
      output.gradient, sourceRow: channels, target: input.gradient,
      targetRow: input.channelStride,
      rows: step.batch * input.shape.height * input.shape.width, width: channels)
  }
}
