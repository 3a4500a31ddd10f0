import Primitives
import Training

/// What goes wrong in a simulated run, and when: a function of a seed.
public struct Scenario: Sendable, CustomStringConvertible {
  /// Something that goes wrong once.
  enum Fault: Sendable {
    /// The process ends at once; a supervisor starts it again.
    case killWorker(Int)
    /// It stands still, as after SIGSTOP, and goes on later.
    case hangWorker(Int, for: Duration)
    /// From now on it takes so many times as long.
    case slowWorker(Int, by: Double)
    /// One bit of its next gradient is wrong.
    case miscompute(Int)
    /// One float of its next gradient is no number.
    case loseNumber(Int)
    /// One bit of its weights is wrong after the next update that it makes.
    case stray(Int)
    /// The totals that it says next are not what it computed.
    case lie(Int)
    /// Its connection lives, but brings no answers any more.
    case mute(Int)
    /// A peer that is no worker connects, and says what it has no business to.
    case intrude(Intrusion)
    /// SIGTERM: it takes its leave, and comes again.
    case leave(Int)
    /// One more worker.
    case join
    /// The connection breaks, in the middle of whatever is on its way.
    case cut(Int)
    /// The connection lets nothing through any more, either way.
    case silence(Int)
    /// The next bytes on a worker's connection are damaged.
    case damage(Int, toCoordinator: Bool, Damage)
    /// Something happens to the link by which a worker hands on parts of updates.
    case breakLink(Int, LinkFault)
    /// The coordinator's process ends after so many more things that it does: messages sent,
    /// connections closed, files written.
    case killCoordinator(after: Int)
    /// SIGTERM to the coordinator; it is started again.
    case interruptCoordinator
    /// The coordinator alone stands still, as after Control-Z or on a laptop that sleeps: workers
    /// on other machines lose it.
    case hangCoordinator(for: Duration)
    /// Nothing moves for a while, as where a virtual machine that holds all is stopped: clocks go
    /// on.
    case clockJump(Duration)
    /// Nothing can be written for a while.
    case diskFull(for: Duration)

    var losesNumber: Bool { if case .loseNumber = self { true } else { false } }

    var mutes: Bool { if case .mute = self { true } else { false } }

    /// A hang of the coordinator counts as the longest answer, as a jump of the clocks does, and
    /// more than a jump alone would be too much where a worker is mute.
    mutating func shortenHang() {
      if case .hangCoordinator(let duration) = self {
        self = .hangCoordinator(for: min(duration, .seconds(9)))
      }
    }
  }

  /// What a peer says that is no worker.
  enum Intrusion: Sendable, CaseIterable {
    /// Gradients of all steps, each with the version of weights that it is computed with.
    case gradients
    /// The totals of all validation batches.
    case totals
    /// That it is ready, and then gradients with weights that are still to come.
    case earlyGradients
    /// That it is ready, and then gradients with weights that are long gone.
    case lateGradients
    /// That it is ready, twice.
    case readyTwice
    /// Nothing; some come at once.
    case nothing
    /// No more than hello; some come at once.
    case hello
    /// That it is ready, and it takes nothing that it is sent.
    case readyAndDeaf

    /// How many come.
    var count: Int {
      switch self {
      case .nothing, .hello: 4
      default: 1
      }
    }

    var isDeaf: Bool { if case .readyAndDeaf = self { true } else { false } }
  }

  /// What can happen to a link between two workers.
  enum LinkFault: Sendable {
    /// It breaks.
    case cut
    /// It lets nothing through any more.
    case silence
    /// The next bytes on it are damaged.
    case damage(Damage)
  }

  /// What a relay can do to some bytes.
  enum Damage: Sendable {
    case flipBit(Int)
    /// Some are lost, and the connection with them.
    case cutShort
    case repeated
    /// They change places with those that follow.
    case swapped
  }

  /// The seed of the latencies, durations and pauses too.
  public let seed: UInt64
  /// Workers at the start, and how many training waits for.
  let workers: Int
  let minimumWorkers: Int
  /// The longest that bytes are on their way.
  let latency: Duration
  /// How long a worker computes, about.
  let stepTime: Duration
  /// Updates between checkpoints; nil for those at each epoch's end alone.
  let checkpointEvery: Int?
  /// The fraction of steps that are verified.
  let verify: Double
  /// Whether a checkpoint is on the disk as soon as it is written, or some time later.
  let syncsAtOnce: Bool
  /// Bytes that a connection takes before its peer has taken those before.
  let window: Int
  /// Which of the jobs is trained.
  let job: Int
  /// How workers come to new weights.
  let weights: WeightsForm
  /// Whether workers hand parts of updates on.
  let chain: ChainForm
  /// Workers that no other one can connect to.
  let unreachable: Set<Int>
  var faults: [(time: Duration, fault: Fault)]

