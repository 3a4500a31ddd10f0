import Foundation
import TestSupport
import Testing

/// What a run of the `dogsled` that stands beside the tests gave.
struct Command {
  let status: Int32
  let output: String
  let errors: String

  /// Runs `dogsled arguments` in `folder` and waits for its end.
  init(_ arguments: String..., in folder: TemporaryFolder) throws {
    try self.init(arguments, in: folder)
  }

  /// Runs `dogsled arguments` in `folder` and waits for its end.
  /// - Parameter environment: added to this process's.
  init(
    _ arguments: [String], in folder: TemporaryFolder, environment: [String: String] = [:]
  ) throws {
    try self.init(waitingFor: Self.start(arguments, in: folder, environment: environment))
  }

  /// Starts `dogsled arguments` in `folder`, its outputs into pipes.
  static func start(
    _ arguments: [String], in folder: TemporaryFolder, environment: [String: String] = [:]
  ) throws -> Process {
    let process = Process()
    process.executableURL = Bundle.main.bundleURL.appendingPathComponent("dogsled")
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardOutput = Pipe()
    process.standardError = Pipe()
    try process.run()
    return process
  }

  /// Waits for the end of what `start` started.
  init(waitingFor process: Process) throws {
    let output = try #require(process.standardOutput as? Pipe)
    let errors = try #require(process.standardError as? Pipe)
    // Little enough is said that neither pipe fills while the other is read.
    self.output = textToEnd(of: output)
    self.errors = textToEnd(of: errors)
    process.waitUntilExit()
    status = process.terminationStatus
  }

  var lines: [String] { output.split(separator: "\n").map(String.init) }
  var errorLines: [String] { errors.split(separator: "\n").map(String.init) }
}

/// All that comes until the pipe's other end is closed.
///
/// Foundation's own ends the program where a signal interrupts it.
func textToEnd(of pipe: Pipe) -> String {
  var (text, buffer) = (Data(), [UInt8](repeating: 0, count: 1 << 16))
  while true {
    let count = read(pipe.fileHandleForReading.fileDescriptor, &buffer, buffer.count)
    if count > 0 {
      text += buffer[..<count]
    } else if count == 0 || errno != EINTR {
      return String(decoding: text, as: UTF8.self)
    }
  }
}
