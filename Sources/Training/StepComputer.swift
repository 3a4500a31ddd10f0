import Engine
import Foundation
import KerasFiles
import Pictures
import Wire

/// What a worker's host has compute its steps: the engine on pictures (`WorkerRun`), or a recording
/// of what that did (`ReplayedRun`).
protocol StepComputer: AnyObject {
  /// What it was built for.
  var welcome: Welcome { get }
  /// Of a step's gradient.
  var layout: GradientLayout { get }
  /// How it is cut on its way.
  var parts: [GradientPart] { get }
  /// The weights, and what they become.
  var replica: Replica { get set }
  /// What this machine makes of a probe.
  func answer(_ probe: [Data]) throws -> ProbeAnswer
  /// Begins to prepare what is computed soon.
  func prefetch(_ work: Work)
  /// A buffer for a gradient; the caller's until nobody holds it any more.
  func gradientBuffer() -> ParameterBuffer
  /// The gradient of the sum of the losses of training pictures, with the weights that are held.
  /// - Parameters:
  ///   - step: counted from 0 over the whole run.
  ///   - ready: told each layer whose gradient is there.
  func gradient(
    _ pictures: [Int], step: Int, into gradient: ParameterBuffer, ready: ((String) -> Void)?
  ) throws -> Engine.Totals
  /// Loss and accuracy on validation pictures, with the weights that are held.
  func evaluate(_ pictures: [Int]) throws -> Engine.Totals
}

extension Welcome {
  /// What the run trains and with which optimizer.
  /// - Throws: `WorkerError` where no coordinator says so.
  func run() throws -> (architecture: Architecture, optimizer: any Optimizer) {
    let architecture = try KerasConfiguration.decode(model)
    guard (1...4096).contains(batchSize), floats == architecture.parameters.bufferCount,
      (1...1 << 20).contains(batchesPerUpdate),
      (0..<1).contains(Float(bitPattern: labelSmoothing)),
      [0, architecture.loss.classes].contains(classWeights.count),
      let optimizer = Optimizers.named(
        optimizer, values: optimizerValues.map(Float.init(bitPattern:)))
    else { throw WorkerError.nonsense }
    return (architecture, optimizer)
  }
}

extension Welcome {
  /// Which pictures the run has.
  /// - Throws: `WorkerError` where no coordinator says so.
  func pictureManifest() throws -> Manifest {
    do {
      return try JSONDecoder().decode(Manifest.self, from: Data(manifest.utf8))
    } catch {
      throw WorkerError.nonsense
    }
  }
}

extension WorkerError {
  /// No coordinator welcomes a worker so.
  static let nonsense = WorkerError("the coordinator's welcome makes no sense")
}
