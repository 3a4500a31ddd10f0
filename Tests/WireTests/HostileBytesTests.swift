import Engine
import NIOCore
import Primitives
import Testing
import Wire

/// Whatever comes over a socket ends in a message or in one clear error.
@Suite("Hostile bytes")
struct HostileBytesTests {
  func expectError<M: WireMessage>(
    _ fragment: String, _ buffer: ByteBuffer, as type: M.Type,
    stage: FrameDecoder<M>.Stage = .open
  ) {
    let (texts, error) = decode(buffer, as: type, stage: stage)
    #expect(texts.isEmpty)
    #expect(error?.description.contains(fragment) == true, "\(error?.description ?? "no error")")
    #expect(error?.description.contains("\n") == false)
  }

  @Test func strangers() {
    expectError(
      "first bytes are \"GET / HTTP/1.1..\"", ByteBuffer(string: "GET / HTTP/1.1\r\n\r\n"),
      as: WorkerMessage.self, stage: .preface)
    // Refused at its first byte, not after eight.
    var decoder = FrameDecoder<WorkerMessage>()
    var oneByte = ByteBuffer(string: "S")
    #expect(throws: WireError.self) { try decoder.decode(buffer: &oneByte) }
  }

  @Test func anotherVersion() {
    let other = Preface.version + 1
    expectError(
      "speaks version \(other) of Dogsled's protocol, this program version \(Preface.version)",
      Preface.bytes(version: other), as: WorkerMessage.self, stage: .preface)
  }

  @Test func lengthsOverTheLimitAreRefusedBeforeTheyAreWaitedFor() throws {
    // Only the head is there.
    for (kind, limit) in [(17 as UInt8, Limits.standard.hello), (21, Limits.standard.header)] {
      let stage: FrameDecoder<WorkerMessage>.Stage = kind == 17 ? .introduction : .open
      for length in [UInt32(limit + 5), .max, 0] {
        expectError(
          "of \(length) bytes", frame(kind: kind, length: length), as: WorkerMessage.self,
          stage: stage)
      }
    }
    expectError("of 1 bytes", frame(kind: 33, length: 1), as: WorkerMessage.self)
    expectError("of 7 bytes", frame(kind: 22, length: 7), as: WorkerMessage.self)
  }

  /// Neither may a welcome announce a model, nor parts, that nobody has memory for.
  @Test func largerThanTheLimit() throws {
    var welcome = Welcome(
      worker: 0, model: "", floats: Limits.standard.floats + 1, optimizer: RMSprop(), batchSize: 1,
      batchesPerUpdate: 1, pictures: "", augmentation: "", seed: 1, manifest: "")
    expectError(
      "the limit is", try bytes(CoordinatorMessage.welcome(welcome)), as: CoordinatorMessage.self,
      stage: .introduction)
    welcome.floats = 1
    for floats in [0, 15, 17, 1 << 30] {
      welcome.partFloats = floats
      expectError(
        "parts of \(floats) floats", try bytes(CoordinatorMessage.welcome(welcome)),
        as: CoordinatorMessage.self, stage: .introduction)
    }
    expectError("of 100000 bytes", frame(kind: 34, length: 100_000), as: WorkerMessage.self)
  }

  @Test func wrongOrder() throws {
    for message in workerMessages().dropFirst() {
      if case .heartbeat = message { continue }
      expectError(
        "before the peer introduced itself", try bytes(message), as: WorkerMessage.self,
        stage: .introduction)
    }
    expectError("second introduction", try bytes(workerMessages()[0]), as: WorkerMessage.self)
    for message in coordinatorMessages() {
      switch message {
      case .heartbeat, .part: continue
      default: expectError("only this side may send", try bytes(message), as: WorkerMessage.self)
      }
    }
    for message in workerMessages() {
      switch message {
      case .heartbeat, .part: continue
      default:
        expectError("only this side may send", try bytes(message), as: CoordinatorMessage.self)
      }
    }
    expectError(
      "before it was ready", try bytes(WorkerMessage.part(samplePart(.gradient(step: 0)))),
      as: WorkerMessage.self, stage: .unready)
    expectError("unknown kind 99", frame(kind: 99), as: WorkerMessage.self)
  }

