import Foundation
import TestSupport
import Testing

/// Processes that know of each other what a batch system says.
@Suite(.serialized) struct AutoCommandTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try DrawnPictures.write(to: folder.path + "/data", train: 20, validation: 4, test: 1)
  }

  private static let options = [
    "--input-size", "80x80", "--epochs", "1", "--steps-per-epoch", "6", "--seed", "3",
    "--batch-size", "8", "--threads", "1",
  ]
  /// What no process gets from whoever runs the tests.
  private static let unset = [
    "SLURM_STEP_ID", "SLURM_PROCID", "RANK", "MASTER_ADDR", "OMPI_COMM_WORLD_RANK", "PMI_RANK",
    "JOB_COMPLETION_INDEX", "DOGSLED_TOKEN",
  ]

  private func start(
    _ arguments: [String], _ variables: [String: String]
  ) throws -> Process {
    let process = Process()
    process.executableURL = Bundle.main.bundleURL.appendingPathComponent("dogsled")
    process.arguments = ["auto"] + arguments + Self.options
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    process.environment = ProcessInfo.processInfo.environment
      .filter { !Self.unset.contains($0.key) }.merging(variables) { $1 }
    (process.standardOutput, process.standardError) = (Pipe(), Pipe())
    try process.run()
    return process
  }

  private func alone() throws -> String {
    let result = try Command(
      ["train", "data", "--batches-per-update", "2", "--scale-rate", "linear", "--run", "alone"]
        + Self.options, in: folder)
    #expect(result.status == 0, "\(result.errors)")
    return try Command("digest", "alone", in: folder).output
  }

  /// Workers first: they wait for the coordinator's token.
  private func expectOneDigest(
    _ run: String, coordinator: [String] = [], worker: [String] = [],
    token: String? = nil, _ variables: (Int) -> [String: String]
  ) throws {
    let expected = try alone()
    let workers = try [1, 2].map { rank in
      try start(
        ["data"] + worker,
        variables(rank).merging(token.map { ["DOGSLED_TOKEN": $0] } ?? [:]) { $1 })
    }
    defer { for worker in workers where worker.isRunning { worker.terminate() } }
    let first = try Command(
      waitingFor: try start(["data", "--run", run] + coordinator, variables(0)))
    #expect(first.status == 0, "\(first.errors)")
    for worker in workers {
      let result = try Command(waitingFor: worker)
      #expect(result.status == 0 && result.errors.contains("is a worker"), "\(result.errors)")
    }
    #expect(try Command("digest", run, in: folder).output == expected)
  }

  @Test func mpirunsProcessesMeetInTheRunsFolder() throws {
    try expectOneDigest("ompi", worker: ["--run", "ompi"]) {
      ["OMPI_COMM_WORLD_RANK": "\($0)", "OMPI_COMM_WORLD_SIZE": "3"]
    }
  }

  @Test func srunsProcessesShareAKey() throws {
    #expect(try Command("key", "lab.key", in: folder).status == 0)
    let job = Int.random(in: 0..<12000)
    try expectOneDigest("srun", coordinator: ["--key", "lab.key"], worker: ["--key", "lab.key"]) {
      [
        "SLURM_STEP_ID": "0", "SLURM_PROCID": "\($0)", "SLURM_NTASKS": "3",
        "SLURM_JOB_ID": "\(job)", "SLURM_JOB_NODELIST": "127.0.0.1",
      ]
    }
  }

  @Test func torchrunsProcessesKnowTheMastersAddress() throws {
    #expect(try Command("key", "lab.key", in: folder).status == 0)
    let port = Int.random(in: 20000...31000)
    try expectOneDigest("torch", coordinator: ["--key", "lab.key"], worker: ["--key", "lab.key"]) {
      [
        "RANK": "\($0)", "WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "\(port)",
      ]
    }
  }

  @Test func anIndexedJobsWorkersHaveTheTokenInTheirEnvironment() throws {
    #expect(try Command("key", "lab.key", in: folder).status == 0)
    let port = Int.random(in: 20000...31000)
    let token = try Command("key", "lab.key", "--token", "127.0.0.1:\(port)", in: folder).output
    try expectOneDigest(
      "job", coordinator: ["--key", "lab.key", "--workers", "2", "--listen", "*:\(port)"],
      worker: ["--workers", "2"], token: token
    ) { ["JOB_COMPLETION_INDEX": "\($0)"] }
  }

  @Test(
    "what is missing is said in one line",
    arguments: [
      ([], [:], "nothing here started several processes"),
      ([], ["PMI_RANK": "0", "PMI_SIZE": "3"], "no secret in common"),
      (["--run", "r"], ["PMI_RANK": "0", "PMI_SIZE": "1"], "started one process"),
      (["--run", "r"], ["JOB_COMPLETION_INDEX": "0"], "give --workers"),
      (
        ["--run", "r"], ["PMI_RANK": "0", "PMI_SIZE": "2", "DOGSLED_TOKEN": "x"],
        "process 0 needs --key"
      ),
      (
        ["--key", "none.key"], ["PMI_RANK": "1", "PMI_SIZE": "2"], "does not say where process 0 is"
      ),
      (["--run", "r"], ["PMI_RANK": "1", "PMI_SIZE": "300"], "there may be 256"),
    ] as [([String], [String: String], String)])
  func missing(options: [String], variables: [String: String], says: String) throws {
    let result = try Command(waitingFor: try start(["data"] + options, variables))
    #expect(result.status == 1 || result.status == 2)
    #expect(result.errorLines.filter { $0.hasPrefix("dogsled: ") }.count == 1)
    #expect(result.errorLines.last?.contains(says) == true, "\(result.errors)")
  }
}
