import Engine

extension LayerNormalization: ONNXLayer {
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) -> String {
    // An operator of its own came with later versions of ONNX.
    let channels: [String: ONNXGraph.Attribute] = ["axes": .integers([1]), "keepdims": .integer(1)]
    let mean = graph.add("ReduceMean", [inputs[0].name], channels)
    let difference = graph.add("Sub", [inputs[0].name, mean])
    let variance = graph.add("ReduceMean", [graph.add("Mul", [difference, difference])], channels)
    let sum = graph.add("Add", [variance, graph.constant("epsilon", [epsilon])])
    var result = graph.add("Div", [difference, graph.add("Sqrt", [sum])])
    for (kind, name) in [(ParameterLayout.Kind.gamma, "Mul"), (.beta, "Add")] {
      let numbers = graph.numbers(kind)
      guard !numbers.isEmpty else { continue }
      result = graph.add(
        name, [result, graph.channels(kind.rawValue, numbers, of: inputs[0].shape)])
    }
    return result
  }
}