  /// What comes in a part's frame before its floats.
  private func head(_ part: Part) throws -> [UInt8] {
    let frame = try OutgoingMessage(WorkerMessage.part(part)).frame(number: 0)
    return Array(frame.buffers[1].readableBytesView)
  }

  @Test func partsThatMakeNoSense() throws {
    let whole = try head(samplePart(.sum))
    #expect(whole.count == 34)
    for length in [0, 1, 5, 17, 33] {
      expectError(
        "cannot be read", frame(kind: 34, Array(whole.prefix(length))), as: WorkerMessage.self)
    }
    var other = whole
    other[0] = 3
    expectError("unknown content 3", frame(kind: 34, other), as: WorkerMessage.self)
    other = whole
    other[17] = 99
    expectError("cannot be read", frame(kind: 34, other), as: WorkerMessage.self)
  }

  @Test func truncated() throws {
    let whole = try bytes(WorkerMessage.part(samplePart(.gradient(step: 3))))
    for length in [1, 4, 5, 30, 300, whole.readableBytes - 1] {
      expectError(
        "in the middle of a message", whole.getSlice(at: 0, length: length)!,
        as: WorkerMessage.self)
    }
  }

  @Test func headersThatSaySomethingElse() {
    expectError("no JSON", frame(kind: 21, Array("{".utf8)), as: WorkerMessage.self)
    expectError("no batch", frame(kind: 21, Array("{}".utf8)), as: WorkerMessage.self)
    expectError(
      "wrong batch", frame(kind: 21, Array(#"{"batch":"x"}"#.utf8)), as: WorkerMessage.self)
    expectError(
      "no JSON", frame(kind: 4, Array(repeating: UInt8(ascii: "["), count: 100_000)),
      as: CoordinatorMessage.self)
  }

  /// A single damaged bit, wherever it is, never gives another message.
  @Test func aFlippedBitIsFound() throws {
    let messages = workerMessages(floats: 40)
    let sent = try conversation(messages)
    let intact = decode(sent, as: WorkerMessage.self, stage: .preface)
    #expect(intact.error == nil && intact.texts.count == messages.count)
    for bit in 0..<sent.readableBytes * 8 {
      var damaged = sent
      let byte: UInt8 = try #require(damaged.getInteger(at: bit / 8))
      damaged.setInteger(byte ^ (1 << (bit % 8)), at: bit / 8)
      let (texts, error) = decode(damaged, as: WorkerMessage.self, stage: .preface)
      #expect(error != nil, "bit \(bit)")
      #expect(texts == Array(intact.texts.prefix(texts.count)), "bit \(bit)")
    }
  }

  /// Random bytes, and random damage to a real conversation: never a crash, never an allocation
  /// that the limits do not allow.
  @Test func randomBytes() throws {
    let random = CounterRandom(seed: 5, purpose: .benchmark)
    var draw: UInt64 = 0
    func next(_ below: Int) -> Int {
      draw += 1
      return Int(random.bits(draw) % UInt64(below))
    }
    let sent = try conversation(workerMessages())
    var errors = 0
    for _ in 0..<3000 {
      var damaged = sent
      for _ in 0...next(3) {
        // Half of the damage to the first 400 bytes, where there are no numbers.
        let position = next(next(2) == 0 ? 400 : damaged.readableBytes)
        damaged.setInteger(UInt8(next(256)), at: position)
      }
      let step = 1 + next(2000)
      if decode(damaged, as: WorkerMessage.self, stage: .preface, step: step).error != nil {
        errors += 1
      }
      var noise = ByteBuffer(bytes: (0..<200).map { _ in UInt8(next(256)) })
      noise.setInteger(UInt32(next(300)), at: 0)
      _ = decode(noise, as: WorkerMessage.self, stage: .open)
      _ = decode(noise, as: CoordinatorMessage.self, stage: .introduction)
    }
    #expect(errors > 1000)
  }
}
