import Engine
import Foundation
import Pictures
import Primitives
import Testing

/// The pictures of steps, changed as their passes over the data draw it.
@Suite struct AugmentedStoreTests {
  private static let (side, count, batchSize) = (16, 10, 4)
  private static let plan = BatchPlan(
    trainingCount: count, validationCount: 0, batchSize: batchSize, seed: 5)

  private let folder: TemporaryFolder
  private var entries: [ManifestEntry] = []

  init() throws {
    folder = try TemporaryFolder()
    for number in 0..<Self.count {
      let file = try jpeg(number)
      try folder.write("\(number).jpg", file)
      entries.append(
        ManifestEntry(
          path: "\(number).jpg", label: number % 2,
          digest: file.withUnsafeBytes { Digest(of: $0) }, bytes: file.count))
    }
  }

  private func plain(threads: Int = 0) throws -> PictureStore {
    try PictureStore(
      folder: folder.path, entries: entries,
      decoder: PictureDecoder(PictureSettings(), height: Self.side, width: Self.side),
      threads: threads, memoryLimit: 4 * Self.side * Self.side * 3)
  }

  private func augmented(
    _ settings: Augmentation = .book, seed: UInt64 = 5, threads: Int = 0
  ) throws -> AugmentedStore {
    try AugmentedStore(
      plain(threads: threads), settings, seed: seed, batchSize: Self.batchSize, threads: threads)
  }

  private static func pixels(_ batch: Batch) -> [[UInt8]] {
    withExtendedLifetime(batch) {
      batch.pictures.map { Array(UnsafeBufferPointer(start: $0, count: side * side * 3)) }
    }
  }

  /// What each of some steps should have, made one after the other.
  private func expected(_ steps: Range<Int>) throws -> [[[UInt8]]] {
    let (store, warp) = (try plain(), try Warp(height: Self.side, width: Self.side))
    return try steps.map { step in
      let indices = Self.plan.training(step: step)
      return try zip(indices, Self.pixels(store.batch(indices))).map { index, bytes in
        let picture = try DecodedPicture(height: Self.side, width: Self.side) {
          for i in $0.indices { $0[i] = bytes[i] }
        }
        // Three batches a pass, the last of two pictures.
        let change = PictureTransform(
          .book, seed: 5, pass: step / 3, picture: index, height: Self.side, width: Self.side)
        return try warp.apply(change, fill: .nearest, to: picture).array
      }
    }
  }

  @Test(arguments: [0, 1, 3]) func `Each picture is changed as its pass and its number draw it`(
    threads: Int
  ) throws {
    let store = try augmented(threads: threads)
    let steps = 0..<12
    let expected = try expected(steps)
    for step in steps {
      let indices = Self.plan.training(step: step)
      // As a worker does it: the next step is made while this one is computed.
      if step == 0 { store.prefetch(indices, step: step) }
      store.prefetch(Self.plan.training(step: step + 1), step: step + 1)
      let batch = try store.batch(indices, step: step)
      #expect(Self.pixels(batch) == expected[step])
      #expect(batch.labels == indices.map { $0 % 2 })
    }
    // In any order, whatever was asked for ahead and never taken, and again.
    for step in [3, 11, 0, 3, 3, 7] {
      for other in 0..<5 { store.prefetch(Self.plan.training(step: other), step: other) }
      let batch = try store.batch(Self.plan.training(step: step), step: step)
      #expect(Self.pixels(batch) == expected[step])
    }
  }

  @Test func `A picture looks another way in each pass, and with each seed`() throws {
    let (store, other) = (try augmented(), try augmented(seed: 6))
    var looks: Set<[UInt8]> = []
    for pass in 0..<10 {
      looks.insert(try Self.pixels(store.batch([2], step: 3 * pass))[0])
      // In the same pass it looks the same, whichever step it is in.
      looks.insert(try Self.pixels(store.batch([2], step: 3 * pass + 2))[0])
    }
    #expect(looks.count == 10)
    looks.insert(try Self.pixels(other.batch([2], step: 0))[0])
    looks.insert(try Self.pixels(plain().batch([2]))[0])
    #expect(looks.count == 12)
  }

  @Test func `Without augmentation pictures stay as they are`() throws {
    let store = try augmented(Augmentation(), threads: 2)
    store.prefetch([1, 2], step: 0)
    let (own, plain) = (try store.batch([1, 2, 9], step: 4), try plain().batch([1, 2, 9]))
    #expect(Self.pixels(own) == Self.pixels(plain))
  }

  @Test(arguments: [0, 2]) func `A picture that cannot be had is named`(threads: Int) throws {
    try FileManager.default.removeItem(atPath: "\(folder.path)/4.jpg")
    let store = try augmented(threads: threads)
    store.prefetch([3, 4], step: 0)
    let error = #expect(throws: PictureError.self) { try store.batch([3, 4], step: 0) }
    #expect(error?.path?.hasSuffix("4.jpg") == true)
    #expect(try store.batch([3, 5], step: 0).count == 2)
  }

  @Test func `Several callers get what each asks for`() throws {
    let store = try augmented(threads: 2)
    let expected = try expected(0..<12)
    let wrong = Wrong()
    DispatchQueue.concurrentPerform(iterations: 4) { caller in
      for round in 0..<30 {
        let step = (round * 5 + caller * 3) % 12
        let batch = try? store.batch(Self.plan.training(step: step), step: step)
        if batch.map(Self.pixels) != expected[step] { wrong.add() }
      }
    }
    #expect(wrong.count == 0)
  }

  private final class Wrong: @unchecked Sendable {
    private let lock = NSLock()
    private(set) var count = 0
    func add() { lock.withLock { count += 1 } }
  }
}
