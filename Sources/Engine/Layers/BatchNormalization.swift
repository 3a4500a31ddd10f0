import KernelInterface

/// Keras's `BatchNormalization` over the channels of a map, or the units of a flat layer.
///
/// In training a step normalises with the mean and the variance of its own batch (S. Ioffe and
/// C. Szegedy, ICML 2015). They travel with its gradient, in the places of the moving ones, and
/// whoever applies the update moves those: moving = momentum moving + (1 - momentum) batch, step by
/// step in order. At inference the moving ones are used.
package struct BatchNormalization: Layer {
  package var kerasName: String { "batch_normalization" }
  /// What the moving statistics keep of themselves in a step.
  package var momentum: Float = 0.99
  /// What is added to a variance before its root is taken.
  package var epsilon: Float = 1e-3
  /// Whether the result is multiplied by a trained number for each channel.
  package var scales = true
  /// Whether a trained number for each channel is added.
  package var centers = true

  /// Keras's number of the dimension that has the channels: 3 of a map, 1 of a flat layer; nil for
  /// the last, whatever it is.
  package var axis: Int?

  package init() {}

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    guard momentum >= 0, momentum <= 1, epsilon > 0, epsilon.isFinite else {
      throw ArchitectureError(
        "a momentum of \(momentum) and an epsilon of \(epsilon): the first must be 0 to 1, the "
          + "second above 0")
    }
    try inputs[0].check(axis: axis)
    let channels = inputs[0].channels
    func tensor(_ kind: ParameterLayout.Kind, momentum: Float? = nil) -> ParameterLayout.Tensor {
      var tensor = ParameterLayout.Tensor(
        layer: name, kind: kind, shape: [channels], fanIn: 0, fanOut: 0)
      tensor.momentum = momentum
      return tensor
    }
    return (
      inputs[0],
      (scales ? [tensor(.gamma)] : []) + (centers ? [tensor(.beta)] : [])
        + [
          tensor(.movingMean, momentum: momentum), tensor(.movingVariance, momentum: momentum),
        ]
    )
  }

  package var operations: [any Operation] { [NormalizationOperation(epsilon: epsilon)] }
}

/// A batch normalisation with the relu that follows it.
struct NormalizationOperation: Operation {
  let epsilon: Float
  var bounds = Bounds(floor: -.infinity, ceiling: .infinity)
  private var isBounded: Bool { bounds.floor > -.infinity }

  init(epsilon: Float) { self.epsilon = epsilon }

  var makesRows: Bool { true }

  func output(of inputs: [Shape]) -> Shape { inputs[0] }

  func absorbing(_ next: any Operation) -> (any Operation)? {
    guard !isBounded, let bounds = (next as? ActivationOperation)?.activation.bounds else {
      return nil
    }
    var both = self
    both.bounds = bounds
    return both
  }

  func stage(_ plan: StagePlan) -> any Stage {
    NormalizationStage(plan, epsilon: epsilon, bounds: bounds)
  }
}

/// Normalises each channel: a job is a picture, and the pictures' moments are put together in their
/// order.
///
/// Where its output is not stored the rows are normalised for whoever reads them, and the sums of
/// the backward pass are taken from the gradient's rows while they are in the cache.
final class NormalizationStage: Stage, RowSource {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let input: FeatureMap
  private let epsilon: Float
  private let bounds: Bounds
  private let gamma: StageTensor?
  private let beta: StageTensor?
  private let mean: StageTensor
  private let variance: StageTensor
  /// Whether it computes as at inference in training too.
  private let isFrozen: Bool
  private let wantsInputGradient: Bool
  private let channels: Int

  /// What the batch is normalised with, [channels] each, zero in the padding.
  private let means: Target
  private let variances: Target
  private let inverses: Target
  private let scales: Target
  private let shifts: Target
  /// [batch][channels] each: of every picture's moments, and of its sums in the backward pass.
  private let first: Target
  private let second: Target
  /// What the input's gradient is made of.
  private let coefficients: (a: Target, b: Target, c: Target)

  init(_ plan: StagePlan, epsilon: Float, bounds: Bounds) {
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
    self.epsilon = epsilon
    self.bounds = bounds
    (gamma, beta) = (plan.tensorIfAny(.gamma), plan.tensorIfAny(.beta))
    (mean, variance) = (plan.tensor(.movingMean), plan.tensor(.movingVariance))
    isFrozen = mean.weights.isFrozen
    wantsInputGradient = plan.wantsInputGradient
    channels = input.channelStride
    let (memory, channels) = (plan.memory, channels)
    (means, variances) = (memory.floats(channels), memory.floats(channels))
    inverses = memory.floats(channels)
    (scales, shifts) = (memory.floats(channels), memory.floats(channels))
    (first, second) = (
      memory.floats(plan.batch * channels), memory.floats(plan.batch * channels)
    )
    coefficients = (memory.floats(channels), memory.floats(channels), memory.floats(channels))
    if output.isMade { output.rowSource = self }
  }

  // MARK: Forward

