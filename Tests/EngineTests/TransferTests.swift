import Engine
import Primitives
import Testing

/// A network made one's own: its head, what is frozen, and what is kept of that.
@Suite struct TransferTests {
  /// Two branches, of which `side` reads the first convolution and `pool` both.
  private func network() throws -> Architecture {
    func node(_ name: String, _ layer: any Layer, _ inputs: Value...) -> Architecture.Node {
      Architecture.Node(name: name, layer: layer, inputs: inputs)
    }
    var global = Pooling(.average, size: 1)
    global.isGlobal = true
    return try Architecture(
      input: Shape(height: 12, width: 10, channels: 3),
      nodes: [
        node("first", .convolution(Convolution(filters: 20)), .picture),
        node("aside", .convolution(Convolution(filters: 4)), .node(0)),
        node("norm", BatchNormalization(), .node(0)),
        node("side", .convolution(Convolution(filters: 20, size: 1)), .node(0)),
        node("both", Merging(.add), .node(2), .node(3)),
        node("pool", global, .node(4)),
        node("aside_pool", global, .node(1)),
        node("joined", Concatenation(), .node(5), .node(6)),
        node("classes", .dense(units: 7, activation: .softmax), .node(7)),
      ])
  }

  @Test func `A head reads the layer that it is put on, and what that does not need goes`() throws {
    let cut = try network().replacingHead(after: "both", classes: 2, dropout: 0.25)
    #expect(
      cut.layers.map(\.name) == [
        "first", "norm", "side", "both", "head_pooling", "head_dropout", "head_dense",
      ])
    #expect(cut.outputs.last == Shape(units: 1) && cut.loss.classes == 2)
    let flat = try network().replacingHead(after: "joined", classes: 3, dropout: 0)
    #expect(flat.layers.map(\.name).suffix(2) == ["joined", "head_dense"])
    #expect(flat.loss.classes == 3)
    // A second head has other names.
    let again = try cut.replacingHead(after: "head_pooling", classes: 4, dropout: 0)
    #expect(again.layers.map(\.name).suffix(2) == ["head_pooling", "head_dense"])
    #expect(throws: ArchitectureError.self) {
      try network().replacingHead(after: "none", classes: 2, dropout: 0)
    }
  }

  @Test func `What is frozen has no gradient, and stays`() throws {
    let model = try network().replacingHead(after: "both", classes: 2, dropout: 0)
      .freezing(["first", "norm", "head_pooling"])
    #expect(model.parameters.trained.map(\.layer) == ["side", "side", "head_dense", "head_dense"])
    let layout = GradientLayout(model.parameters, batch: 4)
    #expect(Set(layout.buffer.tensors.map(\.layer)) == ["side", "head_dense"])
    #expect(layout.parts(most: 64).allSatisfy { $0.layer == "side" || $0.layer == "head_dense" })
    let engine = try Engine(model, batchCapacity: 4, kernels: try .chosen())
    var state = ModelState(model.parameters, optimizer: Adam())
    state.initialize(seed: 3)
    let before = state.copy()
    let updater = try Updater(engine.gradientLayout, kernels: try .chosen())
    withPictures(model, 4) { batch in
      let gradient = ParameterBuffer(engine.gradientLayout.buffer)
      _ = engine.gradient(
        batch, weights: state.weights, step: TrainingStep(seed: 1, number: 0), into: gradient)
      updater.apply(Adam(), to: &state, steps: [StepGradient(gradient, pictures: 4)])
    }
    for tensor in model.parameters.tensors {
      let isEqual = Array(state.weights[tensor]) == Array(before.weights[tensor])
      #expect(isEqual == tensor.isFrozen, "\(tensor.name)")
      if tensor.isFrozen {
        #expect(state.slots.allSatisfy { Array($0[tensor]).allSatisfy(\.isZero) })
      }
    }
  }

  /// The bits of a result do not depend on whether what the frozen layers make is kept.
  @Test(arguments: [0, 1, 3, 100]) func `What is kept changes no bit`(_ room: Int) throws {
    let model = try network().replacingHead(after: "both", classes: 2, dropout: 0.5)
      .freezing(["first", "norm"])
    let weights = ParameterBuffer(model.parameters)
    weights.initialize(seed: 5)
    func engine() throws -> Engine {
      try Engine(model, batchCapacity: 5, threads: 2, kernels: try .chosen())
    }
    let (plain, keeping) = (try engine(), try engine())
    // What `side` and the sum read of a picture: 10 x 8 positions of 32 channels, twice.
    let bytes = keeping.keepFeatures(bytes: room * 2 * 10 * 8 * 32 * 4, pictures: 8)
    #expect(bytes == min(room, 8) * 2 * 10 * 8 * 32 * 4)
    try withPictures(model, 8) { all in
      for (step, keys) in [[0, 1, 2], [2, 5, 1, 0, 7], [7], [3, 4], [0, 1, 2, 3, 4]].enumerated() {
        let batch = Batch(
          pictures: keys.map { all.pictures[$0] }, labels: keys.map { all.labels[$0] })
        let gradients = [plain, keeping].map { engine in
          let gradient = ParameterBuffer(engine.gradientLayout.buffer)
          let totals = engine.gradient(
            batch.keyed(keys), weights: weights, step: TrainingStep(seed: 1, number: step),
            into: gradient)
          return (gradient.digest, totals)
        }
        #expect(gradients[0] == gradients[1], "step \(step)")
        let totals = [plain, keeping].map {
          $0.evaluate(batch.keyed(keys.map { $0 + 100 }), weights: weights)
        }
        #expect(totals[0] == totals[1])
      }
    }
  }

  @Test func `Nothing is kept where nothing is frozen, or all above it is drawn`() throws {
    let model = try network()
    func kept(_ model: Architecture) throws -> Int {
      try Engine(model, batchCapacity: 2, kernels: try .chosen())
        .keepFeatures(bytes: 1 << 20, pictures: 4)
    }
    #expect(try kept(model) == 0)
    // The first layer is trained: what is behind it is another each time.
    #expect(try kept(model.freezing(["norm", "side", "aside"])) == 0)
    #expect(try kept(model.freezing(["first"])) > 0)
  }

  @Test func `A layer has its rate, and its updates begin when it is no longer frozen`() throws {
    let plain = try network().replacingHead(after: "both", classes: 2, dropout: 0)
    let model = try plain.changingRules { name, rule in
      if name == "side" { rule.rate = 0.25 }
      if ["first", "norm"].contains(name) { rule.frozenUpdates = 2 }
    }
    let engine = try Engine(plain, batchCapacity: 4, kernels: try .chosen())
    let gradient = ParameterBuffer(engine.gradientLayout.buffer)
    var state = ModelState(plain.parameters, optimizer: Adam())
    state.initialize(seed: 3)
    withPictures(plain, 4) { batch in
      _ = engine.gradient(
        batch, weights: state.weights, step: TrainingStep(seed: 1, number: 0), into: gradient)
    }
    /// What one update makes of the weights of a state with some updates behind it.
    func change(_ model: Architecture, after updates: Int) throws -> [String: [Float]] {
      var changed = ModelState(model.parameters, optimizer: Adam())
      changed.initialize(
        weights: {
          let weights = ParameterBuffer(model.parameters)
          weights.take(from: state.weights, layers: Set(plain.layers.map(\.name)))
          return weights
        }())
      changed.updates = updates
      let layout = GradientLayout(model.parameters, batch: 4)
      let own = ParameterBuffer(layout.buffer)
      own.take(from: gradient, layers: Set(plain.layers.map(\.name)))
      let updater = try Updater(layout, kernels: try .chosen())
      updater.apply(Adam(), to: &changed, steps: [StepGradient(own, pictures: 4)])
      return Dictionary(
        model.parameters.tensors.map { tensor in
          let before = state.weights[plain.parameters[tensor.name] ?? tensor]
          return (tensor.layer, zip(changed.weights[tensor], before).map { $0 - $1 })
        }, uniquingKeysWith: +)
    }
    let (usual, early) = (try change(plain, after: 0), try change(model, after: 0))
    #expect(early["first"]?.allSatisfy { $0 == 0 } == true)
    #expect(early["norm"]?.allSatisfy { $0 == 0 } == true)
    #expect(early["head_dense"] == usual["head_dense"])
    let sides = zip(early["side"] ?? [], usual["side"] ?? [])
    #expect(sides.allSatisfy { abs($0 - 0.25 * $1) <= 1e-7 } && usual["side"]?.first != 0)
    // Its own first update is Adam's first, whatever the others had before.
    let late = try change(model, after: 2)
    #expect(late["first"] == usual["first"] && late["norm"] == usual["norm"])
    #expect(late["head_dense"] != usual["head_dense"])
    let phase = try #require(try model.frozen(inUpdate: 1))
    #expect(
      phase.until == 2
        && Set(phase.architecture.parameters.trained.map(\.layer)) == [
          "side", "head_dense",
        ])
    #expect(try model.frozen(inUpdate: 2) == nil)
  }

  private func withPictures(
    _ model: Architecture, _ count: Int, _ body: (Batch) throws -> Void
  ) rethrows {
    let size = model.input.count
    let noise = CounterRandom(seed: 2, purpose: .benchmark)
    let bytes = (0..<count * size).map { UInt8(truncatingIfNeeded: noise.bits(UInt64($0))) }
    try bytes.withUnsafeBufferPointer { bytes in
      guard let first = bytes.baseAddress else { return }
      try body(
        Batch(
          pictures: (0..<count).map { first + $0 * size }, labels: (0..<count).map { $0 % 2 }))
    }
  }
}
