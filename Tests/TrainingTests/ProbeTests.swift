import Engine
import Runs
import Testing
import Training

@Suite struct ProbeTests {
  private func architecture(_ filters: Int = 16) throws -> Architecture {
    try Architecture(
      input: Shape(height: 30, width: 34, channels: 3),
      layers: [
        (nil, .convolution(Convolution(filters: filters))), (nil, .maxPooling(size: 2)),
        (nil, .flatten), (nil, .dense(units: 1, activation: .sigmoid)),
      ])
  }

  @Test func `One answer for every instruction set and number of threads`() throws {
    var values = Hyperparameters()
    for batch in [1, 6] {
      values.batchSize = batch
      let answers = try KernelSet.available.flatMap { kernels in
        try [1, 3].map {
          try Probe(try architecture(), values, threads: $0, kernels: kernels).answer
        }
      }
      #expect(Set(answers).count == 1)
      #expect(answers[0] != .none)
    }
  }

  @Test func `Another decoder and another network show`() throws {
    var values = Hyperparameters()
    let own = try Probe(try architecture(), values, threads: 1, kernels: .baseline).answer
    let other = try Probe(try architecture(32), values, threads: 1, kernels: .baseline).answer
    #expect(other.pictures == own.pictures && other.gradient != own.gradient)
    values.decode = .fast
    let fast = try Probe(try architecture(), values, threads: 1, kernels: .baseline).answer
    #expect(fast.pictures != own.pictures && fast.gradient != own.gradient)
  }
}
