import Engine
import Foundation

/// A layer that ONNX's operators compute.
protocol ONNXLayer: Layer {
  /// Adds the operators.
  /// - Parameters:
  ///   - inputs: names of what it reads, and their shapes.
  ///   - output: the shape of what it makes.
  /// - Returns: the name of what it makes.
  /// - Throws: `ExportError` for what ONNX's operators do not compute.
  func operators(
    _ graph: inout ONNXGraph, _ inputs: [(name: String, shape: Shape)], output: Shape
  ) throws -> String
}

extension ModelFile {
  /// The network as a `.onnx` file, for inference: `pictures`, [n, height, width, 3] of 32-bit
  /// floats, to `probabilities`, [n, units].
  /// - Throws: `ExportError` for a layer that has no operators, or a file of more than 2 GiB.
  func onnx() throws -> Data {
    // What Protocol Buffers can hold, with room for the graph.
    guard 4 * state.layout.parameterCount < 2_000_000_000 else {
      throw ExportError("its weights take more than the 2 GB that an .onnx file can have")
    }
    var graph = ONNXGraph(weights: state.weights)
    graph.layer = "pictures"
    let (input, output) = (architecture.input, architecture.outputs[architecture.outputs.count - 1])
    let picture = graph.add("Transpose", ["pictures"], ["perm": .integers([0, 3, 1, 2])])
    var names: [String] = []
    for (node, output) in zip(architecture.nodes, architecture.outputs) {
      guard let layer = node.layer as? any ONNXLayer else {
        throw ExportError(
          "layer \(node.layer.className) \(node.name): Dogsled does not write it as ONNX")
      }
      graph.layer = node.name
      let inputs = node.inputs.map { value in
        switch value {
        case .picture: (name: picture, shape: input)
        case .node(let number): (name: names[number], shape: architecture.outputs[number])
        }
      }
      do {
        names.append(try layer.operators(&graph, inputs, output: output))
      } catch let error as ExportError {
        throw ExportError("layer \(node.layer.className) \(node.name): \(error)")
      }
    }
    graph.add("Identity", [names[names.count - 1]], output: "probabilities")
    var metadata = [
      "pictures": "[n, \(input.height), \(input.width), 3], red, green and blue, in the range "
        + architecture.range.description
    ]
    if let classes { metadata["classes"] = JSON.array(classes.map(JSON.string)).text }
    return graph.model(
      input: ("pictures", [input.height, input.width, input.channels]),
      output: ("probabilities", [output.channels]), metadata: metadata)
  }
}
