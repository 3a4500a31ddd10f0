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
  version: "1", name: "here:1", token: 1, threads: 1, kernels: "baseline")
let welcome = Welcome(
  worker: 0, model: "{}", floats: 4_000_000, batchSize: 20, pictures: "exact nearest",
  manifest: "{}")

func weights(_ byteCount: Int, fill: UInt8 = 7) -> CoordinatorMessage {
  let frame = ByteBuffer(repeating: fill, count: byteCount)
  return .weights(WeightsHeader(version: .init(update: 1), digest: digest(frame)), .frame(frame))
}

func gradient(step: Int, _ byteCount: Int) -> WorkerMessage {
  let frame = ByteBuffer(repeating: UInt8(truncatingIfNeeded: step), count: byteCount)
  return .gradient(
    GradientHeader(
      step: step, weightsVersion: .init(update: 1), loss: 1, correct: 1, count: 1,
      digest: digest(frame)),
    .frame(frame))
}

func digest(_ frame: ByteBuffer) -> Digest { frame.withUnsafeReadableBytes { Digest(of: $0) } }

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

  init(_ limits: Limits = .standard) throws {
    let log = log
    server = try CoordinatorServer(
      host: "127.0.0.1", port: 0, floats: 4_000_000, limits: limits, mailbox: mailbox,
      logger: Logger(label: "test") { _ in log })
  }

  func connect(_ limits: Limits = .standard) throws -> (WorkerClient, Mailbox<WorkerInput>) {
    let mailbox = Mailbox<WorkerInput>()
    let client = try WorkerClient(
      host: "127.0.0.1", port: server.port, limits: limits, mailbox: mailbox)
    return (client, mailbox)
  }

  /// A connected worker that said hello.
  func join(
    _ limits: Limits = .standard
  ) throws -> (peer: PeerID, WorkerClient, Mailbox<WorkerInput>) {
    let (client, inputs) = try connect(limits)
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

  func next(_ seconds: Double = 10) -> CoordinatorInput? {
    mailbox.next(timeout: .seconds(seconds))
  }

  /// Why the next peer that goes is gone.
  func nextClosed() -> String? {
    while let input = next() {
      if case .closed(_, let reason) = input { return reason }
    }
    return nil
  }
}

extension Mailbox {
  /// The next input within some seconds.
  func soon() -> Item? { next(timeout: .seconds(10)) }
}
