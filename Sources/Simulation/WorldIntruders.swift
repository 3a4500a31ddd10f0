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
    case .gradients: return try gradients { $0 }
    case .totals:
      return (0..<schedule.validationBatches).map {
        .evaluated(
          EvaluationHeader(
            batch: $0, weightsVersion: schedule.updatesPerEpoch, loss: 1, correct: 1, count: 2))
      }
    case .earlyGradients: return [.ready(.none)] + (try gradients { $0 + 1 << 50 })
    case .lateGradients: return [.ready(.none)] + (try gradients { $0 - 1 << 50 })
    case .readyTwice: return [.ready(.none), .ready(.none)]
    }
  }

  /// A gradient of each step, all zeros; `version` says with which weights after so many updates.
  private func gradients(_ version: (_ updates: Int) -> Int) throws -> [WorkerMessage] {
    let zeros = ParameterBuffer(job.job.gradients.buffer)
    let body = try TensorCoding.encode(zeros)
    let schedule = job.job.schedule
    return (0..<schedule.updates).flatMap { update in
      schedule.steps(ofUpdate: update).map { step in
        let header = GradientHeader(
          step: step, weightsVersion: version(update), loss: 1, correct: 1, count: 2,
          digest: zeros.digest)
        return .gradient(header, body)
      }
    }
  }
}
