import Engine
import NIOCore
import Primitives
import Testing
import Wire

@Suite("Frames")
struct FrameDecoderTests {
  /// Messages as texts, as NIO's own machinery takes them from a connection.
  ///
  /// The same bytes come more than once, so each frame is the first of a connection here.
  struct Texts<Message: WireMessage>: NIOSingleStepByteToMessageDecoder {
    private var decoder = FrameDecoder<Message>(stage: .open)
    mutating func decode(buffer: inout ByteBuffer) throws -> String? {
      guard let message = try decoder.decode(buffer: &buffer) else { return nil }
      decoder = FrameDecoder(stage: .open)
      return text(message)
    }
    mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> String? {
      if let message = try decode(buffer: &buffer) { return message }
      if seenEOF { try decoder.finish(buffer: buffer) }
      return nil
    }
  }

  /// What comes of `pieces` one after the other, and then of the connection's end.
  private func texts<M: WireMessage>(_ pieces: [ByteBuffer], as type: M.Type) throws -> [String] {
    let processor = NIOSingleStepByteToMessageProcessor(Texts<M>())
    var texts: [String] = []
    for piece in pieces { try processor.process(buffer: piece) { texts.append($0) } }
    #expect(processor.unprocessedBytes == 0)
    try processor.finishProcessing(seenEOF: true) { texts.append($0) }
    return texts
  }

  /// Each message alone, several times and with all others, in pieces of every kind of length.
  private func expectAll<M: WireMessage>(_ messages: [M]) throws {
    let pairs = try messages.map { (bytes: try bytes($0), text: text($0)) }
    let sets = pairs.map { [$0] } + pairs.map { [$0, $0, $0] } + [pairs, pairs.reversed()]
    for set in sets {
      var all = ByteBuffer()
      for pair in set { all.writeImmutableBuffer(pair.bytes) }
      for length in [1, 3, 1000, Int.max] {
        var (rest, pieces) = (all, [ByteBuffer]())
        while let piece = rest.readSlice(length: min(length, rest.readableBytes)),
          piece.readableBytes > 0
        {
          pieces.append(piece)
        }
        #expect(try texts(pieces, as: M.self) == set.map(\.text), "pieces of \(length)")
      }
    }
  }

  /// Frames whole, byte by byte, many at once; only the first message of a connection is left out.
  @Test func framesInPiecesThroughNIO() throws {
    try expectAll(Array(coordinatorMessages().dropFirst()))
    try expectAll(Array(workerMessages().dropFirst()))
  }

  @Test(arguments: [1, 7, 4096, Int.max])
  func wholeConversation(step: Int) throws {
    let toWorker = try conversation(coordinatorMessages())
    let atWorker = decode(toWorker, as: CoordinatorMessage.self, stage: .preface, step: step)
    #expect(atWorker.error == nil)
    #expect(atWorker.texts == coordinatorMessages().map(text))

    let toCoordinator = try conversation(workerMessages())
    let atCoordinator = decode(toCoordinator, as: WorkerMessage.self, stage: .preface, step: step)
    #expect(atCoordinator.error == nil)
    #expect(atCoordinator.texts == workerMessages().map(text))
  }

  /// What is sent to many peers lies in memory once.
  @Test func numbersAreNotCopied() throws {
    let part = samplePart(.sum)
    let sent = try (0..<2).map { number in
      try OutgoingMessage(CoordinatorMessage.part(part)).frame(number: UInt32(number))
    }
    let addresses = try sent.map { frame in
      let longest = try #require(frame.buffers.max { $0.readableBytes < $1.readableBytes })
      #expect(longest.readableBytes > 5000)
      return longest.withUnsafeReadableBytes { Int(bitPattern: $0.baseAddress) }
    }
    #expect(addresses[0] == addresses[1])
  }

  // MARK: Frames out of turn

  /// What becomes of a conversation whose frames come in another order than they were sent in.
  private func expectOutOfTurn<M: WireMessage>(
    _ order: [Int], of messages: [M], intact: Int, at place: SourceLocation = #_sourceLocation
  ) throws {
    let sent = try frames(messages)
    let came = order.reduce(into: Preface.bytes) { $0.writeImmutableBuffer(sent[$1]) }
    let (texts, error) = decode(came, as: M.self, stage: .preface)
    #expect(texts == messages.prefix(intact).map(text), sourceLocation: place)
    #expect(
      error?.description.contains("out of turn") == true, "\(error?.description ?? "no error")",
      sourceLocation: place)
  }

  @Test func aFrameThatIsLostRepeatedOrOvertakenIsNoticed() throws {
    let messages = workerMessages().filter { if case .unable = $0 { false } else { true } }
    let all = Array(messages.indices)
    for index in all.dropLast() {
      // The one after a frame that is lost, a frame's second coming, the one that overtakes.
      var order = all
      order.remove(at: index)
      if index > 0 { try expectOutOfTurn(order, of: messages, intact: index) }
      order = all
      order.insert(index, at: index)
      if index > 0 { try expectOutOfTurn(order, of: messages, intact: index + 1) }
      order = all
      order.swapAt(index, index + 1)
      if index > 0 { try expectOutOfTurn(order, of: messages, intact: index) }
    }
    let (texts, error) = decode(
      try conversation(messages), as: WorkerMessage.self, stage: .preface)
    #expect(error == nil && texts == messages.map(text))
  }

  /// Also where all frames are equal, and where a frame comes much later again.
  @Test func heartbeatsAreCountedToo() throws {
    let beats = [WorkerMessage](repeating: .heartbeat, count: 5)
    try expectOutOfTurn([0, 2], of: beats, intact: 1)
    try expectOutOfTurn([0, 1, 1], of: beats, intact: 2)
    try expectOutOfTurn([0, 1, 2, 3, 4, 0], of: beats, intact: 5)
    try expectOutOfTurn([1, 0], of: beats, intact: 0)
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
        version: texts[0], name: texts[1], process: 1, threads: 1, kernels: texts[2])
      var buffer = try conversation([WorkerMessage.hello(hello), .unable(reason: long)])
      var decoder = FrameDecoder<WorkerMessage>()
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
