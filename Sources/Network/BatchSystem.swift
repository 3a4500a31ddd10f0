import Foundation

/// What a batch system says to one of the processes that it started together.
public struct BatchSystem: Sendable, Equatable {
  /// What it is called in messages.
  public let name: String
  /// This process's number, from 0.
  public let rank: Int
  /// How many there are; nil where it does not say.
  public let count: Int?
  /// The machine of process 0; nil where it does not say.
  public let host: String?
  /// A port that other jobs on that machine do not use; 0 for any.
  public let port: Int

  /// Finds the one that started this process.
  /// - Throws: `NetworkError` where there is none, or what it says makes no sense.
  public init(
    _ variables: [String: String] = ProcessInfo.processInfo.environment
  ) throws {
    func wrong(_ line: String) -> NetworkError { NetworkError(line, isWrongUsage: true) }
    func number(_ name: String, from least: Int = 0) throws -> Int? {
      guard let text = variables[name] else { return nil }
      guard let number = Int(text), (least...1 << 20).contains(number) else {
        throw wrong("\(name): '\(text.prefix(40))' is no number from \(least) on")
      }
      return number
    }
    // A batch script has SLURM_PROCID too, but is no step: there is one of it.
    if variables["SLURM_STEP_ID"] != nil, let rank = try number("SLURM_PROCID") {
      name = "srun"
      self.rank = rank
      count = try number("SLURM_STEP_NUM_TASKS", from: 1) ?? number("SLURM_NTASKS", from: 1)
      host = (variables["SLURM_STEP_NODELIST"] ?? variables["SLURM_JOB_NODELIST"])
        .flatMap(Self.first(ofNodes:))
      port = 20000 + (Int(variables["SLURM_JOB_ID"] ?? "") ?? 0) % 20000
    } else if let rank = try number("RANK"), let master = variables["MASTER_ADDR"] {
      name = "torchrun"
      self.rank = rank
      count = try number("WORLD_SIZE", from: 1)
      host = master
      // It listens on MASTER_PORT itself.
      port = (try number("MASTER_PORT", from: 1) ?? 29500) + 1
      guard port <= 65535 else {
        throw wrong("MASTER_PORT: the port after it is taken, and must be one")
      }
    } else if let rank = try number("OMPI_COMM_WORLD_RANK") {
      (name, self.rank, host, port) = ("mpirun", rank, nil, 0)
      count = try number("OMPI_COMM_WORLD_SIZE", from: 1)
    } else if let rank = try number("PMI_RANK") {
      (name, self.rank, host, port) = ("mpirun", rank, nil, 0)
      count = try number("PMI_SIZE", from: 1)
    } else if let rank = try number("JOB_COMPLETION_INDEX") {
      (name, self.rank, count, host, port) = ("an Indexed Job", rank, nil, nil, 7777)
    } else {
      throw wrong(
        "nothing here started several processes: auto is for srun, mpirun, torchrun --no-python "
          + "and an Indexed Job of Kubernetes; train --workers needs none of them")
    }
    if let count, rank >= count {
      throw wrong("\(name) says that this is process \(rank) of \(count)")
    }
  }

  /// The first machine of a list of Slurm's: `node[03-07,9],other` begins with `node03`; nil where
  /// it has another form.
  package static func first(ofNodes list: String) -> String? {
    guard
      let match = list.prefixMatch(of: /([A-Za-z0-9_.-]+)(?:\[([0-9]+)[^\]]*\]([A-Za-z0-9_.-]*))?/)
    else { return nil }
    return "\(match.1)\(match.2 ?? "")\(match.3 ?? "")"
  }
}
