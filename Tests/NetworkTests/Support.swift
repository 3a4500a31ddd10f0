// What the tests of Network share.

import Coordination
import Engine
import Foundation
import Logging
import NIOCore
import Network
import Primitives
import Synchronization
import Testing
import Training
import Wire

/// All tests of Network, one after the other: they measure time.
@Suite("Network", .serialized)
struct NetworkTests {}

let hello = Hello(
  version: "1", name: "here:1", process: 1, threads: 1, kernels: "baseline")
let welcome = Welcome(
  worker: 0, model: "{}", floats: 4_000_000, optimizer: RMSprop(), batchSize: 20,
  batchesPerUpdate: 1, pictures: "exact nearest",
  augmentation: "", seed: 1, manifest: "{}")

/// Numbers of so many bytes, as they travel where bytes cost nothing.
func parts(_ content: Part.Content, _ byteCount: Int) -> [Part] {
  let floats = (0..<byteCount / 4).map { Float($0 % 1000) }
  let most = Limits.standard.partFloats
  return stride(from: 0, to: floats.count, by: most).map { first in
    floats[first..<min(first + most, floats.count)].withUnsafeBufferPointer {
      Part(
        content, version: .init(update: 1), index: first / most, floats: $0,
        bytesPerSecond: .infinity)
    }
  }
}

/// What comes beside the floats of so many bytes: a head and a checksum a part, and headers.
func overhead(_ byteCount: Int) -> Range<Int> {
  let parts = (byteCount / 4 + (1 << 14) - 1) >> 14
  return byteCount + 47 * parts..<byteCount + 47 * parts + 2000
}

/// Weights of so many bytes, their parts last.
func weights(_ byteCount: Int) -> [CoordinatorMessage] {
  let parts = parts(.state(buffer: 0), byteCount)
  let header = WeightsHeader(version: .init(update: 1), digest: Digest(of: parts.map(\.digest)))
  return [.weights(header, nil)] + parts.map { .part($0) }
}

/// A gradient of so many bytes, its parts first.
func gradient(step: Int, _ byteCount: Int) -> [WorkerMessage] {
  let parts = parts(.gradient(step: step), byteCount)
  let header = GradientHeader(
    step: step, weightsVersion: .init(update: 1), totals: [.init(loss: 1, correct: 1, count: 1)],
    digest: Digest(of: parts.map(\.digest)))
  return parts.map { .part($0) } + [.gradient(header, nil)]
}

extension CoordinatorServer {
  func send(_ messages: [CoordinatorMessage], to peer: PeerID) {
    for message in messages { send(message, to: [peer]) }
  }
}

extension WorkerClient {
  func send(_ messages: [WorkerMessage]) { for message in messages { send(message) } }
}

extension [Part] {
  /// Whether they are those of a header with this digest, and can be decoded.
  func are(_ digest: Digest, bytes: Int) throws -> Bool {
    var left = bytes / 4
    for part in self {
      var floats = [Float](repeating: 0, count: Swift.min(left, Limits.standard.partFloats))
      try floats.withUnsafeMutableBufferPointer { try part.decode(into: $0) }
      left -= floats.count
    }
    return left == 0 && Digest(of: map(\.digest)) == digest
  }
}

/// Limits for impatient tests.
func limits(
  heartbeat: Double = 0.05, bound: Double = 0.4, hello: Double = 0.3
) -> Limits {
  var limits = Limits.standard
  limits.heartbeat = heartbeat
  limits.heartbeatBound = bound
  limits.helloTimeout = hello
  return limits
}

/// Keeps what is logged.
final class LogLines: LogHandler, Sendable {
  let lines = Mutex<[String]>([])
  var logLevel: Logger.Level {
    get { .info }
    set {}
  }
  var metadata: Logger.Metadata {
    get { [:] }
    set {}
  }
  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { nil }
    set {}
  }

  func log(event: LogEvent) { lines.withLock { $0.append("\(event.message)") } }

  /// The first line with `fragment`, waited for.
  func line(with fragment: String) -> String? {
    for _ in 0..<500 {
      if let line = lines.withLock({ $0.first { $0.contains(fragment) } }) { return line }
      Thread.sleep(forTimeInterval: 0.01)
    }
    return nil
  }
}

