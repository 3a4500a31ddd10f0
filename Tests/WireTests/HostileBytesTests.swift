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
    stage: FrameDecoder<M>.Stage = .open, floats: Int? = 1000
  ) {
    let (texts, error) = decode(buffer, as: type, stage: stage, floats: floats)
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
    expectError("of 7 bytes", frame(kind: 20, length: 7), as: WorkerMessage.self)
  }

  @Test func bodiesLargerThanTheModel() throws {
    let largest = TensorCoding.maximumFrame(floats: 1000)
    let header = GradientHeader(
      step: 0, weightsVersion: .init(update: 0), loss: 0, correct: 0, count: 1, digest: sampleDigest
    )
    let fits = try bytes(
      WorkerMessage.gradient(header, .frame(ByteBuffer(repeating: 0, count: largest))))
    #expect(decode(fits, as: WorkerMessage.self, floats: 1000).error == nil)
    let over = try bytes(
      WorkerMessage.gradient(header, .frame(ByteBuffer(repeating: 0, count: largest + 1))))
    expectError("tensors of \(largest + 1) bytes", over, as: WorkerMessage.self)
    let empty = try bytes(WorkerMessage.gradient(header, .frame(ByteBuffer())))
    expectError("tensors of 0 bytes", empty, as: WorkerMessage.self)
    // A welcome may not announce more than the limit either.
    let welcome = Welcome(
      worker: 0, model: "", floats: Limits.standard.floats + 1, batchSize: 1, pictures: "",
      manifest: "")
    expectError(
      "the limit is", try bytes(CoordinatorMessage.welcome(welcome)), as: CoordinatorMessage.self,
      stage: .introduction)
  }

  @Test func wrongOrder() throws {
    let body = try TensorCoding.encode(sampleTensors())
    for message in workerMessages(body).dropFirst() {
      if case .heartbeat = message { continue }
      expectError(
        "before the peer introduced itself", try bytes(message), as: WorkerMessage.self,
        stage: .introduction)
    }
    expectError(
      "second introduction", try bytes(workerMessages(body)[0]), as: WorkerMessage.self)
    for message in coordinatorMessages(body) {
      if case .heartbeat = message { continue }
      expectError("only this side may send", try bytes(message), as: WorkerMessage.self)
    }
    for message in workerMessages(body) {
      if case .heartbeat = message { continue }
      expectError("only this side may send", try bytes(message), as: CoordinatorMessage.self)
    }
    expectError("where 0 are missing", frame(kind: 34, [1]), as: WorkerMessage.self)
    expectError("unknown kind 99", frame(kind: 99), as: WorkerMessage.self)

    var within = ByteBuffer()
    var outgoing = try OutgoingMessage(workerMessages(body)[2])
    within.writeImmutableBuffer(outgoing.next()!.head)
    within.writeImmutableBuffer(try bytes(WorkerMessage.ready(.none)))
    expectError("within the tensors of another", within, as: WorkerMessage.self, floats: 1 << 20)
  }

  @Test func truncated() throws {
    let whole = try bytes(workerMessages(TensorCoding.encode(sampleTensors()))[2])
    for length in [1, 4, 5, 30, 300, whole.readableBytes - 1] {
      expectError(
        "in the middle of a message", whole.getSlice(at: 0, length: length)!,
        as: WorkerMessage.self, floats: 1 << 20)
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
    let messages = workerMessages(try TensorCoding.encode(sampleTensors(units: 1)))
    var conversation = Preface.bytes
    for message in messages {
      if case .gradient = message { continue }
      conversation.writeImmutableBuffer(try bytes(message))
    }
    let intact = decode(conversation, as: WorkerMessage.self, stage: .preface)
    #expect(intact.error == nil && intact.texts.count == messages.count - 1)
    for bit in 0..<conversation.readableBytes * 8 {
      var damaged = conversation
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
    var conversation = Preface.bytes
    for message in workerMessages(try TensorCoding.encode(sampleTensors(units: 1))) {
      conversation.writeImmutableBuffer(try bytes(message))
    }
    var errors = 0
    for _ in 0..<3000 {
      var damaged = conversation
      for _ in 0...next(3) {
        // Half of the damage to the first 400 bytes, where there is no body.
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
      _ = decode(noise, as: CoordinatorMessage.self, stage: .introduction, floats: nil)
    }
    #expect(errors > 1000)
  }
}
