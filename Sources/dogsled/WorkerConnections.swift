import ArgumentParser
import Foundation
import Network
import Primitives
import Synchronization
import Training
import Wire

/// A worker's connections to its coordinator, one after another until the run is over.
struct WorkerConnections {
  /// Whom it connects to, asked before each attempt.
  private let coordinator: () throws -> CoordinatorChoice
  /// Whether there is but one connection, to be made within 10 seconds.
  private let once: Bool

  init(_ coordinator: CoordinatorChoice, once: Bool) { self.init(once: once) { coordinator } }

  init(once: Bool, _ coordinator: @escaping () throws -> CoordinatorChoice) {
    (self.coordinator, self.once) = (coordinator, once)
  }

  /// Has `worker` serve until the run is over, or a signal comes.
  /// - Throws: `Failure` or `ExitCode` for every other ending.
  func serve(with worker: WorkerHost) throws {
    let signal = WorkerSignal()
    try Signals.onInterrupt(ignoringAllButSIGTERM: ParentWatch.isLaunched) { signal.interrupt() }
    switch work(worker, signal) {
    case .finished: log("the run is over")
    case .refused(let reason): throw Failure(reason)
    case .disconnected(let reason), .cutShort(let reason):
      throw Failure(reason, status: .tryAgain)
    case .interrupted: throw ExitCode.interrupted
    }
  }

  /// Serves one connection after another until the run is over.
  private func work(_ worker: WorkerHost, _ signal: WorkerSignal) -> WorkerEnding {
    var pause = ReconnectPause()
    let start = ContinuousClock.now
    while true {
      let mailbox = Mailbox<WorkerInput>()
      do {
        let client = try connect(mailbox)
        signal.use(mailbox)
        defer { signal.use(nil) }
        pause.began()
        let ending = worker.run(mailbox: mailbox, link: client)
        client.waitUntilClosed()
        guard case .disconnected(let reason) = ending, !once else { return ending }
        log("\(reason); trying again")
      } catch let error as ThreadError {
        return .cutShort("\(error)")
      } catch let error as NetworkError where error.isWrongPeer {
        return .refused("\(error)")
      } catch let failure as Failure {
        return .refused(failure.description)
      } catch {
        if once, .now - start > .seconds(10) { return .disconnected("\(error)") }
        if pause.isFirst { log("\(error); trying again until there is one") }
      }
      pause.wait()
    }
  }
}

extension WorkerConnections {
  /// Connects to the first of the coordinator's addresses that will do.
  /// - Throws: `NetworkError` of the first address; that it is not the coordinator's, where none
  ///   can be the coordinator's.
  private func connect(_ mailbox: Mailbox<WorkerInput>) throws -> WorkerClient {
    let coordinator = try coordinator()
    var limits = Limits.standard
    // An address that leads nowhere must not keep the others waiting.
    if coordinator.endpoints.count > 1 { limits.connectTimeout = 2 }
    var errors: [NetworkError] = []
    for endpoint in coordinator.endpoints {
      do {
        let client = try WorkerClient(
          host: endpoint.host, port: endpoint.port, lock: coordinator.lock, limits: limits,
          // It ends with the coordinator that launched it, however long that is stopped.
          waitsForEver: ParentWatch.isLaunched, mailbox: mailbox)
        log("connected to \(endpoint)")
        return client
      } catch let error as NetworkError {
        errors.append(error)
      }
    }
    throw errors.first { !$0.isWrongPeer } ?? errors.first
      ?? NetworkError("the token names no address")
  }
}

extension Endpoint {
  /// - Throws: `ValidationError` where no worker can reach a coordinator there.
  func checkIsACoordinator() throws {
    guard port > 0 else {
      throw ValidationError("\(self): a coordinator's port is from 1 to 65535")
    }
    let isUnspecified = InternetAddress.resolve(host, AI_NUMERICHOST).contains(
      where: \.isUnspecified)
    guard host != "*", !isUnspecified else {
      throw ValidationError(
        "\(self): a coordinator listens there on all its addresses, and a worker needs one "
          + "of them; the coordinator's first lines have them")
    }
  }
}

/// Pauses between attempts to connect: from 0.1 s, growing to 0.5 s, each up to half longer or
/// shorter, so that many workers do not come at once.
private struct ReconnectPause {
  private var seconds = 0.1
  private var connected: ContinuousClock.Instant?
  /// Whether there has been no pause since the start or the last good connection.
  private(set) var isFirst = true

  /// A connection is there.
  mutating func began() { connected = .now }

  mutating func wait() {
    if let connected, .now - connected > .seconds(1) { seconds = 0.1 }
    isFirst = connected != nil
    connected = nil
    Thread.sleep(forTimeInterval: seconds * .random(in: 0.5...1.5))
    seconds = min(0.5, seconds * 1.5)
  }
}

/// Where a worker's signal goes: into the mailbox of its present connection.
///
/// Without one it ends the process at once: looking up a name, connecting and pausing take their
/// time, and nobody waits for this worker.
private final class WorkerSignal: Sendable {
  private let state = Mutex<(isInterrupted: Bool, mailbox: Mailbox<WorkerInput>?)>((false, nil))

  /// Sends a signal to `mailbox` from now on, also one that came just before.
  func use(_ mailbox: Mailbox<WorkerInput>?) {
    state.withLock {
      $0.mailbox = mailbox
      if $0.isInterrupted { Self.interrupt(mailbox) }
    }
  }

  func interrupt() {
    state.withLock {
      $0.isInterrupted = true
      Self.interrupt($0.mailbox)
    }
  }

  private static func interrupt(_ mailbox: Mailbox<WorkerInput>?) {
    guard let mailbox else { _exit(ExitCode.interrupted.rawValue) }
    mailbox.put(.interrupted)
  }
}