/// A server on a free port, with its mailbox and its log.
struct TestServer {
  let server: CoordinatorServer
  let mailbox = Mailbox<CoordinatorInput>()
  let log = LogLines()

  init(_ limits: Limits = .standard, lock: ServerLock = .open) throws {
    let log = log
    server = try CoordinatorServer(
      host: "127.0.0.1", port: 0, lock: lock, limits: limits, mailbox: mailbox,
      logger: Logger(label: "test") { _ in log })
  }

  func connect(
    _ limits: Limits = .standard, lock: ClientLock = .open
  ) throws -> (WorkerClient, Mailbox<WorkerInput>) {
    let mailbox = Mailbox<WorkerInput>()
    let client = try WorkerClient(
      host: "127.0.0.1", port: server.port, lock: lock, limits: limits, mailbox: mailbox)
    return (client, mailbox)
  }

  /// A connected worker that said hello.
  func join(
    _ limits: Limits = .standard, lock: ClientLock = .open
  ) throws -> (peer: PeerID, WorkerClient, Mailbox<WorkerInput>) {
    let (client, inputs) = try connect(limits, lock: lock)
    client.send(.hello(hello))
    return (try nextOpened(), client, inputs)
  }

  /// A connected worker that said that it is ready.
  func joinReady() throws -> (peer: PeerID, WorkerClient, Mailbox<WorkerInput>) {
    let (peer, client, inputs) = try join()
    client.send(.ready(.none))
    guard case .message(peer, .ready)? = next() else { throw NetworkError("it is not ready") }
    return (peer, client, inputs)
  }

  /// The peer of the next `opened` and its hello.
  func nextOpened() throws -> PeerID {
    guard case .opened(let peer, let address)? = next(), address.hasPrefix("127.0.0.1:"),
      case .message(peer, .hello(hello))? = next()
    else { throw NetworkError("no hello came") }
    return peer
  }

  /// The next gradient of each of so many, with its parts; nil where something else comes.
  func nextGradients(_ count: Int) -> [(peer: PeerID, header: GradientHeader, parts: [Part])]? {
    var gradients: [(peer: PeerID, header: GradientHeader, parts: [Part])] = []
    var parts: [PeerID: [Part]] = [:]
    while gradients.count < count {
      switch next() {
      case .message(let peer, .part(let part)): parts[peer, default: []].append(part)
      case .message(let peer, .gradient(let header, nil)):
        gradients.append((peer, header, parts.removeValue(forKey: peer) ?? []))
      default: return nil
      }
    }
    return parts.isEmpty ? gradients : nil
  }

  /// What happens next, but for workers that say where they listen.
  func next(_ seconds: Double = 10) -> CoordinatorInput? {
    while let input = mailbox.next(timeout: .seconds(seconds)) {
      if case .message(_, .listens) = input { continue }
      return input
    }
    return nil
  }

  /// Why the next peer that goes is gone.
  func nextClosed() -> String? {
    while let input = next() {
      if case .closed(_, let reason) = input { return reason }
    }
    return nil
  }
}

extension Mailbox<WorkerInput> {
  /// Weights that come next, their parts, and what overtakes some of those; nil where there are
  /// none, or not all.
  func weights(
    _ byteCount: Int
  ) throws -> (header: WeightsHeader, overtaking: [CoordinatorMessage])? {
    guard case .message(.weights(let header, nil))? = soon() else { return nil }
    var parts: [Part] = []
    var overtaking: [CoordinatorMessage] = []
    while parts.count << 16 < byteCount {
      guard case .message(let message)? = soon() else { return nil }
      if case .part(let part) = message { parts.append(part) } else { overtaking.append(message) }
    }
    return try parts.are(header.digest, bytes: byteCount) ? (header, overtaking) : nil
  }
}

extension Mailbox {
  /// The next input within some seconds.
  func soon() -> Item? { next(timeout: .seconds(10)) }
}
