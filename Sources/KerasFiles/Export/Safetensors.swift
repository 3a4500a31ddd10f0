import Engine
import Foundation

extension ModelFile {
  /// The weights as a `.safetensors` file: the length of a head of JSON, the head, and the numbers
  /// of all tensors.
  ///
  /// Tensors are called `LAYER.KIND`, and have Keras's order of dimensions, which the file's
  /// metadata say. The form is that of https://github.com/huggingface/safetensors.
  var safetensors: Data {
    var head: [String: JSON] = [:]
    var place = 0
    for tensor in state.layout.tensors {
      let end = place + 4 * tensor.count
      head["\(tensor.layer).\(tensor.kind.rawValue)"] = [
        "dtype": "F32", "shape": .array(tensor.shape.map(JSON.integer)),
        "data_offsets": [.integer(place), .integer(end)],
      ]
      place = end
    }
    var metadata: [String: JSON] = [
      "dimensions":
        .string(
          "as Keras has them: kernel [height, width, in, out], depthwise_kernel [height, width, "
            + "in, 1], kernel of a dense layer [in, out]"),
      "model_config": .string(KerasConfiguration.encode(architecture)),
    ]
    if let classes { metadata["classes"] = .string(JSON.array(classes.map(JSON.string)).text) }
    head["__metadata__"] = .object(metadata)
    var text = Array(JSON.object(head).text.utf8)
    while text.count % 8 != 0 { text.append(UInt8(ascii: " ")) }
    var bytes = Data(capacity: 8 + text.count + place)
    withUnsafeBytes(of: UInt64(text.count).littleEndian) { bytes.append(contentsOf: $0) }
    bytes.append(contentsOf: text)
    for tensor in state.layout.tensors {
      bytes.append(Data(buffer: UnsafeBufferPointer(state.weights[tensor])))
    }
    return bytes
  }
}
