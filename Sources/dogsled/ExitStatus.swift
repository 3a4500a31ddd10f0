import ArgumentParser
import Engine
import Foundation
import Logging
import Network
import Pictures
import Primitives
import Runs

// From 128 on a job controller may try again (Kubernetes's training operators follow that rule);
// below 128 the problem has to be fixed first.
extension ExitCode {
  /// What was asked for cannot be, whatever happens.
  static let wrongUsage = ExitCode(2)
  /// Ended by what may be mended by itself: a lost connection, killed workers, a full disk, a port
  /// or a run folder in use, no room for a thread.
  static let tryAgain = ExitCode(128)
  /// SIGINT, SIGTERM, SIGHUP, SIGUSR1 or SIGUSR2; a run has written a checkpoint.
  static let interrupted = ExitCode(130)
}

extension Dogsled {
  /// Parses and runs; exits 0 when done, 1 on failure, 2 on wrong usage, from 128 on where trying
  /// again may help.
  static func main() {
    openClosedStreams()
    // Writing to a pipe that nobody reads, or beyond a limit of file sizes, is an error like
    // others, and no reason to end a run.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    Signals.unblock()
    PackagedFont.choose()
    LoggingSystem.bootstrap(StreamLogHandler.standardError)
    do {
      try AddressSpace.prepare()
      let arguments = try TypedArguments.withNamedFiles(TypedArguments.read())
      var command = try parseAsRoot(arguments)
      try TypedArguments.check(arguments, of: command)
      try command.run()
    } catch let code as ExitCode {
      Foundation.exit(code.rawValue)
    } catch {
      let code = exitCode(for: error)
      if code.isSuccess {
        do { try emit(fullMessage(for: error)) } catch is ExitCode {
        } catch {
          log("dogsled: \(error)")
          Foundation.exit(1)
        }
        Foundation.exit(0)
      }
      let isUsage = code == .validationFailure || error is HyperparameterError
      let hint = fullMessage(for: error).split(separator: "\n").last { $0.hasPrefix("  See ") }
      let verb = hint?.split(separator: "'").dropFirst().first
      let line = message(for: error).split(whereSeparator: \.isNewline).joined(separator: " ")
      let shown = FileName.shown(line, doublingBackslashes: false)
      let mended = Suggestion.mended(shown, hint: verb.map(String.init))
      log("dogsled: \(mended)\(verb.map { " (see \($0))" } ?? "")")
      Foundation.exit(isUsage ? 2 : status(of: error))
    }
  }

  /// Opens the standard streams that are closed: a file of ours would else take their number, and
  /// what is printed would go into it.
  private static func openClosedStreams() {
    for stream in STDIN_FILENO...STDERR_FILENO where fcntl(stream, F_GETFD) < 0 {
      _ = open("/dev/null", stream == STDIN_FILENO ? O_RDONLY : O_WRONLY)
    }
  }

  private static func status(of error: any Error) -> Int32 {
    switch error {
    case let failure as Failure: failure.status.rawValue
    case is ThreadError, is MemoryError: ExitCode.tryAgain.rawValue
    case let error as NetworkError where error.mayPass: ExitCode.tryAgain.rawValue
    case let error as NetworkError where error.isWrongUsage: ExitCode.wrongUsage.rawValue
    case let error as FileError where error.mayPass: ExitCode.tryAgain.rawValue
    default: ExitCode.failure.rawValue
    }
  }
}
