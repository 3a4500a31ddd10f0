import Engine
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

  /// Frames whole, byte by byte, many at once; only the first message of a connection is left out.
  @Test func decoderVerifier() throws {
    try ByteToMessageDecoderVerifier.verifyDecoder(
      inputOutputPairs: coordinatorMessages().dropFirst().map { (try bytes($0), [text($0)]) }
    ) {
      Texts(decoder: FrameDecoder<CoordinatorMessage>(stage: .open))
    }
    try ByteToMessageDecoderVerifier.verifyDecoder(
      inputOutputPairs: workerMessages().dropFirst().map { (try bytes($0), [text($0)]) }
    ) {
      Texts(decoder: FrameDecoder<WorkerMessage>(stage: .open))
    }
  }

  @Test(arguments: [1, 7, 4096, Int.max])
  func wholeConversation(step: Int) throws {
    var toWorker = Preface.bytes
    for message in coordinatorMessages() { toWorker.writeImmutableBuffer(try bytes(message)) }
    let atWorker = decode(toWorker, as: CoordinatorMessage.self, stage: .preface, step: step)
    #expect(atWorker.error == nil)
    #expect(atWorker.texts == coordinatorMessages().map(text))

    var toCoordinator = Preface.bytes
    for message in workerMessages() { toCoordinator.writeImmutableBuffer(try bytes(message)) }
    let atCoordinator = decode(toCoordinator, as: WorkerMessage.self, stage: .preface, step: step)
    #expect(atCoordinator.error == nil)
    #expect(atCoordinator.texts == workerMessages().map(text))
  }

  /// What is sent to many peers lies in memory once.
  @Test func numbersAreNotCopied() throws {
    let part = samplePart(.sum)
    let sent = try (0..<2).map { _ in try OutgoingMessage(CoordinatorMessage.part(part)) }
    let addresses = sent.map { message in
      message.numbers?.withUnsafeReadableBytes { Int(bitPattern: $0.baseAddress) }
    }
    #expect(addresses[0] != nil && addresses[0] == addresses[1])
  }

  @Test func refusesToSendWhatIsTooLarge() throws {
    #expect(throws: WireError.self) {
      try OutgoingMessage(WorkerMessage.unable(reason: String(repeating: "x", count: 2 << 20)))
    }
    var limits = Limits.standard
    limits.partFloats = 1024
    #expect(throws: WireError.self) {
      try OutgoingMessage(CoordinatorMessage.part(samplePart(.sum)), limits: limits)
    }
    let local = ParameterBuffer(try Architecture.book(height: 150, width: 150).parameters)
    let header = WeightsHeader(version: .init(update: 0), digest: sampleDigest)
    #expect(throws: WireError.self) {
      try OutgoingMessage(CoordinatorMessage.weights(header, local))
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
