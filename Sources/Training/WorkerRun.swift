import Engine
import Foundation
import KerasFiles
import Pictures
import Wire

/// What a worker computes with: the engine, the pictures and the weights of one run.
final class WorkerRun: StepComputer {
  /// What it was built for.
  let welcome: Welcome
  private let decoder: PictureDecoder
  private let engine: PhasedEngine
  private let augmentation: Augmentation
  /// What the loss of a training picture of each class counts; none for 1.
  private let classWeights: [Float]
  private let training: AugmentedStore
  private let validation: PictureStore
  private var gradients: BufferPool
  /// The weights, and what they become.
  var replica: Replica
  /// How a gradient is cut on its way.
  let parts: [GradientPart]
  /// Of a step's gradient.
  var layout: GradientLayout { engine.whole.gradientLayout }

  /// Builds the model and finds the pictures; decoding them all begins in the background.
  ///
  /// - Throws: where the model is none, or the pictures are not those of the manifest;
  ///   `ThreadError`.
  init(
    _ welcome: Welcome, source: WorkerPictures, threads: Int, kernels: KernelSet,
    processes: Int, log: (String) -> Void
  ) throws {
    self.welcome = welcome
    let (architecture, optimizer) = try welcome.run()
    guard let settings = PictureSettings(welcome.pictures),
      let augmentation = Augmentation(welcome.augmentation),
      var manifest = try? welcome.pictureManifest(),
      manifest.classes.count == architecture.loss.classes
    else { throw WorkerError.nonsense }
    let decoder = PictureDecoder(settings, for: architecture.input)
    self.decoder = decoder
    self.augmentation = augmentation
    let stores: [PictureStore]
    switch source {
    case .recorded, .fetched: throw WorkerError("nothing is computed without pictures")
    case .shared(let training, let validation):
      stores = [training, validation]
    case .folder, .located:
      var folder = ""
      switch source {
      case .folder(let path): folder = path
      case .located(let here): manifest = here
      case .recorded, .fetched, .shared: break
      }
      let need = MemoryNeed.worker(
        architecture, optimizer: optimizer, batch: welcome.batchSize,
        steps: welcome.batchesPerUpdate, threads: threads, bodies: .encoded,
        augments: !augmentation.isNone)
      try need.check(
        "the coordinator's run",
        advice: "start the worker with fewer --threads, or the run with a "
          + "smaller --batch-size")
      let place = folder.isEmpty ? "" : " in \(folder)"
      log("checking \(manifest.training.count + manifest.validation.count) files\(place)")
      stores = try [manifest.training, manifest.validation].map {
        try PictureStore(
          folder: folder, entries: $0, decoder: decoder, threads: threads,
          memoryLimit: need.pictureCache(sharedBy: processes))
      }
      for store in stores { store.startReading() }
    }
    validation = stores[1]
    training = try AugmentedStore(
      stores[0], augmentation, seed: welcome.seed, batchSize: welcome.batchSize, threads: threads)
    // While the files are read.
    let pictures = manifest.training.count + manifest.validation.count
    engine = try PhasedEngine(architecture) { model in
      let engine = try Engine(
        model, batchCapacity: welcome.batchSize,
        labelSmoothing: Float(bitPattern: welcome.labelSmoothing), threads: threads,
        kernels: kernels)
      engine.keepFeatures(
        bytes: MemoryNeed().pictureCache(sharedBy: processes), pictures: pictures)
      return engine
    }
    let layout = engine.whole.gradientLayout
    classWeights = welcome.classWeights.map(Float.init(bitPattern:))
    gradients = BufferPool(layout.buffer)
    parts = layout.parts(most: welcome.partFloats)
    replica = try Replica(optimizer, layout, welcome, threads: threads, kernels: kernels)
    if case .shared = source { return }
    for store in stores { try Self.finishReading(store) }
    for store in stores { store.decodeAll() }
  }

  /// What this machine makes of a probe's pictures.
  func answer(_ probe: [Data]) throws -> ProbeAnswer {
    try Probe.answer(
      probe, decoder: decoder, augmentation: augmentation, seed: welcome.seed, engine: engine.whole)
  }

  /// Begins to decode what is needed soon.
  func prefetch(_ work: Work) {
    switch work {
    case .gradient(let first, let pictures):
      for (offset, pictures) in pictures.enumerated() {
        // What the manifest has not is refused when it is to be computed.
        guard isPossible(pictures, of: training.entries) else { return }
        training.prefetch(pictures, step: first &+ offset)
      }
    case .validation(_, let pictures):
      guard isPossible(pictures, of: validation.entries) else { return }
      validation.prefetch(pictures)
    }
  }

  /// A buffer for a gradient; the caller's until nobody holds it any more.
  func gradientBuffer() -> ParameterBuffer { gradients.take() }

  /// The gradient of the sum of the losses of training pictures, with the weights that are held.
  /// - Parameters:
  ///   - step: counted from 0 over the whole run.
  ///   - ready: told each layer whose gradient is there.
  func gradient(
    _ pictures: [Int], step: Int, into gradient: ParameterBuffer, ready: ((String) -> Void)?
  ) throws -> Engine.Totals {
    let held = try weights(for: pictures, of: training.entries)
    var batch = try training.batch(pictures, step: step).weighted(classWeights)
    // What augmentation makes of a picture is another one each time.
    if augmentation.isNone { batch = batch.keyed(pictures) }
    return try engine.gradient(
      batch, weights: held.weights, updates: held.version.update,
      step: TrainingStep(seed: welcome.seed, number: step),
      into: gradient, ready: ready)
  }

  /// Loss and accuracy on validation pictures, with the weights that are held.
  func evaluate(_ pictures: [Int]) throws -> Engine.Totals {
    let held = try weights(for: pictures, of: validation.entries)
    let keys = pictures.map { $0 + training.entries.count }
    // Nothing that is computed here depends on what is frozen; after the last update of a phase
    // what it has kept still serves.
    return try engine.evaluate(
      try validation.batch(pictures).keyed(keys), weights: held.weights,
      updates: max(0, held.version.update - 1))
  }

  private func isPossible(_ pictures: [Int], of entries: [ManifestEntry]) -> Bool {
    (1...welcome.batchSize).contains(pictures.count)
      && pictures.allSatisfy(entries.indices.contains)
  }

  /// The weights that are held, for work on these pictures.
  /// - Throws: where the coordinator cannot mean it.
  private func weights(
    for pictures: [Int], of entries: [ManifestEntry]
  ) throws -> (version: WeightsVersion, weights: ParameterBuffer) {
    guard let held = replica.held else {
      throw WorkerError("the coordinator sent work for weights that it did not send")
    }
    guard isPossible(pictures, of: entries) else {
      throw WorkerError("the coordinator sent picture numbers that its manifest does not have")
    }
    return held
  }

  /// Waits until every file is read and compared with the manifest.
  /// - Throws: `WorkerError` naming the first file that is missing or differs.
  private static func finishReading(_ store: PictureStore) throws {
    do {
      try store.finishReading()
    } catch .unreadable(let path) {
      throw WorkerError(
        "\(FileName.shown(path)) is missing or cannot be read: copy the coordinator's data "
          + "folder here")
    } catch .different(let path) {
      throw WorkerError(
        "\(FileName.shown(path)) differs from the coordinator's file: copy the coordinator's "
          + "data folder here")
    }
  }
}
