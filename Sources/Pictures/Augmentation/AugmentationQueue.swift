import Foundation
import Primitives

/// The steps whose pictures are being changed; everything mutable is guarded by `condition`.
final class AugmentationQueue: @unchecked Sendable {
  /// The pictures of a step.
  private struct Job {
    let number: Int
    let step: Int
    let indices: [Int]
    /// What has come of each picture; nil where that is still to come.
    var results: [Result<DecodedPicture, PictureError>?]
    /// The first that nobody has begun.
    private var next = 0

    init(number: Int, step: Int, indices: [Int]) {
      (self.number, self.step, self.indices) = (number, step, indices)
      results = Array(repeating: nil, count: indices.count)
    }

    var hasUnbegun: Bool { next < indices.count }

    /// The place of the next picture that nobody has begun.
    mutating func begin() -> Int? {
      guard hasUnbegun else { return nil }
      defer { next += 1 }
      return next
    }
  }

  private static let niceness: Int32 = 10
  /// The steps, from the first on, whose pictures are made ahead: so many take memory.
  private static let madeAhead = 2
  /// The steps that are remembered; of further ones the caller makes the pictures.
  private static let jobsMost = 1024

  private let store: PictureStore
  private let plan: AugmentationPlan
  private let condition = NSCondition()
  /// In the order in which they came.
  private var jobs: [Job] = []
  private var number = 0
  private var stopped = false
  /// Of threads that change no picture at the moment.
  private var idleWarps: [Warp] = []

  init(_ store: PictureStore, _ plan: AugmentationPlan) { (self.store, self.plan) = (store, plan) }

  /// - Throws: where one of the threads cannot be had; those that were started end with `stop`.
  func start(threads: Int) throws(ThreadError) {
    for _ in 0..<threads {
      try OwnThread.start("augmentation", of: threads) {
        // As with decoding: working ahead must not take time from computing.
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
        self.workUntilStopped()
      }
    }
  }

  func stop() {
    condition.withLock {
      stopped = true
      condition.broadcast()
    }
  }

  /// Has the threads make the pictures of a step.
  func add(_ indices: [Int], step: Int) {
    condition.withLock {
      guard jobs.count < Self.jobsMost else { return }
      _ = append(indices, step)
      condition.broadcast()
    }
  }

  /// The pictures of a step; makes those that are not there yet.
  ///
  /// What a thread is making is made here too: on a busy machine a thread of lower priority may
  /// take long, and the caller takes a tenth of a millisecond.
  ///
  /// Steps that came before it are forgotten: whoever takes a later one has given them up.
  func collect(_ indices: [Int], step: Int) -> [Result<DecodedPicture, PictureError>] {
    condition.lock()
    defer { condition.unlock() }
    var number = jobs.first { $0.step == step && $0.indices == indices }?.number
    while true {
      guard let place = jobs.firstIndex(where: { $0.number == number }) else {
        number = append(indices, step)
        continue
      }
      if let slot = jobs[place].begin() ?? jobs[place].results.firstIndex(where: { $0 == nil }) {
        make(slot, of: place)
        continue
      }
      let results = jobs[place].results.compactMap { $0 }
      jobs.removeSubrange(...place)
      condition.broadcast()
      return results
    }
  }

  private func workUntilStopped() {
    condition.lock()
    defer { condition.unlock() }
    while !stopped {
      if let place = jobs.prefix(Self.madeAhead).firstIndex(where: \.hasUnbegun) {
        if let slot = jobs[place].begin() { make(slot, of: place) }
      } else {
        condition.wait()
      }
    }
  }

  // What follows is called with the lock held.

  private func append(_ indices: [Int], _ step: Int) -> Int {
    number += 1
    jobs.append(Job(number: number, step: step, indices: indices))
    return number
  }

  /// Makes a picture without the lock.
  private func make(_ slot: Int, of place: Int) {
    let (number, step, picture) = (jobs[place].number, jobs[place].step, jobs[place].indices[slot])
    var warp = idleWarps.popLast()
    condition.unlock()
    let result = Result { () throws(PictureError) in
      try changed(picture, step: step, with: &warp)
    }
    condition.lock()
    if let warp { idleWarps.append(warp) }
    // It may be forgotten by now.
    if let place = jobs.firstIndex(where: { $0.number == number }) {
      jobs[place].results[slot] = result
    }
  }

  private func changed(
    _ index: Int, step: Int, with warp: inout Warp?
  ) throws(PictureError) -> DecodedPicture {
    let picture = try store.picture(index)
    let (height, width) = (picture.height, picture.width)
    let own: Warp
    if let warp { own = warp } else { own = try Warp(height: height, width: width) }
    warp = own
    return try own.apply(
      plan.transform(of: index, step: step, height: height, width: width),
      fill: plan.settings.fillMode, to: picture)
  }
}
