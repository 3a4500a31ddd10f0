import Coordination
import Engine
import Foundation
import KerasFiles
import Pictures
import Primitives
import Runs
import TestSupport
import Testing
import Training
import Wire

/// A small data set of real JPEGs (dark cats, bright dogs, noise) and runs of a small model on it.
struct TinyRun {
  let folder: TemporaryFolder
  let job: TrainingJob
  var data: String { folder.file("data") }

  /// - Parameter units: of the hidden layer: the gradient of one with 16 travels as factors, with 8
  ///   it does not pay.
  init(units: Int = 8, _ change: (inout Hyperparameters) -> Void = { _ in }) throws {
    folder = try TemporaryFolder()
    for (part, count) in [("train", 13), ("validation", 6)] {
      for (label, name) in ["cats", "dogs"].enumerated() {
        let path = folder.file("data/\(part)/\(name)")
        try FileManager.default.createDirectory(
          atPath: path, withIntermediateDirectories: true)
        for index in 0..<count {
          let bytes = try Self.picture(label, index + (part == "train" ? 0 : 100))
          try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(index + 10).jpg"))
        }
      }
    }
    var values = Hyperparameters()
    values.epochs = 3
    values.stepsPerEpoch = 5
    values.batchSize = 4
    values.learningRate = 3e-3
    change(&values)
    let architecture = try Architecture(
      input: Shape(height: 12, width: 12, channels: 3),
      layers: [
        (nil, .convolution(Convolution(filters: 4))), (nil, .maxPooling(size: 2)),
        (nil, .flatten), (nil, .dense(units: units, activation: .relu)),
        (nil, .dense(units: 1, activation: .sigmoid)),
      ])
    job = try TrainingJob(
      architecture: try values.regularized(architecture), hyperparameters: values,
      manifest: DataSet.scan(folder.file("data"), classes: 2).manifest)
  }

  private static func picture(_ label: Int, _ index: Int) throws -> [UInt8] {
    let draws = CounterRandom(
      seed: 11, purpose: .samplePicture, UInt64(label), UInt64(index))
    let picture = try DecodedPicture(height: 20, width: 24) { bytes in
      for position in bytes.indices {
        bytes[position] = UInt8(draws.bits(UInt64(position)) & 127) + UInt8(label * 100)
      }
    }
    return try JPEG.encode(picture, quality: 90)
  }

  /// A store of all the pictures of a list, as the coordinator of one process has it.
  private func store(_ entries: [ManifestEntry]) throws -> PictureStore {
    try PictureStore(
      folder: data, entries: entries,
      decoder: PictureDecoder(PictureSettings(), for: job.architecture.input), threads: 1,
      memoryLimit: 1 << 20)
  }

  func makeFolder(_ name: String) throws -> RunFolder {
    try RunFolder.create(folder.file(name), description: RunDescription(job, data: data))
  }

  /// Trains in one process.
  func alone(
    _ folder: RunFolder, threads: Int = 1, mailbox: Mailbox<CoordinatorInput> = .init(),
    checkpoint: ModelFile? = nil, report: @escaping (TrainingReport) -> Void = { _ in }
  ) throws -> (ending: RunEnding, digest: Digest) {
    try OneProcess.train(
      job, pictures: (store(job.manifest.training), store(job.manifest.validation)),
      threads: threads, kernels: .baseline, store: folder, mailbox: mailbox,
      checkpoint: checkpoint, report: report)
  }

  /// Trains in one process until it has reported so often, is interrupted, and goes on to the end.
  /// - Parameter look: at the checkpoint between, and at the digest that it must have.
  func interrupted(
    _ folder: RunFolder, after progress: Int,
    _ look: (ModelFile, Digest) -> Void = { _, _ in }
  ) throws -> (ending: RunEnding, digest: Digest) {
    let mailbox = Mailbox<CoordinatorInput>()
    var reports = 0
    let part = try alone(folder, mailbox: mailbox) { report in
      guard case .progress = report else { return }
      reports += 1
      if reports == progress { mailbox.put(.interrupted) }
    }
    #expect(part.ending == .interrupted)
    let checkpoint = try ModelFile(reading: folder.checkpointPath)
    look(checkpoint, part.digest)
    return try alone(folder, checkpoint: checkpoint)
  }

