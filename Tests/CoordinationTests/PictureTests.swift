import Coordination
import Primitives
import Testing
import Wire

/// Who is sent pictures.
@Suite struct PictureTests {
  @Test func `A worker that gets ready is sent each picture that it asks for`() {
    var table = RulesTable()
    let peer = table.join(ready: false)
    let actions = table.rules.wants(peer, [4, 0, 9], of: 10, now: table.now)
    #expect(actions == [.sendPictures(peer, [4, 0, 9])])
    let more = table.rules.wants(peer, [5], of: 10, now: table.now)
    #expect(more == [.sendPictures(peer, [5])])
    // Another one may want the same, and so may the first when it comes again.
    let other = table.join(ready: false)
    let same = table.rules.wants(other, [4], of: 10, now: table.now)
    #expect(same == [.sendPictures(other, [4])])
    table.lose(peer)
    let again = table.join(ready: false)
    let anew = table.rules.wants(again, [4, 0], of: 10, now: table.now)
    #expect(anew == [.sendPictures(again, [4, 0])])
  }

  @Test(arguments: [
    ([10], "asked for picture 10, which is none of the run's"),
    ([-1], "asked for picture -1, which is none of the run's"),
    ([3, 3], "asked for a picture a second time"),
  ])
  func `Who asks for what there is not, or again, is put out`(
    pictures: [Int], reason: String
  ) {
    var table = RulesTable()
    let peer = table.join(ready: false)
    let actions = table.rules.wants(peer, pictures, of: 10, now: table.now)
    #expect(actions.contains(.refuse(peer, reason: reason)), "\(actions)")
    #expect(!actions.contains { if case .sendPictures = $0 { true } else { false } })
    #expect(table.rules.wants(peer, [0], of: 10, now: table.now).isEmpty)
  }

  @Test func `A coordinator that has none sends none`() {
    var table = RulesTable()
    let peer = table.join(ready: false)
    let actions = table.rules.wants(peer, [0], of: 0, now: table.now)
    #expect(actions.contains { if case .refuse(peer, _) = $0 { true } else { false } })
  }
}
