import Network
import Testing

/// What batch systems say to the processes that they start.
@Suite struct BatchSystemTests {
  @Test func eachIsKnownByItsVariables() throws {
    let slurm = [
      "SLURM_STEP_ID": "0", "SLURM_PROCID": "2", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "40123",
      "SLURM_JOB_NODELIST": "node[03-07,9],other",
    ]
    let found = try BatchSystem(slurm)
    #expect(found.name == "srun" && found.rank == 2 && found.count == 4)
    #expect(found.host == "node03" && found.port == 20123)
    let step = try BatchSystem(slurm.merging(["SLURM_STEP_NUM_TASKS": "3"]) { $1 })
    #expect(step.count == 3)
    let torch = try BatchSystem(
      ["RANK": "1", "WORLD_SIZE": "3", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29400"])
    #expect(torch.name == "torchrun" && torch.rank == 1 && torch.count == 3)
    #expect(torch.host == "10.0.0.1" && torch.port == 29401)
    for (rank, size) in [
      ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"),
    ] {
      let mpi = try BatchSystem([rank: "0", size: "2"])
      #expect(mpi.name == "mpirun" && mpi.rank == 0 && mpi.count == 2 && mpi.host == nil)
    }
    let job = try BatchSystem(["JOB_COMPLETION_INDEX": "5"])
    #expect(job.rank == 5 && job.count == nil && job.host == nil && job.port == 7777)
  }

  @Test func mpirunInsideAJobOfSlurmIsMpirun() throws {
    // The batch script's own variables: it is no step.
    let found = try BatchSystem([
      "SLURM_PROCID": "0", "SLURM_NTASKS": "4", "OMPI_COMM_WORLD_RANK": "3",
      "OMPI_COMM_WORLD_SIZE": "4",
    ])
    #expect(found.name == "mpirun" && found.rank == 3)
  }

  @Test(
    "what makes no sense is refused",
    arguments: [
      [:], ["SLURM_PROCID": "0", "SLURM_NTASKS": "4"], ["RANK": "1"],
      ["OMPI_COMM_WORLD_RANK": "-1"], ["OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "2"],
      ["PMI_RANK": "0", "PMI_SIZE": "none"],
      ["RANK": "0", "MASTER_ADDR": "x", "MASTER_PORT": "65535"], ["JOB_COMPLETION_INDEX": "x"],
    ] as [[String: String]])
  func refused(variables: [String: String]) {
    let error = #expect(throws: NetworkError.self) { try BatchSystem(variables) }
    #expect(error?.isWrongUsage == true)
  }

  @Test(
    arguments: [
      ("node1", "node1"), ("node1,node2", "node1"), ("gpu[2-3]-ib,x", "gpu2-ib"),
      ("a-b.c[01,03-05]", "a-b.c01"), ("", nil), ("[1-2]", nil),
    ] as [(String, String?)])
  func theFirstNode(list: String, first: String?) {
    #expect(BatchSystem.first(ofNodes: list) == first)
  }
}
