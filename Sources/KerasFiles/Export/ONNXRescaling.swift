import Engine

extension Rescaling: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String {
    let scaled = graph.add(
      "Mul", [inputs[0].name, graph.channels("scale", scale, of: inputs[0].shape)])
    return graph.add("Add", [scaled, graph.channels("offset", offset, of: inputs[0].shape)])
  }
}

extension Normalization: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) throws -> String {
    let (input, shape) = (inputs[0].name, inputs[0].shape)
    let moments = [
      ("mean", moments?.mean ?? graph.numbers(.mean)),
      ("variance", moments?.variance ?? graph.numbers(.variance)),
    ].map { graph.channels($0, $1, of: shape) }
    let root = graph.add("Sqrt", [moments[1]])
    let deviation = graph.add("Max", [root, graph.constant("least", [1e-7])])
    guard !inverts else {
      return graph.add("Add", [graph.add("Mul", [input, deviation]), moments[0]])
    }
    return graph.add("Div", [graph.add("Sub", [input, moments[0]]), deviation])
  }
}

extension ONNXGraph {
  /// Numbers for each channel, or one for all, so that they fit on what has a shape.
  mutating func channels(
    _ name: String, _ numbers: [Float], of shape: Shape
  ) -> String {
    constant(name, shape: [numbers.count] + (shape.isFlat ? [] : [1, 1]), numbers)
  }
}