  func forward(_ step: StepContext) {
    if takesBatch(step) {
      takeBatchStatistics(step)
    } else {
      takeMovingStatistics(step)
    }
    for channel in 0..<input.shape.channels {
      let inverse = 1 / (variances[channel] + epsilon).squareRoot()
      let scale = inverse * (gamma?[channel, of: step.weights] ?? 1)
      inverses[channel] = inverse
      scales[channel] = scale
      shifts[channel] = beta?[channel, of: step.weights] ?? 0
    }
    guard !output.isMade else { return }
    step.pool.run(step.batch) { picture, _ in
      for row in 0..<input.shape.height {
        let target = output.values + output.place(picture, row, 0)
        makeRow(row, of: picture, target: target, step.kernels)
      }
    }
  }

  func makeRow(
    _ row: Int, of picture: Int, target: Target, _ kernels: any KernelOperations.Type
  ) {
    kernels.normalizeRow(
      positions: input.shape.width, channels: channels,
      input: input.values + input.place(picture, row, 0), mean: means, scale: scales,
      shift: shifts, bounds: bounds, output: target)
  }

  /// Whether a step is normalised with its own batch.
  private func takesBatch(_ step: StepContext) -> Bool { step.training != nil && !isFrozen }

  private func takeMovingStatistics(_ step: StepContext) {
    for channel in 0..<input.shape.channels {
      means[channel] = mean[channel, of: step.weights]
      variances[channel] = variance[channel, of: step.weights]
    }
  }

  /// The moments of the batch, from those of its pictures.
  ///
  /// As by T. Chan, G. Golub and R. LeVeque, 1979.
  private func takeBatchStatistics(_ step: StepContext) {
    let shape = input.shape
    let rows = MapRows(
      rows: shape.height, positions: shape.width, rowStride: input.rowStride, channels: channels)
    step.pool.run(step.batch) { picture, _ in
      step.kernels.channelMoments(
        rows, input: input.values + input.place(picture, 0, 0), mean: first + picture * channels,
        squares: second + picture * channels)
    }
    let positions = Float(shape.height * shape.width)
    for channel in 0..<shape.channels {
      var (mean, squares) = (first[channel], second[channel])
      for picture in 1..<max(1, step.batch) {
        let place = picture * channels + channel
        let difference = first[place] - mean
        let share = 1 / Float(picture + 1)
        mean += difference * share
        squares += second[place] + difference * difference * (positions * Float(picture) * share)
      }
      means[channel] = mean
      variances[channel] = squares / (positions * Float(step.batch))
    }
  }

  // MARK: Backward

  func backward(_ step: StepContext) {
    guard let gradient = step.gradient else { return }
    if isFrozen {
      coefficients.a.update(from: scales, count: channels)
    } else {
      gradients(step, gradient)
    }
    guard wantsInputGradient else { return }
    step.pool.run(step.batch) { picture, _ in
      for row in 0..<input.shape.height {
        let place = input.place(picture, row, 0)
        step.kernels.normalizationGradientRow(
          positions: input.shape.width, channels: channels, input: input.values + place,
          gradient: output.gradient + output.place(picture, row, 0), mean: means, scale: scales,
          shift: shifts, bounds: bounds, a: coefficients.a, b: coefficients.b, c: coefficients.c,
          target: input.gradient + place)
      }
    }
  }

  /// Sets the gradients of its tensors, and what the input's is made of.
  private func gradients(_ step: StepContext, _ gradient: ParameterBuffer) {
    if !output.isMade { sumGradients(step) }
    let count = Float(step.batch * input.shape.height * input.shape.width)
    for channel in 0..<input.shape.channels {
      var (sum, product) = (first[channel], second[channel])
      for picture in 1..<max(1, step.batch) {
        sum += first[picture * channels + channel]
        product += second[picture * channels + channel]
      }
      let inverse = inverses[channel]
      gamma?.set(channel, of: gradient, to: product * inverse)
      beta?.set(channel, of: gradient, to: sum)
      // The moments depend on the input too, where they are the batch's.
      let isBatch = takesBatch(step)
      mean.set(channel, of: gradient, to: isBatch ? means[channel] : 0)
      variance.set(channel, of: gradient, to: isBatch ? variances[channel] : 0)
      let a = scales[channel]
      let b = isBatch ? -a * inverse * inverse * product / count : 0
      coefficients.a[channel] = a
      coefficients.b[channel] = b
      coefficients.c[channel] = isBatch ? -a * sum / count : 0
    }
  }

  /// Each picture's sums of gradients, and of gradients times what the input is more than the mean.
  private func sumGradients(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      for row in 0..<input.shape.height { takeGradientRow(row, of: picture, step.kernels) }
    }
  }

  func takeGradientRow(_ row: Int, of picture: Int, _ kernels: any KernelOperations.Type) {
    guard !isFrozen else { return }
    let (sums, products) = (first + picture * channels, second + picture * channels)
    if row == 0 {
      sums.update(repeating: 0, count: channels)
      products.update(repeating: 0, count: channels)
    }
    kernels.addNormalizationSums(
      positions: input.shape.width, channels: channels,
      input: input.values + input.place(picture, row, 0),
      gradient: output.gradient + output.place(picture, row, 0), mean: means, scale: scales,
      shift: shifts, bounds: bounds, gradientSums: sums, productSums: products)
  }
}
