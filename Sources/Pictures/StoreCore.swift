import Engine
import Foundation
import Primitives

/// What a `PictureStore` and its threads share; everything mutable is guarded by `condition`.
final class StoreCore: @unchecked Sendable {
  /// How soon a picture is wanted: each urgency has a queue, served in this order.
  enum Urgency: Int, CaseIterable { case now, soon, background }

  private enum Slot {
    case empty
    case queued(Urgency)
    case decoding
    /// Stays for good.
    case kept(DecodedPicture)
    /// Decoded ahead beyond the limit; leaves when it is taken.
    case passing(DecodedPicture)
    case failed(PictureError)
  }

  private static let niceness: Int32 = 10

  let loader: PictureLoader
  private let capacity: Int
  private let threads: Int
  /// Pictures decoded ahead beyond the limit that may wait to be taken.
  private let passingLimit = 256

  private let condition = NSCondition()
  private var slots: [Slot]
  private var queues = [Queue](repeating: Queue(), count: Urgency.allCases.count)
  private var passing = Queue()
  private var kept = 0
  private var stopped = false

  init(_ loader: PictureLoader, capacity: Int, threads: Int) {
    (self.loader, self.capacity, self.threads) = (loader, capacity, threads)
    slots = Array(repeating: .empty, count: loader.entries.count)
  }

  var keptCount: Int { condition.withLock { kept } }

  /// - Throws: where one of the threads cannot be had; those that were started end with `stop`.
  func start() throws(ThreadError) {
    for _ in 0..<threads {
      try OwnThread.start("pictures", of: threads) {
        // On Linux a thread's own: decoding ahead must not take time from computing.
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
        self.decodeUntilStopped()
      }
    }
  }

  func stop() {
    condition.withLock {
      stopped = true
      condition.broadcast()
    }
  }

  /// Queues those of `indices` that are not there yet.
  func ask(_ indices: [Int], _ urgency: Urgency) {
    condition.withLock {
      enqueue(indices, urgency)
      condition.broadcast()
    }
  }

  /// Waits for the pictures at `indices`, decoding what is wanted now while it waits.
  func collect(_ indices: [Int]) -> [Result<DecodedPicture, PictureError>] {
    var found = [Result<DecodedPicture, PictureError>?](repeating: nil, count: indices.count)
    var open = Array(indices.indices)
    condition.lock()
    defer { condition.unlock() }
    while true {
      open.removeAll { place in
        found[place] = take(indices[place])
        return found[place] != nil
      }
      if open.isEmpty { return found.map { $0! } }
      enqueue(open.map { indices[$0] }, .now)
      condition.broadcast()
      if let index = next([.now]) {
        decode(index)
      } else {
        condition.wait()
      }
    }
  }

  /// A core without the entries at `indices`, with the pictures that this one keeps.
  func leavingOut(_ indices: Set<Int>) -> StoreCore {
    condition.withLock {
      let rest = slots.indices.filter { !indices.contains($0) }
      var loader = loader
      loader.entries = rest.map { loader.entries[$0] }
      let core = StoreCore(loader, capacity: capacity, threads: threads)
      for (index, old) in rest.enumerated() {
        if case .kept = slots[old] {
          core.slots[index] = slots[old]
          core.kept += 1
        }
      }
      return core
    }
  }

  private func decodeUntilStopped() {
    condition.lock()
    defer { condition.unlock() }
    while !stopped {
      if let index = next(Urgency.allCases) {
        decode(index)
      } else {
        condition.wait()
      }
    }
  }

  // What follows is called with the lock held.

  private func enqueue(_ indices: [Int], _ urgency: Urgency) {
    for index in indices {
      switch slots[index] {
      case .empty: break
      case .queued(let earlier) where urgency.rawValue < earlier.rawValue: break
      default: continue
      }
      slots[index] = .queued(urgency)
      queues[urgency.rawValue].append(index)
    }
  }

  /// The next picture to decode; nothing more in the background once memory is full.
  private func next(_ urgencies: [Urgency]) -> Int? {
    for urgency in urgencies {
      while let index = queues[urgency.rawValue].popFirst() {
        // Places left behind by a picture that was asked for again more urgently are passed over.
        guard case .queued(let wanted) = slots[index], wanted == urgency else { continue }
        if urgency == .background && kept >= capacity {
          slots[index] = .empty
          continue
        }
        return index
      }
    }
    return nil
  }

  /// Decodes without the lock and stores what came out.
  private func decode(_ index: Int) {
    slots[index] = .decoding
    condition.unlock()
    let result = loader.load(index)
    condition.lock()
    switch result {
    case .success(let picture) where kept < capacity:
      slots[index] = .kept(picture)
      kept += 1
    case .success(let picture):
      slots[index] = .passing(picture)
      passing.append(index)
      dropOldestPassing()
    case .failure(let error):
      slots[index] = .failed(error)
    }
    condition.broadcast()
  }

  private func dropOldestPassing() {
    while passing.count > passingLimit, let oldest = passing.popFirst() {
      if case .passing = slots[oldest] { slots[oldest] = .empty }
    }
  }

  private func take(_ index: Int) -> Result<DecodedPicture, PictureError>? {
    switch slots[index] {
    case .kept(let picture): return .success(picture)
    case .passing(let picture):
      slots[index] = .empty
      return .success(picture)
    case .failed(let error): return .failure(error)
    case .empty, .queued, .decoding: return nil
    }
  }
}

/// First in, first out, in constant time a piece.
private struct Queue {
  private var items: [Int] = []
  private var head = 0

  var count: Int { items.count - head }

  mutating func append(_ item: Int) { items.append(item) }

  mutating func popFirst() -> Int? {
    guard head < items.count else { return nil }
    defer {
      head += 1
      if head > 1024 && head * 2 > items.count {
        items.removeFirst(head)
        head = 0
      }
    }
    return items[head]
  }
}
