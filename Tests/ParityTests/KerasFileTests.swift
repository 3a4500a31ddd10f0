import Engine
import Foundation
import KerasFiles
import Testing

/// Model files that go between Dogsled and Keras.
extension KerasTests {
  @Test("Keras opens our file with weights, second moments, iteration and learning rate in place")
  func ourFile() throws {
    let moments = try #require(keras.model.state.slots.first)
    for (index, tensor) in keras.model.state.weights.layout.tensors.enumerated() {
      #expect(try keras.tensor("weights/\(index)") == Array(keras.model.state.weights[tensor]))
      #expect(try keras.tensor("average/\(index)") == Array(moments[tensor]))
    }
    #expect(try keras.tensor("iteration") == [77])
    #expect(try keras.tensor("learning_rate") == [keras.model.optimizer.learningRate])
  }

  @Test("Keras's next update goes on from our second moments")
  func continues() throws {
    let moments = try #require(keras.model.state.slots.first)
    for (index, tensor) in moments.layout.tensors.enumerated() {
      let gradients = try keras.tensor("after/gradients/\(index)")
      let expected = zip(moments[tensor], gradients).map { 0.9 * $0 + 0.1 * $1 * $1 }
      let error = relativeError(try keras.tensor("after/average/\(index)"), expected)
      #expect(error < 1e-4, "\(tensor.layer) \(tensor.kind)")
      #expect(
        try keras.tensor("after/weights/\(index)") != Array(keras.model.state.weights[tensor]))
    }
  }

  @Test("we read what Keras 3 saves")
  func keras3() throws {
    let read = try ModelFile(reading: keras.folder + "/keras3.h5")
    #expect(read.architecture == keras.model.architecture)
    #expect(read.state.updates == 78)
    #expect(read.optimizer.learningRate == keras.model.optimizer.learningRate)
    #expect((read.optimizer as? RMSprop)?.rho == 0.9)
    #expect((read.optimizer as? RMSprop)?.epsilon == 1e-7)
    let moments = try #require(read.state.slots.first)
    for (index, tensor) in read.state.weights.layout.tensors.enumerated() {
      #expect(try keras.tensor("after/weights/\(index)") == Array(read.state.weights[tensor]))
      #expect(try keras.tensor("after/average/\(index)") == Array(moments[tensor]))
    }
  }

  @Test(
    "Keras 2 opens our file, and we read what it saves",
    .enabled(if: Python.withKeras2 != nil, "DOGSLED_PYTHON names no python with tf_keras"))
  func keras2() throws {
    let read = try ModelFile(reading: keras.folder + "/keras2.h5")
    #expect(read.architecture.outputs == keras.model.architecture.outputs)
    #expect(
      read.architecture.layers.elementsEqual(keras.model.architecture.layers) {
        $0.layer == $1.layer
      })
    #expect(read.state.updates == 1)
    #expect(read.optimizer.learningRate == 2e-4)
    #expect((read.optimizer as? RMSprop)?.rho == 0.8)
    let moments = try #require(read.state.slots.first)
    for (index, tensor) in read.state.weights.layout.tensors.enumerated() {
      let keras2 = try HDF5.read(keras.folder + "/keras2_reference.h5") { file in
        try ["weights", "average", "loaded"].map { try file.floats("\($0)/\(index)") }
      }
      #expect(keras2[0] == Array(read.state.weights[tensor]))
      #expect(keras2[1] == Array(moments[tensor]))
      #expect(keras2[2] == Array(keras.model.state.weights[tensor]))
    }
  }
}
