import Foundation
import Testing
import Wire

@Suite struct WeightsVersionTests {
  @Test func `Later weights have a greater version, also after a rollback`() {
    let inOrder = [
      WeightsVersion(update: 0), WeightsVersion(update: 25),
      WeightsVersion(rollback: 1, update: 3), WeightsVersion(rollback: 1, update: 25),
      WeightsVersion(rollback: 2, update: 0),
    ]
    #expect(inOrder.shuffled().sorted() == inOrder)
    #expect(Set(inOrder).count == inOrder.count)
  }

  @Test func `Any version travels as it is`() throws {
    for number in [0, 7, 1 << 40, -1, .max, .min] {
      let version = WeightsVersion(rollback: number, update: ~number)
      let data = try JSONEncoder().encode(version)
      #expect(try JSONDecoder().decode(WeightsVersion.self, from: data) == version)
    }
  }

  @Test func `A user reads the updates, and the rollbacks where there were some`() {
    let versions = (0..<3).map { WeightsVersion(rollback: $0, update: 25) }
    #expect(
      versions.map(\.description) == ["25", "25 after 1 rollback", "25 after 2 rollbacks"])
  }
}
