import ArgumentParser
import Foundation
import Logging
import Training

extension Dogsled {
  /// Parses and runs; exits 0 when done, 1 on failure, 2 on wrong usage, 130 when interrupted.
  static func main() async {
    // Writing to a pipe that nobody reads is an error like others, and no reason to end a run.
    signal(SIGPIPE, SIG_IGN)
    LoggingSystem.bootstrap(StreamLogHandler.standardError)
    do {
      var command = try await asyncParseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch let code as ExitCode {
      Foundation.exit(code.rawValue)
    } catch {
      let code = exitCode(for: error)
      if code.isSuccess {
        do { try emit(fullMessage(for: error)) } catch {
          log("dogsled: \(error)")
          Foundation.exit(1)
        }
        Foundation.exit(0)
      }
      let isUsage = code == .validationFailure || error is HyperparameterError
      let hint = fullMessage(for: error).split(separator: "\n").last { $0.hasPrefix("  See ") }
      let verb = hint?.split(separator: "'").dropFirst().first
      let line = message(for: error).split(whereSeparator: \.isNewline).joined(separator: " ")
      log("dogsled: \(line)\(verb.map { " (see \($0))" } ?? "")")
      Foundation.exit(isUsage ? 2 : 1)
    }
  }
}
