import Engine
import Foundation
import Testing

/// Architectures, digests, random draws and the loss's functions.
@Suite struct ValueTests {
  @Test func bookHasTheBooksParameters() throws {
    let book = try Architecture.book()
    #expect(book.parameters.parameterCount == 3_453_121)
    #expect(
      book.outputs.map(\.description).prefix(2) == ["(None, 148, 148, 32)", "(None, 74, 74, 32)"])
    #expect(book.layers.map(\.name).suffix(3) == ["flatten", "dense", "dense_1"])
    #expect(book.parameters.tensors.allSatisfy { $0.offset % 16 == 0 })
  }

  private static let misfits: [(layers: [any Layer], words: String)] = [
    ([.dense(units: 1, activation: .sigmoid)], "needs a flat input"),
    ([.flatten, .dense(units: 2, activation: .sigmoid)], "last layer"),
    ([.convolution(Convolution(filters: 4, size: 20))], "does not fit"),
    ([.maxPooling(size: 13)], "pooling by 13 x 13"),
    ([.flatten, .dense(units: 1 << 60, activation: .relu)], "too many"),
    ([.convolution(Convolution(filters: 1 << 55))], "too many"),
    ([.flatten, .convolution(Convolution(filters: 4))], "cannot follow"),
  ]

  @Test(arguments: misfits)
  func refusesWhatDoesNotFit(_ layers: [any Layer], _ words: String) throws {
    let error = #expect(throws: ArchitectureError.self) {
      try Architecture(
        input: Shape(height: 12, width: 12, channels: 3), layers: layers.map { (nil, $0) })
    }
    #expect(error?.description.contains(words) == true)
  }

  @Test func lossFunctionsAgreeWithTheMathematicsLibrary() {
    for x in stride(from: -60.0, through: 0, by: 0.37) {
      #expect(abs(exponential(x) / exp(x) - 1) < 1e-15)
    }
    #expect(exponential(-1000) == 0 && exponential(0) == 1 && exponential(.nan).isNaN)
    for x in stride(from: 1.0, through: 2, by: 0.013) {
      #expect(abs(logarithm(x) - log(x)) < 4e-16)
    }
    for z in [-80, -3, -0.1, 0, 0.1, 3, 80] as [Float] {
      for y in [0, 1] as [Float] {
        let p = 1 / (1 + exp(-Double(z)))
        let (loss, derivative) = binaryCrossEntropy(logit: z, label: y)
        let expected = y == 1 ? -log(p) : z < 30 ? -log(1 - p) : Double(z)
        #expect(abs(loss - expected) <= 1e-12 * max(1, expected))
        #expect(abs(Double(derivative) - (p - Double(y))) < 1e-7)
      }
    }
  }
}
