// What a run will take, computed before it is taken: an allocation that fails ends a Swift program,
// and one that succeeds may end it later, when the kernel has no page to give.

import Primitives

/// Memory that is about to be taken.
public struct MemoryNeed: Sendable {
  /// Bytes: at first those of threads, files being read and texts.
  public private(set) var bytes = 32 << 20

  /// Nothing but what every process takes.
  public init() {}

  /// Adds `count` buffers of a layout.
  public mutating func add(_ count: Int, _ layout: ParameterLayout) {
    add(count, ofBytes: layout.bufferCount * MemoryLayout<Float>.stride)
  }

  /// Adds an engine's buffers, from its own plan.
  public mutating func addEngine(
    _ architecture: Architecture, batch: Int, stepSize: Int? = nil, threads: Int
  ) {
    add(
      1,
      ofBytes: Engine.memory(
        architecture, batchCapacity: batch, stepSize: stepSize, threads: threads))
  }

  /// Adds `count` decoded pictures of a size.
  public mutating func addPictures(_ count: Int, of shape: Shape) {
    add(count, ofBytes: shape.count)
  }

  /// Adds `count` times `size` bytes.
  package mutating func add(_ count: Int, ofBytes size: Int) {
    let (product, isTooLarge) = count.multipliedReportingOverflow(by: size)
    let (sum, overflows) = bytes.addingReportingOverflow(product)
    bytes = isTooLarge || overflows ? .max : sum
  }

  /// At least what `other` takes, which is over before.
  package mutating func cover(_ other: MemoryNeed) { bytes = max(bytes, other.bytes) }

  /// Refuses what there is no memory for.
  /// - Parameters:
  ///   - what: what takes the memory, as the error's first words.
  ///   - advice: what to do.
  /// - Throws: `MemoryError`.
  public func check(
    _ what: String, advice: String = "free some memory", of available: AvailableMemory = .now()
  ) throws {
    guard bytes > available.bytes else { return }
    throw MemoryError(
      description: "\(what) takes \(Self.text(bytes)) of memory, but \(available.bound) leaves "
        + "\(Self.text(available.bytes)): \(advice)")
  }

  /// Bytes that one store of decoded pictures may keep beside: of what is left an eighth, since
  /// there are two stores and others may want some, and at most 1 GiB.
  /// - Parameter processes: how many processes with this need and two stores begin together.
  public func pictureCache(
    sharedBy processes: Int = 1, of available: AvailableMemory = .now()
  ) -> Int {
    let (needs, isTooLarge) = bytes.multipliedReportingOverflow(by: processes)
    return isTooLarge ? 0 : min(1 << 30, max(0, available.bytes - needs) / (8 * processes))
  }

  /// As the lines of a run's beginning have it: `412 MB`.
  public var text: String { Self.text(bytes) }

  private static func text(_ bytes: Int) -> String {
    let megabytes = bytes / 1_000_000 + (bytes % 1_000_000 + 500_000) / 1_000_000
    guard megabytes >= 1000 else { return "\(megabytes) MB" }
    let tenths = (megabytes + 50) / 100
    return "\(tenths / 10).\(tenths % 10) GB"
  }
}

/// More memory is wanted than there is.
public struct MemoryError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String
  /// An error that says `description`.
  public init(description: String) { self.description = description }
}

extension MemoryNeed {
  /// A step alone: the engine, its pictures, a model's state and one gradient.
  public static func benchmark(
    _ architecture: Architecture, optimizer: any Optimizer, batch: Int, threads: Int
  ) -> MemoryNeed {
    var need = MemoryNeed()
    need.addEngine(architecture, batch: batch, threads: threads)
    need.addPictures(batch, of: architecture.input)
    need.add(1 + optimizer.slots.count, architecture.parameters)
    need.add(1, GradientLayout(architecture.parameters, batch: batch).buffer)
    return need
  }

  /// Predictions or an evaluation: the engine, the pictures that it computes and the next.
  public static func inference(
    _ architecture: Architecture, batch: Int, threads: Int
  ) -> MemoryNeed {
    var need = MemoryNeed()
    need.addEngine(architecture, batch: batch, threads: threads)
    need.addPictures(2 * batch, of: architecture.input)
    return need
  }
}
