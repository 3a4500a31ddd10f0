import Coordination
import Engine
import Primitives
import Runs
import Testing
import Training
import Wire

/// What the coordinator's host does by itself, between the rules' decisions.
@Suite struct CoordinatorHostTests {
  /// Decoding takes time and memory: nobody may cause it who was not asked.
  @Test(arguments: [true, false])
  func `A gradient that nobody asked for is not decoded`(saysReady: Bool) throws {
    let run = try TinyRun()
    let mailbox = Mailbox<CoordinatorInput>()
    let host = try CoordinatorHost(
      run.job, options: .init(kernels: .baseline), store: run.makeFolder("run"), mailbox: mailbox,
      links: InMemoryLinks(coordinator: mailbox), report: { _ in })
    host.begin()
    let peer = PeerID(raw: 7)
    let hello = Hello(version: dogsledVersion, name: "w", token: 1, threads: 1, kernels: "baseline")
    host.step(.opened(peer, address: "host:7"))
    host.step(.message(peer, .hello(hello)))
    if saysReady {
      host.step(.message(peer, .ready(.init(pictures: .ofNothing, gradient: hello.digest))))
    }
    let gradient = ParameterBuffer(run.job.gradients.buffer)
    let parts = gradient.parts(run.job.gradients, step: 3, version: .init(update: 9))
    for step in 0..<100 {
      for part in parts { host.step(.message(peer, .part(part))) }
      let header = GradientHeader(
        step: step, weightsVersion: .init(update: 9), loss: 1, correct: 1, count: 4,
        digest: gradient.digest)
      host.step(.message(peer, .gradient(header, nil)))
    }
    #expect(host.gradientBuffers == 0)
  }
}

extension Hello {
  /// Something that no probe has as its answer.
  fileprivate var digest: Digest { withUnsafeBytes(of: token) { Digest(of: $0) } }
}
