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
  /// Bytes of kept pictures and of files that wait.
  private let memoryLimit: Int
  /// Pictures that may be kept.
  private let capacity: Int
  private let threads: Int
  /// Pictures decoded ahead beyond the limit that may wait to be taken.
  private let passingLimit = 256

  private let condition = NSCondition()
  private var slots: [Slot]
  private var queues = [Queue](repeating: Queue(), count: Urgency.allCases.count)
  private var passing = Queue()
  private var files: FilesAhead
  /// What is still to be read ahead, how many files are being read, and the first wrong one.
  private var unread = 0..<0
  private var reading = 0
  private var wrong: (index: Int, error: WrongFile)?
  private var kept = 0
  private var stopped = false

  init(_ loader: PictureLoader, memoryLimit: Int, threads: Int) {
    (self.loader, self.memoryLimit, self.threads) = (loader, memoryLimit, threads)
    capacity = memoryLimit / max(1, loader.decoder.pictureBytes)
    files = FilesAhead(limit: memoryLimit)
    slots = Array(repeating: .empty, count: loader.entries.count)
  }

  var keptCount: Int { condition.withLock { kept } }

  /// - Throws: where one of the threads cannot be had; those that were started end with `stop`.
  func start() throws(ThreadError) {
    for _ in 0..<threads {
      try OwnThread.start("pictures", of: threads) {
        // On Linux a thread's own: decoding ahead must not take time from computing.
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

  /// Begins to read all files.
  func startReading() {
    condition.withLock {
      (unread, wrong) = (slots.indices, nil)
      condition.broadcast()
    }
  }

  /// Reads what is left of them, with the threads, and waits for the last.
  /// - Throws: `WrongFile` for the first that is not what its entry says.
  func finishReading() throws(WrongFile) {
    condition.lock()
    defer { condition.unlock() }
    while true {
      if let index = unread.popFirst() {
        read(index)
      } else if reading > 0 {
        condition.wait()
      } else {
        break
      }
    }
    if let wrong { throw wrong.error }
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
      let core = StoreCore(loader, memoryLimit: memoryLimit, threads: threads)
      for (index, old) in rest.enumerated() {
        if case .kept = slots[old] {
          core.slots[index] = slots[old]
          core.kept += 1
        }
      }
      return core
    }
  }

  private func workUntilStopped() {
    condition.lock()
    defer { condition.unlock() }
    while !stopped {
      if let index = unread.popFirst() {
        read(index)
      } else if let index = next(Urgency.allCases) {
        decode(index)
      } else {
        condition.wait()
      }
    }
  }

  // What follows is called with the lock held.

  /// Bytes of the limit that are not taken.
  private var spareMemory: Int { memoryLimit - kept * loader.decoder.pictureBytes - files.bytes }

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

  /// Reads a file without the lock, and keeps it where there is memory.
  private func read(_ index: Int) {
    let room = files.room(for: loader.size(index), limit: spareMemory)
    reading += 1
    condition.unlock()
    let result = loader.read(index, into: room)
    condition.lock()
    reading -= 1
    if case .success(let file) = result, file.block != nil, isToBeDecoded(index) {
      files.add(file, at: index)
    } else if let room {
      files.giveUp(room)
    }
    if case .failure(let error) = result {
      // Files are begun in order: all before this one are read, or are being read.
      unread = 0..<0
      if index < wrong?.index ?? .max { wrong = (index, error) }
    }
    if reading == 0 { condition.broadcast() }
  }

  /// Whether the picture's file is still of use.
  private func isToBeDecoded(_ index: Int) -> Bool {
    switch slots[index] {
    case .empty, .queued: true
    case .decoding, .kept, .passing, .failed: false
    }
  }

  /// Decodes without the lock and stores what came out.
  private func decode(_ index: Int) {
    slots[index] = .decoding
    let file = files.take(index)
    condition.unlock()
    let result = loader.load(index, file)
    condition.lock()
    switch result {
    case .success(let picture) where kept < capacity:
      slots[index] = .kept(picture)
      kept += 1
      // Pictures are worth more than files: those can be read again.
      files.shrink(to: memoryLimit - kept * loader.decoder.pictureBytes)
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
