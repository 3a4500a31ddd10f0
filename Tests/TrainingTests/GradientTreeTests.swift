import Engine
import Primitives
import Testing
import Training

@Suite struct GradientTreeTests {
  private static let batch = 2
  /// With a kernel that is held as factors, of two tiles in one direction and three in the other.
  private static let layout =
    (try? Architecture(
      input: Shape(height: 8, width: 5, channels: 3),
      layers: [
        (nil, .flatten), (nil, .dense(units: 1088, activation: .relu)),
        (nil, .dense(units: 1, activation: .sigmoid)),
      ]
    ).parameters).map { GradientLayout($0, batch: batch) }

  /// A gradient whose sum with others depends on the order.
  private static func gradient(_ place: Int, _ layout: GradientLayout) -> StepGradient {
    let buffer = ParameterBuffer(layout.buffer)
    let draws = CounterRandom(seed: 5, purpose: .benchmark, UInt64(place))
    for tensor in layout.buffer.tensors {
      for index in buffer[tensor].indices {
        let draw = UInt64(tensor.offset + index)
        let scale: Float = draws.bits(draw) & 1 == 0 ? 1e6 : 1
        buffer[tensor][index] = draws.symmetricFloat(draw) * scale
      }
    }
    return StepGradient(buffer, pictures: place % batch + 1)
  }

  /// The weights after one update by gradients that arrived in `order`.
  private static func update(_ order: [Int], threads: Int = 1) throws -> Digest {
    let layout = try #require(Self.layout)
    let updater = try Updater(layout, threads: threads, kernels: try .chosen())
    var state = ModelState(layout.parameters, optimizer: RMSprop())
    var tree = GradientTree(count: order.count)
    for place in order {
      #expect(!tree.isComplete)
      tree.insert([gradient(place, layout)], at: place, using: updater)
    }
    #expect(tree.isComplete)
    tree.apply(RMSprop(), to: &state, using: updater)
    return state.digest
  }

  @Test func theLargeKernelIsHeldAsFactors() throws {
    let layout = try #require(Self.layout)
    #expect(
      layout.buffer.tensors.map(\.shape)
        == [[Self.batch, 120], [Self.batch, 1088], [1088], [1088, 1], [1]])
  }

  @Test(arguments: [1, 2, 3, 5, 8, 9, 16, 21])
  func `Any order of arrival and any number of threads gives the same bits`(count: Int) throws {
    let expected = try Self.update(Array(0..<count))
    for round in 0..<4 {
      let order = CounterRandom(seed: 3, purpose: .benchmark, UInt64(round)).permutation(count)
      #expect(try Self.update(order, threads: 1 + round % 2) == expected)
    }
  }

  /// What is no factor comes summed of some neighbours, as a worker sends it that computed them.
  @Test(arguments: [2, 3, 5, 7, 8, 10, 16, 21], [2, 4, 8])
  func `Sums of neighbours that come as one give the same bits`(count: Int, together: Int) throws {
    let layout = try #require(Self.layout)
    let updater = try Updater(layout, kernels: try .chosen())
    var state = ModelState(layout.parameters, optimizer: RMSprop())
    var tree = GradientTree(count: count)
    for first in stride(from: 0, to: count, by: together).reversed() {
      let unit = (first..<min(first + together, count)).map { Self.gradient($0, layout) }
      let sums = ParameterBuffer(layout.buffer)
      for part in layout.parts(most: 64) where !part.isPerStep {
        updater.sum(part.floats, of: unit, into: sums)
      }
      for (index, gradient) in unit.enumerated() {
        for part in layout.parts(most: 64) where !part.isPerStep {
          // Of the others nobody reads it.
          if index == 0 {
            gradient.buffer.copy(part.floats, from: sums)
          } else {
            for float in part.floats { gradient.buffer.buffer[float] = .nan }
          }
        }
      }
      tree.insert(unit, at: first, using: updater)
    }
    tree.apply(RMSprop(), to: &state, using: updater)
    #expect(state.digest == (try Self.update(Array(0..<count))))
  }

  /// The sums of a tree over whole gradients, level by level.
  @Test(arguments: [1, 2, 3, 5, 6, 7, 8, 11, 19])
  func `Each level pairs neighbours`(count: Int) throws {
    let layout = try #require(Self.layout)
    let updater = try Updater(layout, kernels: try .chosen())
    var level = (0..<count).map { place in
      let whole = ParameterBuffer(layout.parameters)
      updater.sum([Self.gradient(place, layout)], into: whole)
      return whole
    }
    while level.count > 1 {
      level = stride(from: 0, to: level.count, by: 2).map { place in
        if place + 1 < level.count { updater.add(level[place + 1], to: level[place]) }
        return level[place]
      }
    }
    let pictures = (0..<count).reduce(0) { $0 + $1 % Self.batch + 1 }
    var (expected, state) = (
      ModelState(layout.parameters, optimizer: RMSprop()),
      ModelState(layout.parameters, optimizer: RMSprop())
    )
    updater.apply(RMSprop(), to: &expected, gradientSum: level[0], pictures: pictures)
    var gradients = GradientTree(count: count)
    for place in (0..<count).reversed() {
      gradients.insert([Self.gradient(place, layout)], at: place, using: updater)
    }
    gradients.apply(RMSprop(), to: &state, using: updater)
    #expect(state.digest == expected.digest)
    #expect(state.slots.map(\.digest) == expected.slots.map(\.digest))
  }

  /// A tile of a product, and the whole product, against doubles.
  @Test func factorsMakeTheProduct() throws {
    let layout = try #require(Self.layout)
    for kernels in KernelSet.available {
      let gradient = Self.gradient(1, layout)
      let whole = ParameterBuffer(layout.parameters)
      try Updater(layout, threads: 2, kernels: kernels).sum([gradient], into: whole)
      let (inputs, outputs) = (
        gradient.buffer[layout.buffer.tensors[0]], gradient.buffer[layout.buffer.tensors[1]]
      )
      for (index, value) in whole[layout.parameters.tensors[0]].enumerated() {
        let (row, column) = index.quotientAndRemainder(dividingBy: 1088)
        let terms = (0..<2).map {
          Double(inputs[$0 * 120 + row]) * Double(outputs[$0 * 1088 + column])
        }
        let scale = terms.reduce(0) { $0 + abs($1) }
        #expect(abs(Double(value) - terms.reduce(0, +)) <= 2e-7 * scale)
      }
    }
  }
}
