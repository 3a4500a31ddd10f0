import Engine
import Primitives
import Synchronization
import Wire

/// Sends gradients in parts, as they get ready: encodes them on a thread of its own, so that
/// computing goes on.
///
/// Of a unit of several steps, factors leave step by step, and all else once, summed, with the last
/// one.
final class GradientSender: Sendable {
  /// A unit on its way out.
  fileprivate struct Outgoing {
    let first: Int
    let count: Int
    let version: WeightsVersion
    let link: any CoordinatorLink
    /// Of the steps that have begun.
    var gradients: [ParameterBuffer] = []
    var totals: [GradientHeader.Totals] = []
    /// By step and part.
    var digests: [[Digest?]] = []
    /// Of several steps.
    var sums: ParameterBuffer?
    var isFinite = true
  }

  fileprivate struct State {
    var outgoing: Outgoing?
    let updater: Updater
    var memory: BufferPool
  }

  private let parts: [GradientPart]
  private let thread: SerialThread?
  private let state: Mutex<State>

  /// - Parameter inBackground: whether it has a thread; otherwise its caller encodes.
  /// - Throws: where the thread cannot be had.
  init(_ run: any StepComputer, kernels: KernelSet, inBackground: Bool) throws(ThreadError) {
    parts = run.parts
    thread = inBackground ? try SerialThread("gradients") : nil
    let updater = try Updater(run.layout, kernels: kernels)
    state = Mutex(
      State(outgoing: nil, updater: updater, memory: BufferPool(run.layout.buffer)))
  }

  /// Tells the coordinator which weights are held from now on.
  ///
  /// - Parameters:
  ///   - weights: nobody writes to them until `wait` has returned.
  ///   - digest: theirs, where it is known.
  func tell(
    _ version: WeightsVersion, _ weights: ParameterBuffer, digest: Digest?,
    _ link: any CoordinatorLink
  ) {
    perform { _ in
      link.send(.holds(HeldWeights(version: version, digest: digest ?? weights.digest)))
    }
  }

  /// Waits until all that was asked for is on its way.
  func wait() { thread?.wait() }

  /// The first of a unit's steps begins to be computed.
  func begin(
    _ first: Int, count: Int, version: WeightsVersion, _ link: any CoordinatorLink
  ) {
    let outgoing = Outgoing(first: first, count: count, version: version, link: link)
    perform { $0.outgoing = outgoing }
  }

  /// The next of its steps begins to be computed.
  ///
  /// - Parameter gradient: nobody writes to what was said to be ready until the link is done with
  ///   it.
  func step(_ gradient: ParameterBuffer) {
    let digests: [Digest?] = parts.map { _ in nil }
    perform { state in
      state.outgoing?.gradients.append(gradient)
      state.outgoing?.digests.append(digests)
    }
  }

  /// A layer's gradient is there, of the step that is computed.
  func ready(_ layer: String) {
    let parts = parts.filter { $0.layer == layer }
    perform { state in
      for part in parts { state.send(part) }
    }
  }

  /// Every layer's gradient is there, of the step that is computed.
  func readyAll() { for layer in Set(parts.map(\.layer)).sorted() { ready(layer) } }

  /// All of a step's gradient is there, and was said to be ready.
  func finish(_ totals: Engine.Totals) {
    perform {
      $0.outgoing?.totals.append(
        .init(loss: totals.loss, correct: totals.correct, count: totals.count))
    }
  }

  /// The unit's steps are all there.
  /// - Parameter waited: seconds before they were begun.
  func finish(waited: Double) {
    perform { state in
      guard var done = state.outgoing else { return }
      state.outgoing = nil
      for index in done.totals.indices
      where !done.isFinite || !done.totals[index].loss.isFinite { done.totals[index].loss = .nan }
      done.link.send(
        .gradient(
          GradientHeader(
            step: done.first, weightsVersion: done.version, totals: done.totals,
            digest: Digest(of: done.digests.joined().compactMap { $0 }), waited: waited),
          nil))
    }
  }

  private func perform(_ job: @escaping @Sendable (inout State) -> Void) {
    guard let thread else { return state.withLock { job(&$0) } }
    thread.perform { [self] in state.withLock { job(&$0) } }
  }
}

extension GradientSender.State {
  /// Sends a part of the step that is computed, or, with the last step, of the sum over all.
  fileprivate mutating func send(_ part: GradientPart) {
    guard var unit = outgoing, let present = unit.gradients.last else { return }
    outgoing = nil
    defer { outgoing = unit }
    if part.isPerStep || unit.count == 1 {
      unit.send(part, of: present, place: unit.gradients.count - 1)
    } else if unit.gradients.count == unit.count {
      let sums = unit.sums ?? memory.take()
      unit.sums = sums
      // Their places alone are read: whatever the pictures are.
      let steps = unit.gradients.map { StepGradient($0, pictures: 1) }
      updater.sum(part.floats, of: steps, into: sums)
      unit.send(part, of: sums, place: 0)
    }
  }
}

extension GradientSender.Outgoing {
  fileprivate mutating func send(_ part: GradientPart, of buffer: ParameterBuffer, place: Int) {
    let floats = UnsafeMutableBufferPointer(rebasing: buffer.buffer[part.floats])
    if !buffer.isFinite(part.floats) {
      // The bits of NaN differ between instruction sets: all that is no number is made equal.
      floats.update(repeating: .nan)
      isFinite = false
    }
    let part = Part(
      .gradient(step: first + place), version: version, index: part.index,
      floats: UnsafeBufferPointer(floats), bytesPerSecond: link.bytesPerSecond)
    digests[place][part.index] = part.digest
    link.send(.part(part))
  }
}
