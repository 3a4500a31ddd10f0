import Engine
import Primitives
import Synchronization
import Wire

/// Sends gradients in parts, as they get ready: encodes them on a thread of its own, so that
/// computing goes on.
final class GradientSender: Sendable {
  /// A gradient on its way out.
  fileprivate struct Outgoing {
    let step: Int
    let version: WeightsVersion
    let gradient: ParameterBuffer
    let link: any CoordinatorLink
    var digests: [Digest?]
    var isFinite = true
  }

  private let parts: [GradientPart]
  private let thread: SerialThread?
  private let present = Mutex<Outgoing?>(nil)

  /// - Parameter inBackground: whether it has a thread; otherwise its caller encodes.
  /// - Throws: where the thread cannot be had.
  init(_ parts: [GradientPart], inBackground: Bool) throws(ThreadError) {
    self.parts = parts
    thread = inBackground ? try SerialThread("gradients") : nil
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

  /// A step's gradient begins to be computed.
  ///
  /// - Parameter gradient: nobody writes to what was said to be ready until the link is done with
  ///   it.
  func begin(
    step: Int, version: WeightsVersion, _ gradient: ParameterBuffer, _ link: any CoordinatorLink
  ) {
    let outgoing = Outgoing(
      step: step, version: version, gradient: gradient, link: link,
      digests: parts.map { _ in nil })
    perform { $0 = outgoing }
  }

  /// A layer's gradient is there.
  func ready(_ layer: String) {
    let parts = parts.filter { $0.layer == layer }
    perform { outgoing in
      for part in parts { outgoing?.send(part) }
    }
  }

  /// Every layer's gradient is there.
  func readyAll() { for layer in Set(parts.map(\.layer)).sorted() { ready(layer) } }

  /// All of it is there, and was said to be ready.
  /// - Parameter waited: seconds before it was begun.
  func finish(_ totals: Engine.Totals, waited: Double) {
    perform { outgoing in
      guard let done = outgoing else { return }
      outgoing = nil
      done.link.send(
        .gradient(
          GradientHeader(
            step: done.step, weightsVersion: done.version,
            loss: done.isFinite && totals.loss.isFinite ? totals.loss : .nan,
            correct: totals.correct, count: totals.count,
            digest: Digest(of: done.digests.compactMap { $0 }), waited: waited),
          nil))
    }
  }

  private func perform(_ job: @escaping @Sendable (inout Outgoing?) -> Void) {
    guard let thread else { return present.withLock { job(&$0) } }
    thread.perform { [self] in present.withLock { job(&$0) } }
  }
}

extension GradientSender.Outgoing {
  fileprivate mutating func send(_ part: GradientPart) {
    let floats = UnsafeMutableBufferPointer(rebasing: gradient.buffer[part.floats])
    if !gradient.isFinite(part.floats) {
      // The bits of NaN differ between instruction sets: all that is no number is made equal.
      floats.update(repeating: .nan)
      isFinite = false
    }
    let part = Part(
      .gradient(step: step), version: version, index: part.index,
      floats: UnsafeBufferPointer(floats), bytesPerSecond: link.bytesPerSecond)
    digests[part.index] = part.digest
    link.send(.part(part))
  }
}
