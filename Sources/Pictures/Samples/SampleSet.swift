import Engine
import Foundation
import Primitives
import Synchronization

extension BookLayout {
  /// Draws a small data set of animals into the book's folders.
  ///
  /// A picture depends on the seed, its class and its number alone.
  /// - Parameters:
  ///   - destination: a new or empty folder.
  ///   - counts: at least 1, 1 and 0.
  ///   - kinds: of animals, 2 to as many as `kinds` has: cats and dogs, then the next ones.
  ///   - threads: that draw at once.
  /// - Returns: a line for each class of each part, `total training cat images: 500` and so on.
  /// - Throws: `PictureError`, or `ThreadError`; then nothing is at `destination` that was not
  ///   there before.
  public static func sample(
    to destination: String, _ counts: Counts, kinds: Int = 2, seed: UInt64,
    threads: Int = Cores.ofThisProcess.usable
  ) throws -> [String] {
    let pool = try ThreadPool(threads: threads)
    try StagedFolder.build(destination) { staged throws(PictureError) in
      var jobs: [(path: String, kind: Animal.Kind, number: Int)] = []
      for place in places(counts, kinds: kinds) {
        let folder = "\(staged)/\(place.folder)"
        try Folder.create(folder)
        jobs += place.numbers.map { ("\(folder)/\(place.name($0))", place.animal, $0) }
      }
      try write(jobs, seed: seed, pool)
    }
    return try report(destination, kinds: kinds)
  }

  private static func write(
    _ jobs: [(path: String, kind: Animal.Kind, number: Int)], seed: UInt64,
    _ pool: ThreadPool
  ) throws(PictureError) {
    let next = Atomic(0)
    let failure = Mutex<PictureError?>(nil)
    pool.run(pool.threads) { _, _ in
      while failure.withLock({ $0 == nil }) {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < jobs.count else { return }
        let job = jobs[index]
        do throws(PictureError) {
          let draws = CounterRandom(
            seed: seed, purpose: .samplePicture, UInt64(job.kind.rawValue), UInt64(job.number))
          let file = try SamplePicture.jpeg(job.kind, draws)
          try file.withUnsafeBytes { bytes in
            Result { () throws(PictureError) in try FileBytes.write(bytes, to: job.path) }
          }.get()
        } catch {
          failure.withLock { $0 = error }
        }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }
}