  /// Trains with a crew of workers that are sent parts as over a socket.
  func crew(
    _ folder: RunFolder, minimum: Int, first: Int,
    options: CoordinatorHost.Options = .init(kernels: .baseline),
    report: @escaping (TrainingReport, Crew) -> Void = { _, _ in }
  ) throws -> (ending: RunEnding, digest: Digest) {
    let crew = Crew(data: data)
    for _ in 0..<first { crew.start() }
    var options = options
    options.minimumWorkers = minimum
    let coordinator = try CoordinatorHost(
      job, options: options, store: folder, mailbox: crew.coordinator, links: crew.links,
      report: { report($0, crew) })
    let ending = coordinator.run()
    crew.wait()
    return (ending, coordinator.digest)
  }
}

/// Workers on threads of this process, each with its own pictures.
final class Crew {
  let coordinator = Mailbox<CoordinatorInput>()
  let links: InMemoryLinks
  private let data: String
  private var workers: [Mailbox<WorkerInput>] = []
  private let running = DispatchGroup()

  init(data: String) {
    self.data = data
    links = InMemoryLinks(coordinator: coordinator)
  }

  /// - Parameters:
  ///   - damage: what its machine does to its gradients.
  ///   - damageToWeights: what it does to the weights of an update that it made.
  ///   - change: what becomes of what it says; nothing comes of nil.
  func start(
    damage: (@Sendable (ParameterBuffer) -> Void)? = nil,
    damageToWeights: (@Sendable (ParameterBuffer) -> Void)? = nil,
    change: @escaping @Sendable (WorkerMessage) -> WorkerMessage? = { $0 }
  ) {
    let mailbox = Mailbox<WorkerInput>()
    workers.append(mailbox)
    let link = ChangedLink(links.connect(mailbox), change)
    running.enter()
    Thread.detachNewThread { [data, running] in
      let worker = WorkerHost(pictures: .folder(data), threads: 1, kernels: .baseline)
      worker.damage = damage
      worker.damageToWeights = damageToWeights
      _ = worker.run(mailbox: mailbox, link: link)
      running.leave()
    }
  }

  private final class ChangedLink: CoordinatorLink {
    private let link: any CoordinatorLink
    private let change: @Sendable (WorkerMessage) -> WorkerMessage?

    init(
      _ link: any CoordinatorLink, _ change: @escaping @Sendable (WorkerMessage) -> WorkerMessage?
    ) {
      (self.link, self.change) = (link, change)
    }

    func send(_ message: WorkerMessage) { change(message).map(link.send) }
    func close() { link.close() }
    var bytesPerSecond: Double? { link.bytesPerSecond }
  }

  /// The worker finds its connection gone; the coordinator too, once the worker is out of its step.
  func cut(_ index: Int) { workers[index].put(.closed(reason: "cut")) }

  func wait() { running.wait() }
}

/// Workers that go and come in the middle of a run that began with two.
struct Storm {
  private var reports = 0

  /// Another report came.
  mutating func rage(_ report: TrainingReport, _ crew: Crew) {
    guard case .progress = report else { return }
    reports += 1
    switch reports {
    case 2: crew.cut(0)
    case 4: crew.start()
    case 7:
      crew.cut(1)
      crew.cut(2)
      crew.start()
    case 13: crew.start()
    default: break
    }
  }
}

extension ParameterBuffer {
  /// A step's gradient as it travels.
  func parts(
    _ layout: GradientLayout, step: Int, version: WeightsVersion,
    most: Int = Limits.standard.partFloats
  ) -> [Part] {
    layout.parts(most: most).map { place in
      Part(
        .gradient(step: step), version: version, index: place.index,
        floats: UnsafeBufferPointer(rebasing: buffer[place.floats]), bytesPerSecond: nil)
    }
  }
}
