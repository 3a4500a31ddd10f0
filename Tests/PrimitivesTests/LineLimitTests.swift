import Primitives
import Testing

@Suite struct LineLimitTests {
  @Test func `A flood is a few lines, and one that counts the rest`() {
    var limit = LineLimit<String, Int>()
    var written = 0
    // A hundred thousand lines in four minutes.
    for line in 0..<100_000 {
      let now = Duration.milliseconds(Double(line) * 2.4)
      if limit.passes(line, kind: "a", now: now) { written += 1 }
      for left in limit.leftOut(now: now) {
        #expect(left.line == line && (24_900...25_100).contains(left.more), "\(left.more)")
        written += 1
      }
    }
    #expect((4...5).contains(written), "\(written)")
    let rest = limit.leftOut(now: .seconds(1000))
    let nothing = limit.leftOut(now: .seconds(1000), isLast: true)
    #expect(rest.count == 1 && nothing.isEmpty)
  }

  @Test func `Few lines are all written, of every kind, and leave nothing behind`() {
    var limit = LineLimit<String, Int>()
    for line in 0..<10 {
      let now = Duration.seconds(60 * line)
      let left = limit.leftOut(now: now)
      #expect(left.isEmpty)
      for kind in ["a", "b"] {
        let passes = limit.passes(line, kind: kind, now: now)
        #expect(passes)
      }
    }
    let rest = limit.leftOut(now: .seconds(1000), isLast: true)
    let passes = limit.passes(1, kind: "a", now: .seconds(1001))
    #expect(rest.isEmpty && passes)
  }

  @Test func `What was left out is told at the end, before its span is over`() {
    var limit = LineLimit<String, Int>()
    for line in 0..<4 { _ = limit.passes(line, kind: "a", now: .zero) }
    let early = limit.leftOut(now: .seconds(1))
    let rest = limit.leftOut(now: .seconds(1), isLast: true)
    #expect(early.isEmpty && rest.map(\.line) == [3] && rest.map(\.more) == [2])
    #expect(rest.map(\.others) == [" (and 2 more such lines)"])
    for _ in 0..<2 { _ = limit.passes(4, kind: "a", now: .seconds(2)) }
    let last = limit.leftOut(now: .seconds(3), isLast: true)
    #expect(last.map(\.others) == [" (and 1 more such line)"])
  }

  @Test func `Kinds that a stranger makes up do not grow without end`() {
    var limit = LineLimit<Int, Int>()
    var passed = 0
    for kind in 0..<10_000 where limit.passes(kind, kind: kind, now: .zero) { passed += 1 }
    #expect(passed < 100)
  }
}
