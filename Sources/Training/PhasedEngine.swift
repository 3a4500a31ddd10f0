import Engine

/// The engine of a run whose first updates may leave some layers as they are: until these are
/// changed, it computes with a model in which they are frozen.
///
/// A gradient has the same layout in all updates: zeros for what is frozen then.
///
/// Not thread-safe.
final class PhasedEngine {
  /// A model in which some layers are frozen.
  private struct Phase {
    let updates: Range<Int>
    let engine: Engine
    let gradient: ParameterBuffer
  }

  /// Computes with nothing frozen that is not so for the whole run.
  let whole: Engine
  private let make: (Architecture) throws -> Engine
  /// The layers that have a gradient.
  private let layers: [String]
  private var phase: Phase?

  /// - Parameter make: makes an engine of a model.
  /// - Throws: what `make` throws.
  init(_ architecture: Architecture, _ make: @escaping (Architecture) throws -> Engine) throws {
    self.make = make
    whole = try make(architecture)
    layers = Array(Set(whole.gradientLayout.buffer.tensors.map(\.layer))).sorted()
  }

  /// As the engine's, for weights that some updates made.
  func gradient(
    _ batch: Batch, weights: ParameterBuffer, updates: Int, step: TrainingStep,
    into gradient: ParameterBuffer, ready: ((_ layer: String) -> Void)?
  ) throws -> Engine.Totals {
    guard let phase = try phase(updates) else {
      return whole.gradient(batch, weights: weights, step: step, into: gradient, ready: ready)
    }
    gradient.buffer.update(repeating: 0)
    var told: Set<String> = []
    let totals = phase.engine.gradient(
      batch, weights: weights, step: step, into: phase.gradient
    ) { layer in
      gradient.take(from: phase.gradient, layers: [layer])
      told.insert(layer)
      ready?(layer)
    }
    for layer in layers where !told.contains(layer) { ready?(layer) }
    return totals
  }

  /// As the engine's, for weights that some updates made.
  func evaluate(
    _ batch: Batch, weights: ParameterBuffer, updates: Int
  ) throws -> Engine.Totals {
    guard let phase = try phase(updates) else { return whole.evaluate(batch, weights: weights) }
    return phase.engine.evaluate(batch, weights: weights)
  }

  /// The phase of the update after some; nil where nothing is frozen for a while then.
  private func phase(_ updates: Int) throws -> Phase? {
    if let phase, phase.updates.contains(updates) { return phase }
    phase = nil
    guard let (model, until) = try whole.architecture.frozen(inUpdate: updates) else { return nil }
    let engine = try make(model)
    let made = Phase(
      updates: updates..<until, engine: engine,
      gradient: ParameterBuffer(engine.gradientLayout.buffer))
    phase = made
    return made
  }
}
