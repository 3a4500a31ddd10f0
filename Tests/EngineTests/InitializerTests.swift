import Engine
import Testing

/// What weights start with: the distributions of Keras's initializers.
@Suite struct InitializerTests {
  /// The numbers of a dense kernel of 300 x 200 that starts so.
  private func kernel(_ initializer: Initializer?, seed: UInt64 = 3) throws -> [Double] {
    var nodes = Architecture.row([
      (nil, .flatten), ("dense", .dense(units: 200, activation: .relu)),
      (nil, .dense(units: 1, activation: .sigmoid)),
    ])
    nodes[1].initializers[.kernel] = initializer
    let model = try Architecture(input: Shape(height: 10, width: 10, channels: 3), nodes: nodes)
    let weights = ParameterBuffer(model.parameters)
    weights.initialize(seed: seed)
    return weights[model.parameters.tensors[0]].map(Double.init)
  }

  private static let cases: [(Initializer, mean: Double, variance: Double, most: Double)] = [
    (.glorotUniform, 0, 2.0 / 500, (6.0 / 500).squareRoot()),
    (.scaled(2, by: .inputs, .uniform), 0, 2.0 / 300, (6.0 / 300).squareRoot()),
    (.scaled(3, by: .outputs, .normal), 0, 3.0 / 200, 1),
    (
      .scaled(2, by: .inputs, .truncatedNormal), 0, 2.0 / 300,
      2 * (2.0 / 300).squareRoot() / 0.8796
    ),
    (.uniform(-1, 3), 1, 16.0 / 12, 3),
    (.normal(mean: 2, deviation: 0.5, isTruncated: false), 2, 0.25, 5),
    (.normal(mean: 2, deviation: 0.5, isTruncated: true), 2, 0.25 * 0.7737, 3),
    (.constant(0.25), 0.25, 0, 0.25),
  ]

  @Test(arguments: cases.indices)
  func `Mean, variance and limits are the distribution's`(_ index: Int) throws {
    let (initializer, mean, variance, most) = Self.cases[index]
    let values = try kernel(initializer)
    let own = values.reduce(0, +) / Double(values.count)
    let spread = values.reduce(0) { $0 + ($1 - own) * ($1 - own) } / Double(values.count)
    // Of 60,000 draws.
    #expect(abs(own - mean) <= 0.02 * variance.squareRoot(), "\(own)")
    #expect(abs(spread - variance) <= 0.03 * variance, "\(spread)")
    #expect(values.allSatisfy { abs($0) <= most * 1.0001 })
    #expect(try kernel(initializer) == values)
    if variance > 0 { #expect(try kernel(initializer, seed: 4) != values) }
  }

  @Test func `What nobody says is Glorot's, and saying it makes no other model`() throws {
    #expect(try kernel(nil) == kernel(.glorotUniform))
  }
}
