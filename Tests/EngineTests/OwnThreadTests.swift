import Engine
import Foundation
import Primitives
import Testing

@Suite struct OwnThreadTests {
  @Test func runsUnderItsNameWithAStackOfItsOwn() throws {
    let done = DispatchSemaphore(value: 0)
    let seen = Seen()
    try OwnThread.start("a name that is too long", stackSize: 8 << 20) {
      seen.name = (try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)) ?? ""
      seen.depth = Self.descend(6000)
      done.signal()
    }
    done.wait()
    #expect(seen.name == "a name that is \n")
    #expect(seen.depth == 6000)
  }

  /// Takes some 6 MB of stack for 6,000 calls.
  @inline(never) private static func descend(_ calls: Int) -> Int {
    withUnsafeTemporaryAllocation(byteCount: 1000, alignment: 16) { bytes in
      bytes[calls % 1000] = UInt8(truncatingIfNeeded: calls)
      let below = calls == 0 ? 0 : descend(calls - 1) + 1
      return below + Int(bytes[calls % 1000]) - Int(UInt8(truncatingIfNeeded: calls))
    }
  }

  private final class Seen: @unchecked Sendable {
    var name = ""
    var depth = 0
  }

  /// No memory for stacks: who asks for threads is told, and those that were started end.
  @Test func aThreadThatCannotBeHadIsAnError() async throws {
    let result = try await #require(
      processExitsWith: .exitCode(7), observing: [\.standardErrorContent]
    ) {
      let before = Self.threads
      var limit = rlimit()
      limit.rlim_cur = Self.addressSpace + 20 << 20
      limit.rlim_max = limit.rlim_cur
      guard setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 else { exit(3) }
      do throws(ThreadError) {
        _ = try ThreadPool(threads: 48)
        exit(4)
      } catch {
        let line = error.description + "\n"
        write(STDERR_FILENO, line, line.utf8.count)
      }
      for _ in 0..<1000 where Self.threads > before { usleep(5000) }
      exit(Self.threads == before ? 7 : 5)
    }
    let line = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(line.contains(", one of 48, cannot be started beside the "), "\(line)")
    #expect(line.contains("--threads"), "\(line)")
    #expect(line.contains("ulimit -v"), "\(line)")
  }

  private static var threads: Int {
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count) ?? 0
  }

  /// Bytes that this process has mapped.
  private static var addressSpace: UInt {
    let pages = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
      .split(separator: " ").first
    return (pages.flatMap { UInt($0) } ?? 0) * UInt(sysconf(Int32(_SC_PAGESIZE)))
  }
}
