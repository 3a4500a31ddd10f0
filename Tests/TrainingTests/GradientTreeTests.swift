import Engine
import Testing
import Training

@Suite struct GradientTreeTests {
  private static let layout: ParameterLayout? = try? Architecture(
    input: Shape(height: 4, width: 4, channels: 3),
    layers: [(nil, .flatten), (nil, .dense(units: 1, activation: .sigmoid))]
  ).parameters

  /// A gradient whose sum with others depends on the order.
  private static func gradient(_ place: Int, _ layout: ParameterLayout) -> ParameterBuffer {
    let buffer = ParameterBuffer(layout)
    let draws = CounterRandom(seed: 5, purpose: .benchmark, UInt64(place))
    for index in buffer.buffer.indices {
      let scale: Float = draws.bits(UInt64(index)) & 1 == 0 ? 1e6 : 1
      buffer.floats[index] = draws.symmetricFloat(UInt64(index)) * scale
    }
    return buffer
  }

  private static func sum(_ order: [Int]) throws -> Digest {
    let layout = try #require(Self.layout)
    let updater = Updater(kernels: .baseline)
    var tree = GradientTree(count: order.count)
    for place in order {
      #expect(tree.sum == nil)
      tree.insert(gradient(place, layout), at: place, using: updater)
    }
    return try #require(tree.sum).digest
  }

  @Test(arguments: 1...9)
  func `Any order of arrival gives the same bits`(count: Int) throws {
    let expected = try Self.sum(Array(0..<count))
    for round in 0..<20 {
      let order = CounterRandom(seed: 3, purpose: .benchmark, UInt64(round)).permutation(count)
      #expect(try Self.sum(order) == expected)
    }
  }

  @Test func `The shape pairs neighbours: ((0 + 1) + (2 + 3)) + 4`() throws {
    let layout = try #require(Self.layout)
    let updater = Updater(kernels: .baseline)
    let g = (0..<5).map { Self.gradient($0, layout) }
    updater.add(g[1], to: g[0])
    updater.add(g[3], to: g[2])
    updater.add(g[2], to: g[0])
    updater.add(g[4], to: g[0])
    #expect(try Self.sum([4, 2, 0, 3, 1]) == g[0].digest)
  }
}
