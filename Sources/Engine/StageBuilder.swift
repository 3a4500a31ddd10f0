/// Makes a plan's stages one after the other, each on the output of the one before.
struct StageBuilder {
  /// Those made so far.
  private(set) var stages: [any Stage] = []
  /// Of each the layer whose tensors it has, if any.
  private(set) var layers: [String] = []
  /// What the next one reads.
  private(set) var input: FeatureMap

  private let gradients: GradientLayout
  private let batch: Int
  private let threads: Int
  private let wantsInputGradient: Bool
  private let readsBytes: Bool
  private let memory: PlanMemory

  /// - Parameters:
  ///   - input: of the first stage; `readsBytes` whether that fills it itself.
  ///   - wantsInputGradient: whether the gradient for it is wanted.
  init(
    input: FeatureMap, readsBytes: Bool, wantsInputGradient: Bool, gradients: GradientLayout,
    batch: Int, threads: Int, memory: PlanMemory
  ) {
    self.input = input
    self.readsBytes = readsBytes
    self.wantsInputGradient = wantsInputGradient
    self.gradients = gradients
    self.batch = batch
    self.threads = threads
    self.memory = memory
  }

  /// Appends the stage that `make` gives for some layers, of which the first has the tensors.
  /// - Parameters:
  ///   - shape: of the output.
  ///   - border: that the stage after it wants around the output.
  mutating func append(
    _ layers: [String], _ shape: Shape, border: FeatureMap.Border,
    _ make: (StagePlan) -> any Stage
  ) {
    append(layers, FeatureMap(shape, batch: batch, border: border, memory: memory), make)
  }

  /// Makes the next stage's input flat: as it lies where it has no padding, or by a stage.
  mutating func flatten(_ name: String) {
    guard input.channelStride != input.shape.channels else {
      input = FeatureMap(flattening: input)
      return
    }
    let units = input.shape.count
    let flat = FeatureMap(
      Shape(units: units), batch: batch, channelStride: units, memory: memory)
    append([name], flat, FlattenStage.init)
  }

  private mutating func append(
    _ layers: [String], _ output: FeatureMap, _ make: (StagePlan) -> any Stage
  ) {
    let plan = StagePlan(
      layers: layers.joined(separator: " + "), input: input, output: output,
      gradients: gradients, layer: layers.first ?? "", batch: batch, threads: threads,
      wantsInputGradient: wantsInputGradient || !stages.isEmpty,
      readsBytes: readsBytes && stages.isEmpty, memory: memory)
    stages.append(make(plan))
    self.layers.append(plan.layer)
    input = output
  }
}