  /// The scenario of `seed`.
  public init(seed: UInt64) {
    var draws = Draws(seed: seed, 1)
    self.seed = seed
    workers = draws.int(1...4)
    minimumWorkers = draws.int(1...workers)
    latency = .microseconds([100, 2_000, 20_000, 200_000][draws.int(0...3)])
    stepTime = .milliseconds([2, 20, 100][draws.int(0...2)])
    checkpointEvery = draws.int(0...2) == 0 ? nil : draws.int(1...4)
    job = draws.int(0...SimulatedJob.batchesPerUpdate.count - 1)
    syncsAtOnce = draws.int(0...1) == 0
    let span = max(stepTime * 40, latency * 60)
    let count = draws.int(0...8)
    var faults: [(time: Duration, fault: Fault)] = []
    for _ in 0..<count {
      faults.append((span * draws.double(), Self.fault(&draws, workers: workers)))
    }
    // Errors are found where all is verified.
    verify = [0, 0, 0.5, 1][draws.int(0...3)]
    if verify == 1 {
      for _ in 0..<draws.int(0...3) {
        let worker = draws.int(0...workers - 1)
        faults.append(
          (span * draws.double(), draws.int(0...2) > 0 ? .miscompute(worker) : .lie(worker)))
      }
    }
    // Two machines that come to no number in the same step would confirm each other.
    let first = faults.firstIndex { $0.fault.losesNumber }
    faults = faults.enumerated().filter { !$1.fault.losesNumber || $0 == first }.map(\.element)
    if faults.contains(where: { $0.fault.mutes }) {
      for index in faults.indices { faults[index].fault.shortenHang() }
    }
    window = [200, 2_000, 1 << 20][draws.int(0...2)]
    weights = WeightsForm.allCases[draws.int(0...2)]
    chain = draws.int(0...3) == 0 ? .never : .always
    unreachable = draws.int(0...5) == 0 ? [draws.int(0...3)] : []
    if weights != .whole, chain == .always {
      for _ in 0..<draws.int(0...3) {
        faults.append((span * draws.double(), Self.linkFault(&draws, workers: workers)))
      }
    }
    self.faults = faults.sorted { $0.time < $1.time }
  }

  private static func linkFault(_ draws: inout Draws, workers: Int) -> Fault {
    let worker = draws.int(0...workers - 1)
    let fault: LinkFault =
      switch draws.int(0...3) {
      case 0: .cut
      case 1: .silence
      default: .damage(damage(&draws))
      }
    return .breakLink(worker, fault)
  }

  private static func damage(_ draws: inout Draws) -> Damage {
    switch draws.int(0...5) {
    case 0: .cutShort
    case 1: .repeated
    case 2: .swapped
    default: .flipBit(draws.int(0...1 << 20))
    }
  }

  private static func fault(_ draws: inout Draws, workers: Int) -> Fault {
    let worker = draws.int(0...workers - 1)
    switch draws.int(0...21) {
    case 0, 1, 2: return .killWorker(worker)
    case 3: return .hangWorker(worker, for: .milliseconds(draws.int(100...9000)))
    case 4: return .slowWorker(worker, by: Double(draws.int(3...40)))
    case 5: return .leave(worker)
    case 6: return .join
    case 7: return .cut(worker)
    case 8: return .silence(worker)
    case 9, 10, 11:
      let toCoordinator = draws.int(0...1) == 0
      return .damage(worker, toCoordinator: toCoordinator, damage(&draws))
    case 12, 13: return .killCoordinator(after: draws.int(0...12))
    case 14:
      // A jump counts as the longest answer, and twenty times the longest is waited for a mute
      // worker. That must end within the hour a run may take.
      return draws.int(0...1) == 0
        ? .interruptCoordinator : .clockJump(.seconds(draws.int(1...150)))
    // Of a worker that is alone nobody can take over what it does not answer.
    case 15: return workers > 1 ? .mute(worker) : .cut(worker)
    case 16: return .loseNumber(worker)
    case 17, 18:
      let all = Intrusion.allCases
      return .intrude(all[draws.int(0...all.count - 1)])
    case 19: return .diskFull(for: .milliseconds(draws.int(10...3000)))
    case 20: return .stray(worker)
    default:
      // Some are over before a worker takes the coordinator for lost.
      return .hangCoordinator(
        for: draws.int(0...1) == 0
          ? .milliseconds(draws.int(100...9000)) : .seconds(draws.int(10...900)))
    }
  }

  /// Whether a worker errs: only then may a run roll back.
  var hasErrors: Bool {
    faults.contains { fault in
      switch fault.fault {
      case .miscompute, .loseNumber, .lie: true
      default: false
      }
    }
  }

  /// One line for the run, and one for each fault.
  public var description: String {
    let head =
      "seed \(seed): \(workers) workers (\(minimumWorkers) to begin), latency \(latency), "
      + "step \(stepTime), window \(window) bytes, "
      + "checkpoint every \(checkpointEvery.map(String.init) ?? "epoch"), "
      + "\(SimulatedJob.batchesPerUpdate[job]) batches per update, \(verify) verified, "
      + "weights \(weights), chain \(chain)"
      + (unreachable.isEmpty ? "" : ", none reaches \(unreachable.sorted())")
    return ([head] + faults.map { "  \($0.time): \($0.fault)" }).joined(separator: "\n")
  }
}

/// Random numbers one after the other.
struct Draws {
  private let random: CounterRandom
  private var index: UInt64 = 0

  init(seed: UInt64, _ what: UInt64) {
    random = CounterRandom(seed: seed, purpose: .simulation, what)
  }

  /// Uniform, but for a bias below 2^-32.
  mutating func int(_ range: ClosedRange<Int>) -> Int {
    index += 1
    let span = UInt64(range.upperBound - range.lowerBound + 1)
    return range.lowerBound + Int(random.bits(index).multipliedFullWidth(by: span).high)
  }

  /// Uniform in [0, 1).
  mutating func double() -> Double {
    index += 1
    return random.double(index)
  }
}
