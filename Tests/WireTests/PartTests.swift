import NIOCore
import Primitives
import Testing
import Wire

/// Numbers on their way, from memory to memory.
@Suite("Parts")
struct PartTests {
  static let contents: [Part.Content] = [
    .gradient(step: 0), .gradient(step: 4_000_000_000), .sum, .state(buffer: 0), .state(buffer: 2),
  ]

  /// A part as the peer has it.
  private func received(_ part: Part, byWorker: Bool) throws -> Part {
    if byWorker {
      var (buffer, decoder) = (
        try bytes(CoordinatorMessage.part(part)), FrameDecoder<CoordinatorMessage>(stage: .open)
      )
      guard case .part(let part)? = try decoder.decode(buffer: &buffer) else { throw WireError("") }
      return part
    }
    var (buffer, decoder) = (
      try bytes(WorkerMessage.part(part)), FrameDecoder<WorkerMessage>(stage: .open)
    )
    guard case .part(let part)? = try decoder.decode(buffer: &buffer) else { throw WireError("") }
    return part
  }

  private func decoded(_ part: Part, count: Int) throws -> [UInt32] {
    var floats = [Float](repeating: 5, count: count)
    try floats.withUnsafeMutableBufferPointer { try part.decode(into: $0) }
    return floats.map(\.bitPattern)
  }

  /// Both ways, over links of any rate: the encoding may differ, the bits do not.
  @Test(arguments: contents, [nil, 1e6, 1e9, .infinity] as [Double?])
  func aPartArrivesAsItWasSent(content: Part.Content, bytesPerSecond: Double?) throws {
    let version = WeightsVersion(rollback: 3, update: 70_000)
    for count in [1, 16, 2500, 1 << 14] {
      for floats in [sampleFloats(count), sampleFloats(count).map { max(0, $0) }] {
        let part = floats.withUnsafeBufferPointer {
          Part(content, version: version, index: 99, floats: $0, bytesPerSecond: bytesPerSecond)
        }
        for byWorker in [true, false] {
          let came = try received(part, byWorker: byWorker)
          #expect(came == part)
          #expect(came.content == content && came.version == version && came.index == 99)
          #expect(came.digest == floats.withUnsafeBytes { Digest(of: $0) })
          #expect(try decoded(came, count: count) == floats.map(\.bitPattern))
        }
      }
    }
  }

  @Test func anotherLengthIsNone() throws {
    let part = samplePart(.sum, count: 2500)
    for count in [0, 1, 2499, 2501, 1 << 14, 1 << 20] {
      #expect(throws: WireError.self, "\(count)") { try decoded(part, count: count) }
    }
    #expect(try decoded(part, count: 2500).count == 2500)
  }

  /// The payload of a part's frame, without its checksum.
  private func payload(_ part: Part) throws -> [UInt8] {
    let frame = try OutgoingMessage(WorkerMessage.part(part)).frame(number: 0)
    return frame.buffers.dropFirst().dropLast().flatMap { Array($0.readableBytesView) }
  }

  /// Damage before the frame was made: its own checksum is right, so the part has to notice.
  ///
  /// Some encodings have bits that say nothing: whatever is taken are the floats that were sent.
  @Test func aFlippedBitOfTheDigestOrTheFloatsIsFound() throws {
    let count = 40
    for floats in [sampleFloats(count), [Float](repeating: 0, count: count)] {
      let part = floats.withUnsafeBufferPointer {
        Part(.sum, version: .init(update: 1), index: 0, floats: $0, bytesPerSecond: nil)
      }
      let intact = try payload(part)
      var unnoticed = 0
      // The last 16 bytes of the head are the digest.
      for bit in 18 * 8..<intact.count * 8 {
        var damaged = intact
        damaged[bit / 8] ^= 1 << (bit % 8)
        var (buffer, decoder) = (
          frame(kind: 34, damaged), FrameDecoder<WorkerMessage>(stage: .open)
        )
        let message = try decoder.decode(buffer: &buffer)
        guard case .part(let came)? = message else {
          Issue.record("bit \(bit): no part came")
          continue
        }
        do {
          let bits = try decoded(came, count: count)
          #expect(bits == floats.map(\.bitPattern) && bit >= 34 * 8, "bit \(bit)")
          unnoticed += 1
        } catch {
          #expect(error is WireError)
        }
      }
      #expect(unnoticed < intact.count)
      // And nothing else is wrong with it.
      var (buffer, decoder) = (frame(kind: 34, intact), FrameDecoder<WorkerMessage>(stage: .open))
      let message = try decoder.decode(buffer: &buffer)
      guard case .part(let came)? = message else {
        Issue.record("no part came")
        return
      }
      #expect(try decoded(came, count: count) == floats.map(\.bitPattern))
    }
  }

  /// Who joins can use no update before it has the state; of an update the first layer is needed
  /// first.
  @Test func whatIsNeededFirstGoesFirst() {
    let inOrder: [CoordinatorMessage] = [
      .update(UpdateHeader(version: .init(update: 0), firstStep: 0, pictures: [1])),
      .part(samplePart(.state(buffer: 0), index: 9)), .part(samplePart(.sum, index: 0)),
      .part(samplePart(.gradient(step: 5), index: 1)), .part(samplePart(.sum, index: 2)),
    ]
    #expect(inOrder.map(\.priority) == inOrder.map(\.priority).sorted())
    #expect(Set(inOrder.map(\.priority)).count == inOrder.count)
    #expect(workerMessages().allSatisfy { $0.priority == 0 })
  }
}
