import Foundation

/// The address space that `ulimit -v` leaves this process.
enum AddressSpace {
  /// Bytes that every verb takes, beside what its model and its threads do.
  private static let least = 24 << 20

  /// To be called before any thread is started, once; it does nothing where there is no limit.
  ///
  /// What a run needs is counted before it is taken, but an allocation that nobody counted may
  /// fail all the same, and Swift then ends a program with a backtrace: here it gets one line, and
  /// the status of what may go better another time.
  /// - Throws: `Failure` where next to nothing is left.
  static func prepare() throws {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0,
      let most = Int(exactly: limit.rlim_cur)
    else { return }
    // The allocator reserves 64 MB for each thread otherwise. Swift cannot import it; -8 is
    // M_ARENA_MAX.
    if let mallopt = dlsym(nil, "mallopt") {
      _ = unsafeBitCast(mallopt, to: (@convention(c) (Int32, Int32) -> Int32).self)(-8, 1)
    }
    let pages = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
      .split(separator: " ").first
    let left = most - (pages.flatMap { Int($0) } ?? 0) * sysconf(Int32(_SC_PAGESIZE))
    let rule = "ulimit -v allows \(most >> 20) MB of address space: raise that limit"
    guard left >= least else {
      throw Failure(
        "not enough memory to start: only \(max(0, left) >> 20) MB are left: \(rule)",
        status: .tryAgain)
    }
    let text = strdup("dogsled: no memory is left: \(rule), or ask for less\n")
    lastWords = UnsafeRawBufferPointer(start: text, count: text.map { strlen($0) } ?? 0)
    for number in [SIGABRT, SIGILL, SIGTRAP, SIGSEGV, SIGBUS] {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = endForWantOfMemory
      // One that memory did not cause comes again, to the default.
      action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
      sigaction(number, &action, nil)
    }
  }
}

/// What a process says that ends for want of memory; set before anything can call for it.
nonisolated(unsafe) private var lastWords = UnsafeRawBufferPointer(start: nil, count: 0)

/// A signal's handler: nothing but what POSIX allows in one.
private func endForWantOfMemory(_ number: Int32) {
  let want = 64 << 20
  let place = mmap(nil, want, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  guard place == MAP_FAILED else { return }
  _ = write(STDERR_FILENO, lastWords.baseAddress, lastWords.count)
  _exit(128)
}
