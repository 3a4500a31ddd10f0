import Foundation

/// The address space that `ulimit -v` leaves this process.
enum AddressSpace {
  /// Bytes that a verb takes beside what its model and its threads do.
  private static let least = 48 << 20

  /// To be called before any thread is started: where address space is limited, has the allocator
  /// not reserve 64 MB of it for each thread.
  /// - Throws: `Failure` where next to nothing is left.
  static func save() throws {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0,
      let most = Int(exactly: limit.rlim_cur)
    else { return }
    // Swift cannot import it; -8 is M_ARENA_MAX.
    if let mallopt = dlsym(nil, "mallopt") {
      _ = unsafeBitCast(mallopt, to: (@convention(c) (Int32, Int32) -> Int32).self)(-8, 1)
    }
    let pages = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
      .split(separator: " ").first
    let used = (pages.flatMap { Int($0) } ?? 0) * sysconf(Int32(_SC_PAGESIZE))
    guard most - used >= least else {
      throw Failure(
        "only \(max(0, most - used) >> 20) MB of address space are left to compute in "
          + "(ulimit -v is \(most >> 20) MB): raise the limit", status: .tryAgain)
    }
  }
}
