// A network as ONNX has it: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3 gives the
// numbers of the fields.

import Engine
import Foundation

/// A graph of ONNX's operators that is being made.
///
/// Maps are [n, channels, height, width] in it, flat values [n, units].
struct ONNXGraph {
  /// What an attribute of an operator can be.
  enum Attribute {
    case float(Float)
    case integer(Int)
    case integers([Int])
    case text(String)
  }

  /// Of the operators used: the first with all of them as they are computed here.
  static let operators = 13
  private static let float32 = 1
  private static let int64 = 7

  private var graph = Protobuf()
  private var count = 0
  private var constants: Set<String> = []

  /// The layer whose operators are made; names begin with it.
  var layer = ""
  private let weights: ParameterBuffer
  private let tensors: [String: [ParameterLayout.Tensor]]

  /// - Parameter weights: the model's.
  init(weights: ParameterBuffer) {
    self.weights = weights
    tensors = Dictionary(grouping: weights.layout.tensors, by: \.layer)
  }

  // MARK: What layers are made of

  /// Adds an operator with one output.
  /// - Returns: the output's name.
  mutating func add(
    _ kind: String, _ inputs: [String], _ attributes: [String: Attribute] = [:]
  ) -> String {
    count += 1
    let output = "\(layer)/\(kind)_\(count)"
    add(kind, inputs, attributes, output: output)
    return output
  }

  /// Adds an operator whose output has a name.
  mutating func add(
    _ kind: String, _ inputs: [String], _ attributes: [String: Attribute] = [:], output: String
  ) {
    var node = Protobuf()
    for input in inputs { node.append(1, input) }
    node.append(2, output)
    node.append(3, output)
    node.append(4, kind)
    for (name, attribute) in attributes.sorted(by: { $0.key < $1.key }) {
      var message = Protobuf()
      message.append(1, name)
      switch attribute {
      case .float(let value):
        message.append(2, value)
        message.append(20, 1)
      case .integer(let value):
        message.append(3, value)
        message.append(20, 2)
      case .integers(let values):
        for value in values { message.append(8, value) }
        message.append(20, 7)
      case .text(let text):
        message.append(4, text)
        message.append(20, 3)
      }
      node.append(5, message)
    }
    graph.append(1, node)
  }

  /// A tensor of the layer's weights, its dimensions in another order.
  /// - Parameters:
  ///   - order: which of Keras's dimensions comes first, second and so on; nil as they are.
  ///   - shape: makes other dimensions of those in their new order.
  /// - Returns: its name; nil where the layer has no such tensor.
  mutating func tensor(
    _ kind: ParameterLayout.Kind, order: [Int]? = nil, shape: ([Int]) -> [Int] = { $0 }
  ) -> String? {
    guard let tensor = tensors[layer]?.first(where: { $0.kind == kind }) else { return nil }
    let order = order ?? Array(tensor.shape.indices)
    let values = Self.transposed(weights[tensor], tensor.shape, order)
    return constant(kind.rawValue, shape: shape(order.map { tensor.shape[$0] }), values)
  }

  /// The numbers of a tensor of the layer's; none where it has no such tensor.
  func numbers(_ kind: ParameterLayout.Kind) -> [Float] {
    tensors[layer]?.first { $0.kind == kind }.map { Array(weights[$0]) } ?? []
  }

  /// Floats that are the same for every picture; those of one layer and name are the same.
  /// - Returns: what they are called in the file.
  mutating func constant(_ name: String, shape: [Int] = [], _ values: [Float]) -> String {
    let full = "\(layer)/\(name)"
    let data = values.withUnsafeBytes { Data($0) }
    if constants.insert(full).inserted {
      graph.append(5, Self.message(full, shape, Self.float32, data))
    }
    return full
  }

  /// Integers that are the same for every picture, as `constant`.
  mutating func integers(_ name: String, _ values: [Int]) -> String {
    let full = "\(layer)/\(name)"
    let data = values.map(Int64.init).withUnsafeBytes { Data($0) }
    if constants.insert(full).inserted {
      graph.append(5, Self.message(full, [values.count], Self.int64, data))
    }
    return full
  }

  private static func message(
    _ name: String, _ shape: [Int], _ type: Int, _ data: Data
  ) -> Protobuf {
    var message = Protobuf()
    for size in shape { message.append(1, size) }
    message.append(2, type)
    message.append(8, name)
    message.append(9, data)
    return message
  }

  private static func transposed(
    _ values: UnsafeMutableBufferPointer<Float>, _ shape: [Int], _ order: [Int]
  ) -> [Float] {
    guard order != Array(shape.indices) else { return Array(values) }
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() {
      strides[axis] = strides[axis + 1] * shape[axis + 1]
    }
    let (sizes, steps) = (order.map { shape[$0] }, order.map { strides[$0] })
    var index = [Int](repeating: 0, count: shape.count)
    var place = 0
    return (0..<values.count).map { _ in
      defer {
        // The next place: the last dimension is counted up first.
        for axis in sizes.indices.reversed() {
          index[axis] += 1
          place += steps[axis]
          if index[axis] < sizes[axis] { break }
          place -= index[axis] * steps[axis]
          index[axis] = 0
        }
      }
      return values[place]
    }
  }

  // MARK: The file

  /// The whole model.
  /// - Parameters:
  ///   - input: a name and the dimensions behind the first, which is the number of pictures.
  ///   - output: likewise.
  ///   - metadata: what the file says of itself.
  func model(
    input: (name: String, shape: [Int]), output: (name: String, shape: [Int]),
    metadata: [String: String]
  ) -> Data {
    var graph = graph
    graph.append(2, "dogsled")
    graph.append(11, Self.value(input))
    graph.append(12, Self.value(output))
    var operators = Protobuf()
    operators.append(2, Self.operators)
    var model = Protobuf()
    // The version of the format that these operators came with.
    model.append(1, 7)
    model.append(2, "dogsled")
    model.append(7, graph)
    model.append(8, operators)
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      var entry = Protobuf()
      entry.append(1, key)
      entry.append(2, value)
      model.append(14, entry)
    }
    return model.bytes
  }

  private static func value(_ value: (name: String, shape: [Int])) -> Protobuf {
    var shape = Protobuf()
    var batch = Protobuf()
    batch.append(2, "n")
    shape.append(1, batch)
    for size in value.shape {
      var dimension = Protobuf()
      dimension.append(1, size)
      shape.append(1, dimension)
    }
    var tensor = Protobuf()
    tensor.append(1, float32)
    tensor.append(2, shape)
    var type = Protobuf()
    type.append(1, tensor)
    var message = Protobuf()
    message.append(1, value.name)
    message.append(2, type)
    return message
  }
}
