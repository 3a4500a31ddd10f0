// Peers that are no workers and find the port.

import Engine
import Primitives
import Wire

extension World {
  /// A peer connects, or some do, and each says what `intrusion` says; it hears no answers, and
  /// beats until it is closed.
  func intrude(_ intrusion: Scenario.Intrusion) {
    guard canConnect else { return }
    for _ in 0..<intrusion.count {
      let number = 1000 + connections.count
      let connection = SimulatedConnection(self, worker: SimulatedWorker(number), host: "intruders")
      connection.isMute = true
      if intrusion.isDeaf { connection.disturb() }
      connection.atWorker.isDeaf = intrusion.isDeaf
      open(connection)
      for message in words(of: intrusion, number) { connection.atWorker.send(message) }
    }
  }

  private func words(of intrusion: Scenario.Intrusion, _ number: Int) -> [WorkerMessage] {
    let schedule = job.job.schedule
    let hello = WorkerMessage.hello(
      Hello(
        version: dogsledVersion, name: "intruder:\(number)", process: UInt64(number), threads: 1,
        kernels: "baseline"))
    switch intrusion {
    case .nothing: return []
    case .hello: return [hello]
    case .readyAndDeaf: return [hello, .ready(.none)]
    case .gradients: return [hello] + gradients(rollback: 0)
    case .totals:
      let totals = (0..<schedule.validationBatches).map {
        WorkerMessage.evaluated(
          EvaluationHeader(
            batch: $0, weightsVersion: WeightsVersion(update: schedule.updatesPerEpoch), loss: 1,
            correct: 1, count: 2))
      }
      return [hello] + totals
    case .earlyGradients: return [hello, .ready(.none)] + gradients(rollback: 1 << 10)
    case .lateGradients: return [hello, .ready(.none)] + gradients(rollback: -1 << 10)
    case .readyTwice: return [hello, .ready(.none), .ready(.none)]
    }
  }

  /// A gradient of each step, all zeros, computed with weights after so many rollbacks.
  private func gradients(rollback: Int) -> [WorkerMessage] {
    let zeros = ParameterBuffer(job.job.gradients.buffer)
    let places = job.job.gradients.parts(most: Self.limits.partFloats)
    let schedule = job.job.schedule
    return (0..<schedule.updates).flatMap { update in
      let version = WeightsVersion(rollback: rollback, update: update)
      return schedule.steps(ofUpdate: update).flatMap { step in
        let parts = places.map { place in
          Part(
            .gradient(step: step), version: version, index: place.index,
            floats: UnsafeBufferPointer(rebasing: zeros.buffer[place.floats]), bytesPerSecond: nil)
        }
        let header = GradientHeader(
          step: step, weightsVersion: version, totals: [.init(loss: 1, correct: 1, count: 2)],
          digest: Digest(of: parts.map(\.digest)))
        return parts.map(WorkerMessage.part) + [.gradient(header, nil)]
      }
    }
  }
}
