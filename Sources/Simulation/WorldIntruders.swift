// Peers that are no workers and find the port.

import Engine
import Primitives
import Wire

extension World {
  /// A peer connects, or some do, and each says what `intrusion` says; it hears no answers, and
  /// beats until it is closed.
  func intrude(_ intrusion: Scenario.Intrusion) {
    guard canConnect else { return }
    do {
      for _ in 0..<intrusion.count {
        let number = 1000 + connections.count
        let connection = SimulatedConnection(
          self, worker: SimulatedWorker(number), host: "intruders")
        connection.isMute = true
        if intrusion.isDeaf { connection.disturb() }
        connection.atWorker.isDeaf = intrusion.isDeaf
        open(connection)
        for message in try words(of: intrusion, number) { connection.atWorker.send(message) }
      }
    } catch {
      violation = "a message cannot be encoded: \(error)"
    }
  }

  private func words(of intrusion: Scenario.Intrusion, _ number: Int) throws -> [WorkerMessage] {
    let schedule = job.job.schedule
    let hello = WorkerMessage.hello(
      Hello(
        version: dogsledVersion, name: "intruder:\(number)", token: UInt64(number), threads: 1,
        kernels: "baseline"))
    switch intrusion {
    case .nothing: return []
    case .hello: return [hello]
    case .readyAndDeaf: return [hello, .ready(.none)]
    case .gradients: return [hello] + (try gradients(rollback: 0))
    case .totals:
      let totals = (0..<schedule.validationBatches).map {
        WorkerMessage.evaluated(
          EvaluationHeader(
            batch: $0, weightsVersion: WeightsVersion(update: schedule.updatesPerEpoch), loss: 1,
            correct: 1, count: 2))
      }
      return [hello] + totals
    case .earlyGradients: return [hello, .ready(.none)] + (try gradients(rollback: 1 << 10))
    case .lateGradients: return [hello, .ready(.none)] + (try gradients(rollback: -1 << 10))
    case .readyTwice: return [hello, .ready(.none), .ready(.none)]
    }
  }

  /// A gradient of each step, all zeros, computed with weights after so many rollbacks.
  private func gradients(rollback: Int) throws -> [WorkerMessage] {
    let zeros = ParameterBuffer(job.job.gradients.buffer)
    let body = try TensorCoding.encode(zeros)
    let schedule = job.job.schedule
    return (0..<schedule.updates).flatMap { update in
      let version = WeightsVersion(rollback: rollback, update: update)
      return schedule.steps(ofUpdate: update).map { step in
        let header = GradientHeader(
          step: step, weightsVersion: version, loss: 1, correct: 1, count: 2,
          digest: zeros.digest)
        return WorkerMessage.gradient(header, body)
      }
    }
  }
}
