import Foundation
import Primitives

/// The signals that ask the program to end in good order.
public enum Signals {
  /// From a person or a batch system that wants an end: more than two are impatience.
  private static let firm = [SIGINT, SIGTERM]
  /// A closed terminal, and what batch systems send some time before their limit.
  ///
  /// One event may send several: the kernel, the shell and the session's manager each do.
  private static let gentle = [SIGHUP, SIGUSR1, SIGUSR2]

  /// Calls `handler` at the first of SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2, and at a second
  /// SIGINT or SIGTERM, so that the program can end in good order.
  ///
  /// Another SIGINT or SIGTERM ends it at once with status 1. SIGHUP stays ignored where it was, as
  /// under `nohup`. To be called once.
  ///
  /// - Parameter ignoringAllButSIGTERM: for a worker that its coordinator launched: a batch system
  ///   signals both, and the coordinator needs its workers to finish the update.
  /// - Throws: where the thread that calls the handler cannot be had.
  public static func onInterrupt(
    ignoringAllButSIGTERM: Bool = false, _ handler: @escaping @Sendable () -> Void
  ) throws {
    let (input, output) = try OpenFile.pipeEnds(failure: "no pipe for signals")
    try OwnThread.start("signals") {
      // The handlers write to `output` for as long as the process lives.
      withExtendedLifetime(output) {
        var calls = 0
        var number: UInt8 = 0
        while true {
          guard read(input.descriptor, &number, 1) == 1 else { continue }
          let isFirm = firm.contains(Int32(number))
          guard isFirm || calls == 0 else { continue }
          calls += 1
          if calls > 2 { _exit(1) }
          handler()
        }
      }
    }
    pipeEnd = output.descriptor
    unblock()
    for number in firm + gentle {
      if ignoringAllButSIGTERM, number != SIGTERM {
        signal(number, SIG_IGN)
      } else if number != SIGHUP || !isIgnored(SIGHUP) {
        catchSignal(number)
      }
    }
  }

  /// Lets these signals in, which a parent may have had blocked: a thread of Dispatch does.
  public static func unblock() {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in firm + gentle { sigaddset(&signals, number) }
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }

  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(number, nil, &action) == 0 else { return false }
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
      == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  private static func catchSignal(_ number: Int32) {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { number in
      // Nothing but what POSIX allows in a handler.
      let error = errno
      var byte = UInt8(truncatingIfNeeded: number)
      _ = write(pipeEnd, &byte, 1)
      errno = error
    }
    // No call of the others is cut short.
    action.sa_flags = SA_RESTART
    sigaction(number, &action, nil)
  }
}

/// Where the handlers write the signals' numbers; set before the first handler is.
nonisolated(unsafe) private var pipeEnd: Int32 = -1
