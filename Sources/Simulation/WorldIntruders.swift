// Peers that are no workers and find the port.

import Engine
import NIOCore
import Primitives
import Wire

extension World {
  /// A peer connects, says hello and what `intrusion` says; it does not wait for answers.
  func intrude(_ intrusion: Scenario.Intrusion) {
    guard coordinator != nil, !process.isDead else { return }
    let number = 1000 + connections.count
    let connection = SimulatedConnection(
      connections.count, worker: SimulatedWorker(number), coordinator: generation,
      floats: job.job.gradients.buffer.bufferCount)
    connection.isMute = true
    connections.append(connection)
    transmit(Preface.bytes, on: connection, toCoordinator: true)
    let hello = Hello(
      version: dogsledVersion, name: "intruder:\(number)", token: UInt64(number), threads: 1,
      kernels: "baseline")
    do {
      for message in [.hello(hello)] + (try words(of: intrusion)) {
        transmit(try SimulatedConnection.bytes(message), on: connection, toCoordinator: true)
      }
    } catch {
      violation = "a message cannot be encoded: \(error)"
    }
  }

  private func words(of intrusion: Scenario.Intrusion) throws -> [WorkerMessage] {
    let schedule = job.job.schedule
    switch intrusion {
    case .gradients: return try gradients(rollback: 0)
    case .totals:
      return (0..<schedule.validationBatches).map {
        .evaluated(
          EvaluationHeader(
            batch: $0, weightsVersion: WeightsVersion(update: schedule.updatesPerEpoch), loss: 1,
            correct: 1, count: 2))
      }
    case .earlyGradients: return [.ready(.none)] + (try gradients(rollback: 1 << 10))
    case .lateGradients: return [.ready(.none)] + (try gradients(rollback: -1 << 10))
    case .readyTwice: return [.ready(.none), .ready(.none)]
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
