import Foundation
import Testing

extension FaultTests {
  /// Disks that are full or read-only, and data that go away; as root, since they mount what they
  /// need.
  @Suite(.enabled(if: getuid() == 0, "needs root")) struct Disks {
    /// A small file system for the run folder.
    private func mount(_ run: FaultRun, _ size: String) throws {
      try FileManager.default.createDirectory(
        atPath: "\(run.folder)/small", withIntermediateDirectories: true)
      try #require(
        tool("mount -t tmpfs -o size=\(size) dogsled-test '\(run.folder)/small'"),
        "tmpfs cannot be mounted here")
      try FileManager.default.createSymbolicLink(
        atPath: "\(run.folder)/run", withDestinationPath: "small/run")
    }

    @Test func theDiskIsFullForAWhile() throws {
      let run = try FaultRun()
      try mount(run, "8m")
      defer { tool("umount -l '\(run.folder)/small'") }
      let coordinator = try run.coordinator(["--checkpoint-every", "2"], run: "small/run")
      let workers = [try run.worker(), try run.worker()]
      try run.wait(for: "checkpoint", after: 2)
      // A full disk: the history of the next epoch cannot be written.
      run.disturb { tool("cat /dev/zero > '\(run.folder)/small/full'") }
      #expect(try coordinator.status() == 128)
      #expect(coordinator.output.contains("No space left"), "\(coordinator.output)")
      for worker in workers { #expect(try worker.status() == 1) }
      tool("rm '\(run.folder)/small/full'")
      let second = try run.coordinator(workers: 1, resuming: true, run: "small/run")
      _ = try run.worker()
      try run.expectUndisturbed(second, "the disk full, the run cut short and resumed")
    }

    @Test func theRunFolderIsReadOnlyForAWhile() throws {
      let run = try FaultRun()
      try mount(run, "64m")
      defer { tool("umount -l '\(run.folder)/small'") }
      // With checkpoints between the epochs: those may fail, and the run goes on.
      let coordinator = try run.coordinator(
        ["--checkpoint-every", "1"], run: "small/run")
      _ = [try run.worker(), try run.worker()]
      try run.wait(for: "checkpoint", after: 2)
      // A file that is open for writing keeps the file system from becoming read-only: the folder
      // is made unwritable by another on top of it.
      run.disturb()
      tool("mount -t tmpfs -o ro,size=1m dogsled-test '\(run.folder)/small/run'")
      try waitUntil(60, coordinator.output) { coordinator.output.contains("cannot be written") }
      tool("umount -l '\(run.folder)/small/run'")
      let status = try coordinator.status()
      if status == 0 {
        try run.expectUndisturbed(coordinator, "the run folder read-only between two epochs")
      } else {
        #expect(status == 128, "\(coordinator.output)")
        let second = try run.coordinator(workers: 1, resuming: true, run: "small/run")
        _ = try run.worker()
        try run.expectUndisturbed(second, "the run folder read-only, cut short and resumed")
      }
    }

    @Test func theDataFolderIsEmptiedUnderTheRun() throws {
      let run = try FaultRun()
      let coordinator = try run.coordinator()
      #expect(tool("cp -r '\(run.folder)/data' '\(run.folder)/copy'"))
      let first = try run.worker()
      let second = try run.worker(data: "copy")
      try run.waitForAnEpoch()
      // All is decoded and in memory by now.
      run.disturb()
      #expect(tool("rm -r '\(run.folder)/copy/train' '\(run.folder)/data/train'"))
      try run.expectUndisturbed(coordinator, "the data emptied under the run")
      #expect(try first.status() == 0 && second.status() == 0)
    }

    @Test func theDataFolderIsChangedBeforeAWorkerJoins() throws {
      let run = try FaultRun()
      let coordinator = try run.coordinator(workers: 1)
      #expect(tool("cp -r '\(run.folder)/data' '\(run.folder)/copy'"))
      #expect(tool("truncate -s -1 \"$(ls '\(run.folder)'/copy/train/cats/* | head -1)\""))
      run.disturb()
      let stranger = try run.worker(data: "copy")
      #expect(try stranger.status() == 1)
      _ = try run.worker()
      try run.expectUndisturbed(coordinator, "a worker whose data changed")
    }
  }
}
