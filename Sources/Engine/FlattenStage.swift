/// Flatten of a map with padded channels: leaves the padding out, so that a dense layer finds
/// Keras's order.
final class FlattenStage: Stage {
  let output: FeatureMap
  let layers: String
  let products = 0
  let backwardProducts = 0

  private let input: FeatureMap

  /// - Parameter name: as the profile shows it.
  init(_ name: String, input: FeatureMap, batch: Int, memory: PlanMemory) {
    layers = name
    self.input = input
    output = FeatureMap(
      Shape(units: input.shape.count), batch: batch, channelStride: input.shape.count,
      memory: memory)
  }

  /// A new stage at the end of `stages`; returns its output.
  static func appended(
    to stages: inout [any Stage], _ name: String, input: FeatureMap, batch: Int,
    memory: PlanMemory
  ) -> FeatureMap {
    let stage = FlattenStage(name, input: input, batch: batch, memory: memory)
    stages.append(stage)
    return stage.output
  }

  func forward(_ step: StepContext) {
    let channels = input.shape.channels
    step.kernels.copyRows(
      input.values, input.channelStride, output.values, channels,
      step.batch * input.shape.height * input.shape.width, channels)
  }

  func backward(_ step: StepContext) {
    let channels = input.shape.channels
    step.kernels.copyRows(
      output.gradient, channels, input.gradient, input.channelStride,
      step.batch * input.shape.height * input.shape.width, channels)
  }
}
