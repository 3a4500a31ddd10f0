// Messages and tensors that the tests of Wire share.

import Engine
import NIOCore
import Primitives
import Wire

/// A small model and a buffer of it with numbers of every kind: zeros, subnormals, infinities, NaN.
func sampleTensors(seed: UInt64 = 1, units: Int = 40) throws -> ParameterBuffer {
  let architecture = try Architecture(
    input: Shape(height: 20, width: 20, channels: 3),
    layers: [
      (nil, .convolution(Convolution(filters: 5))), (nil, .flatten),
      (nil, .dense(units: units, activation: .relu)),
      (nil, .dense(units: 1, activation: .sigmoid)),
    ])
  let tensors = ParameterBuffer(architecture.parameters)
  tensors.initialize(seed: seed)
  let special: [Float] = [0, -0.0, .leastNonzeroMagnitude, .infinity, -.infinity, .nan]
  for (index, value) in special.enumerated() { tensors.floats[index] = value }
  return tensors
}

let sampleDigest = Digest("0123456789abcdef0123456789abcdef")!

func coordinatorMessages(_ body: Body) -> [CoordinatorMessage] {
  [
    .welcome(
      Welcome(
        worker: 3, model: #"{"class_name": "Sequential"}"#, floats: 100_000, batchSize: 20,
        pictures: "exact nearest", manifest: #"{"a/b": "ü \" \\ 猫"}"#)),
    .weights(WeightsHeader(version: .init(update: 25), digest: sampleDigest), body),
    .work(
      AssignedWork(.gradient(step: 7, pictures: [0, 5, 1999]), weightsVersion: .init(update: 25))),
    .work(AssignedWork(.validation(batch: 0, pictures: []), weightsVersion: .init(update: 0))),
    .heartbeat,
    .refuse(reason: "the data differ"),
    .finished,
  ]
}

func workerMessages(_ body: Body) -> [WorkerMessage] {
  [
    .hello(
      Hello(
        version: "1.0", name: "node-1:4711", token: 1, threads: 2, kernels: "avx2")
    ),
    .ready(ProbeAnswer(pictures: .ofNothing, gradient: .ofNothing)),
    .gradient(
      GradientHeader(
        step: 3, weightsVersion: .init(update: 1), loss: 0.1 + 0.2, correct: 11, count: 20,
        digest: sampleDigest),
      body),
    .heartbeat,
    .evaluated(
      EvaluationHeader(
        batch: 2, weightsVersion: .init(update: 1), loss: .infinity, correct: 0, count: 20)),
    .evaluated(
      EvaluationHeader(
        batch: 2, weightsVersion: .init(update: 1), loss: .nan, correct: 0, count: 20)),
    .unable(reason: "no picture"),
    .leaving,
  ]
}

/// What a message says, to compare by: its cases, headers and the digest of its body.
func text(_ message: some WireMessage) -> String {
  switch message {
  case let message as CoordinatorMessage:
    if case .weights(let header, .frame(let frame)) = message {
      return "weights \(header) \(digest(frame))"
    }
  case let message as WorkerMessage:
    if case .gradient(let header, .frame(let frame)) = message {
      return "gradient \(header) \(digest(frame))"
    }
  default: break
  }
  return "\(message)"
}

private func digest(_ frame: ByteBuffer) -> Digest {
  frame.withUnsafeReadableBytes { Digest(of: $0) }
}

/// All frames of a message as they travel.
func bytes(_ message: some WireMessage, limits: Limits = .standard) throws -> ByteBuffer {
  var all = ByteBuffer()
  var outgoing = try OutgoingMessage(message, limits: limits)
  while let frame = outgoing.next() {
    all.writeImmutableBuffer(frame.head)
    if let piece = frame.piece { all.writeImmutableBuffer(piece) }
  }
  return all
}

/// The checksum of a frame's head or payload.
private func checksum(_ bytes: [UInt8]) -> UInt32 {
  UInt32(truncatingIfNeeded: bytes.withUnsafeBytes(Digest.init(of:)).low)
}

/// A frame by hand, with its checksum where its kind has one.
func frame(kind: UInt8, _ payload: [UInt8] = [], length: UInt32? = nil) -> ByteBuffer {
  let hasChecksum = kind < 33
  var buffer = ByteBuffer(integer: length ?? UInt32(payload.count + (hasChecksum ? 4 : 0)))
  buffer.writeInteger(kind)
  buffer.writeInteger(checksum(Array(buffer.readableBytesView)))
  buffer.writeBytes(payload)
  if hasChecksum { buffer.writeInteger(checksum(payload)) }
  return buffer
}

/// What decodes from `buffer`, given in parts of `step` bytes, and the error that ended it.
func decode<M: WireMessage>(
  _ buffer: ByteBuffer, as type: M.Type, stage: FrameDecoder<M>.Stage = .open,
  limits: Limits = .standard, floats: Int? = 1 << 20, step: Int = .max
) -> (texts: [String], error: WireError?) {
  var texts: [String] = []
  var reader = FrameReader(FrameDecoder<M>(limits: limits, floats: floats, stage: stage))
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
