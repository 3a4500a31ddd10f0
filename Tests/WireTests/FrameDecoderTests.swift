import NIOCore
import NIOTestUtils
import Primitives
import Testing
import Wire

@Suite("Frames")
struct FrameDecoderTests {
  /// Messages as texts, so that NIO's verifier can compare them.
  struct Texts<Message: WireMessage>: NIOSingleStepByteToMessageDecoder {
    var decoder: FrameDecoder<Message>
    mutating func decode(buffer: inout ByteBuffer) throws -> String? {
      try decoder.decode(buffer: &buffer).map(text)
    }
    mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> String? {
      if let message = try decode(buffer: &buffer) { return message }
      if seenEOF { try decoder.finish(buffer: buffer) }
      return nil
    }
  }

  /// Small pieces, so that a body has many.
  static let limits: Limits = {
    var limits = Limits.standard
    limits.piece = 1000
    return limits
  }()

  /// Frames whole, byte by byte, many at once; only the first message of a connection is left out.
  @Test func decoderVerifier() throws {
    let body = Body.frame(ByteBuffer(bytes: (0..<3456).map { UInt8(truncatingIfNeeded: $0) }))
    try ByteToMessageDecoderVerifier.verifyDecoder(
      inputOutputPairs: coordinatorMessages(body).dropFirst().map {
        (try bytes($0, limits: Self.limits), [text($0)])
      }
    ) {
      Texts(
        decoder: FrameDecoder<CoordinatorMessage>(limits: Self.limits, floats: 4000, stage: .open))
    }
    try ByteToMessageDecoderVerifier.verifyDecoder(
      inputOutputPairs: workerMessages(body).dropFirst().map {
        (try bytes($0, limits: Self.limits), [text($0)])
      }
    ) {
      Texts(decoder: FrameDecoder<WorkerMessage>(limits: Self.limits, floats: 4000, stage: .open))
    }
  }

  @Test(arguments: [1, 7, 4096, Int.max])
  func wholeConversation(step: Int) throws {
    let body = try TensorCoding.encode(sampleTensors())
    var toWorker = Preface.bytes
    for message in coordinatorMessages(body) {
      toWorker.writeImmutableBuffer(try bytes(message, limits: Self.limits))
    }
    let atWorker = decode(
      toWorker, as: CoordinatorMessage.self, stage: .preface, floats: nil, step: step)
    #expect(atWorker.error == nil)
    #expect(atWorker.texts == coordinatorMessages(body).map(text))

    var toCoordinator = Preface.bytes
    for message in workerMessages(body) {
      toCoordinator.writeImmutableBuffer(try bytes(message, limits: Self.limits))
    }
    let atCoordinator = decode(toCoordinator, as: WorkerMessage.self, stage: .preface, step: step)
    #expect(atCoordinator.error == nil)
    #expect(atCoordinator.texts == workerMessages(body).map(text))
  }

  @Test func heartbeatBetweenPieces() throws {
    let frame = ByteBuffer(repeating: 7, count: 2500)
    let message = WorkerMessage.gradient(
      GradientHeader(
        step: 0, weightsVersion: .init(update: 0), loss: 0, correct: 0, count: 1,
        digest: sampleDigest),
      .frame(frame))
    var outgoing = try OutgoingMessage(message, limits: Self.limits)
    let total = outgoing.byteCount
    var all = ByteBuffer()
    while let frame = outgoing.next() {
      all.writeImmutableBuffer(frame.head)
      if let piece = frame.piece { all.writeImmutableBuffer(piece) }
      all.writeImmutableBuffer(try bytes(WorkerMessage.heartbeat))
    }
    #expect(outgoing.byteCount == 0)
    #expect(all.readableBytes == total + 4 * 9)
    let (texts, error) = decode(all, as: WorkerMessage.self, step: 100)
    #expect(error == nil)
    #expect(texts == ["heartbeat", "heartbeat", "heartbeat", text(message), "heartbeat"])
  }

  @Test func bodiesAreNotCopied() throws {
    let frame = ByteBuffer(repeating: 7, count: 5 << 20)
    let header = WeightsHeader(version: .init(update: 0), digest: sampleDigest)
    var outgoing = try OutgoingMessage(CoordinatorMessage.weights(header, .frame(frame)))
    let address = frame.withUnsafeReadableBytes { Int(bitPattern: $0.baseAddress) }
    var pieces: [Int] = []
    while let next = outgoing.next() {
      guard let piece = next.piece else { continue }
      pieces.append(piece.withUnsafeReadableBytes { Int(bitPattern: $0.baseAddress) - address })
    }
    #expect(pieces == (0..<5).map { $0 << 20 })
  }

  @Test func refusesToSendWhatIsTooLarge() throws {
    #expect(throws: WireError.self) {
      try OutgoingMessage(WorkerMessage.unable(reason: String(repeating: "x", count: 2 << 20)))
    }
    var limits = Limits.standard
    limits.floats = 100
    let body = Body.frame(ByteBuffer(repeating: 0, count: 2000))
    #expect(throws: WireError.self) {
      try OutgoingMessage(
        CoordinatorMessage.weights(
          WeightsHeader(version: .init(update: 0), digest: sampleDigest), body),
        limits: limits)
    }
    let local = Body.local(try sampleTensors())
    #expect(throws: WireError.self) {
      try OutgoingMessage(
        CoordinatorMessage.weights(
          WeightsHeader(version: .init(update: 0), digest: sampleDigest), local))
    }
  }

  @Test func peersTextsAreOneLine() throws {
    let sent = try bytes(CoordinatorMessage.refuse(reason: "a\u{1B}[2J\nb\u{7}"))
    #expect(
      decode(sent, as: CoordinatorMessage.self).texts == [
        text(CoordinatorMessage.refuse(reason: #"a\u{1B}[2J\u{A}b\u{7}"#))
      ])
    // Nor the end of a line by another name, nor what turns the direction of writing.
    let odd = try bytes(WorkerMessage.unable(reason: "a\u{2028}b\u{202E}c"))
    #expect(
      decode(odd, as: WorkerMessage.self).texts == [
        text(WorkerMessage.unable(reason: #"a\u{2028}b\u{202E}c"#))
      ])
  }

  /// Many letters, one letter with many marks, or many that have to be escaped.
  @Test(arguments: ["a", "\u{301}", "\u{7}", "猫"]) func peersTextsAreShort(_ text: String) throws {
    let long = "x" + String(repeating: text, count: 600)
    for place in 0..<3 {
      var texts = ["1", "here:1", "avx2"]
      texts[place] = long
      let hello = Hello(
        version: texts[0], name: texts[1], token: 1, threads: 1, kernels: texts[2])
      var (buffer, decoder) = (Preface.bytes, FrameDecoder<WorkerMessage>())
      buffer.writeImmutableBuffer(try bytes(WorkerMessage.hello(hello)))
      buffer.writeImmutableBuffer(try bytes(WorkerMessage.unable(reason: long)))
      guard case .hello(let heard)? = try decoder.decode(buffer: &buffer),
        case .unable(let reason)? = try decoder.decode(buffer: &buffer)
      else {
        Issue.record("other messages came")
        return
      }
      let length = [heard.version, heard.name, heard.kernels][place].utf8.count
      #expect((200...220).contains(length))
      #expect((500...520).contains(reason.utf8.count))
    }
  }
}
