// Messages and tensors that the tests of Wire share.

import Engine
import NIOCore
import Primitives
import Wire

/// Numbers of every kind: zeros, subnormals, infinities, NaN, and some that are drawn.
func sampleFloats(_ count: Int = 2500, seed: UInt64 = 1) -> [Float] {
  let draws = CounterRandom(seed: seed, purpose: .benchmark)
  let special: [Float] = [0, -0.0, .leastNonzeroMagnitude, .infinity, -.infinity, .nan]
  return (0..<count).map { index in
    index < special.count ? special[index] : draws.symmetricFloat(UInt64(index))
  }
}

/// A part with numbers of every kind.
func samplePart(_ content: Part.Content, index: Int = 3, count: Int = 2500) -> Part {
  sampleFloats(count).withUnsafeBufferPointer {
    Part(
      content, version: .init(rollback: 1, update: 25), index: index, floats: $0,
      bytesPerSecond: nil)
  }
}

let sampleDigest = Digest("0123456789abcdef0123456789abcdef")!

private let secret = Secret(1...16) ?? .random()

func coordinatorMessages() -> [CoordinatorMessage] {
  [
    .welcome(
      Welcome(
        worker: 3, model: #"{"class_name": "Sequential"}"#, floats: 100_000, optimizer: RMSprop(),
        batchSize: 20, batchesPerUpdate: 4, pictures: "exact nearest",
        augmentation: "40.0 0.2 0.2 0.2 0.2 true false 0.0 nearest false", seed: .max,
        manifest: #"{"a/b": "ü \" \\ 猫"}"#)),
    .weights(
      WeightsHeader(version: .init(update: 25), digest: sampleDigest, makesUpdates: true), nil),
    .part(samplePart(.state(buffer: 1))),
    .part(samplePart(.sum, index: 0)),
    .part(samplePart(.gradient(step: 7))),
    .update(
      UpdateHeader(version: .init(update: 25), firstStep: 100, pictures: [20, 20, 7], rate: 1e-4)),
    .work(
      AssignedWork(
        .gradient(step: 7, pictures: [[0, 5, 1999], [7]]), weightsVersion: .init(update: 25))),
    .work(AssignedWork(.validation(batch: 0, pictures: []), weightsVersion: .init(update: 0))),
    .successor(
      Successor(
        link: 3, host: "10.0.0.2",
        listening: Listening(port: 40112, fingerprint: Fingerprint(0..<32)), secret: secret)),
    .predecessor(LinkPermit(link: 3, secret: secret)),
    .picture(
      PicturePiece(picture: 70_000, offset: 65_536, bytes: [0xFF, 0xD8, 0])),
    .picture(PicturePiece(picture: 0, offset: 0, bytes: [])),
    .successor(nil),
    .heartbeat,
    .refuse(reason: "the data differ"),
    .finished,
  ]
}

/// - Parameter floats: of a part.
func workerMessages(floats: Int = 2500) -> [WorkerMessage] {
  var hello = Hello(
    version: "1.0", name: "node-1:4711", process: 1, threads: 2, kernels: "avx2")
  hello.secret = secret
  return [
    .hello(hello),
    .ready(ProbeAnswer(pictures: .ofNothing, gradient: .ofNothing)),
    .holds(HeldWeights(version: .init(rollback: 1, update: 25), digest: sampleDigest)),
    .holds(HeldWeights(version: .init(update: 0), digest: nil)),
    .part(samplePart(.gradient(step: 3), count: floats)),
    .gradient(
      GradientHeader(
        step: 3, weightsVersion: .init(update: 1),
        totals: [.init(loss: 0.1 + 0.2, correct: 11, count: 20)], digest: sampleDigest),
      nil),
    .heartbeat,
    .evaluated(
      EvaluationHeader(
        batch: 2, weightsVersion: .init(update: 1), loss: .infinity, correct: 0, amongFive: 3,
        count: 20)),
    .evaluated(
      EvaluationHeader(
        batch: 2, weightsVersion: .init(update: 1), loss: .nan, correct: 0, count: 20)),
    .listens(Listening(port: 40112, fingerprint: Fingerprint(0..<32))),
    .link(LinkReport(link: 3)),
    .link(LinkReport(link: 3, failure: "silent for 3 s")),
    .wants(WantedPictures([3, 0, 1999])),
    .unable(reason: "no picture"),
    .leaving,
  ]
}

/// What a message says, to compare by.
func text(_ message: some WireMessage) -> String {
  let part: Part? =
    if case .part(let part)? = message as? CoordinatorMessage {
      part
    } else if case .part(let part)? = message as? WorkerMessage {
      part
    } else {
      nil
    }
  guard let part else { return "\(message)" }
  // A buffer's description says where it lies; its hash does not.
  return "\(part.content) \(part.version) \(part.index) \(part.digest) \(part.hashValue)"
}

/// The frame of a message as it travels, after `number` others.
func bytes(_ message: some WireMessage, number: Int = 0) throws -> ByteBuffer {
  try OutgoingMessage(message).frame(number: UInt32(number)).bytes
}

/// The frames of messages that are sent one after the other over a new connection.
func frames(_ messages: [some WireMessage]) throws -> [ByteBuffer] {
  try messages.enumerated().map { try bytes($1, number: $0) }
}

/// All that one side of a connection sends: the preface, and frames.
func conversation(_ messages: [some WireMessage]) throws -> ByteBuffer {
  try frames(messages).reduce(into: Preface.bytes) { $0.writeImmutableBuffer($1) }
}

/// The checksum of a frame's head or payload.
private func checksum(_ bytes: [UInt8]) -> UInt32 {
  UInt32(truncatingIfNeeded: bytes.withUnsafeBytes(Digest.init(of:)).low)
}

/// A frame by hand, after `number` others, with its checksum where its kind has one.
func frame(
  kind: UInt8, _ payload: [UInt8] = [], length: UInt32? = nil, number: UInt32 = 0
) -> ByteBuffer {
  let hasChecksum = kind != 33
  var buffer = ByteBuffer(integer: length ?? UInt32(payload.count + (hasChecksum ? 4 : 0)))
  buffer.writeInteger(kind)
  buffer.writeInteger(checksum(Array(buffer.readableBytesView)) &+ number)
  buffer.writeBytes(payload)
  if hasChecksum { buffer.writeInteger(checksum(payload)) }
  return buffer
}

/// What decodes from `buffer`, given in parts of `step` bytes, and the error that ended it.
func decode<M: WireMessage>(
  _ buffer: ByteBuffer, as type: M.Type, stage: FrameDecoder<M>.Stage = .open,
  limits: Limits = .standard, step: Int = .max
) -> (texts: [String], error: WireError?) {
  var texts: [String] = []
  var reader = FrameReader(FrameDecoder<M>(limits: limits, stage: stage))
  var rest = buffer
  do {
    while let part = rest.readSlice(length: min(step, rest.readableBytes)), part.readableBytes > 0 {
      reader.append(part)
      while let message = try reader.next() { texts.append(text(message)) }
    }
    try reader.finish()
    return (texts, nil)
  } catch {
    return (texts, error as? WireError ?? WireError("another error: \(error)"))
  }
}
