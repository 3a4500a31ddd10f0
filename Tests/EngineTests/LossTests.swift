import Engine
import Foundation
import Testing

/// What one value says of a loss: its head, its classes, its gradient and its probabilities.
@Suite struct LossTests {
  @Test func aLossIsFoundByTheLastLayer() throws {
    let loss = try #require(Losses.fitting(.dense(units: 1, activation: .sigmoid)))
    #expect(type(of: loss).kerasName == "binary_crossentropy" && loss.classes == 2)
    for head: Layer in [
      .dense(units: 2, activation: .sigmoid), .dense(units: 1, activation: .relu), .flatten,
    ] {
      #expect(Losses.fitting(head) == nil)
    }
    #expect(Losses.fitting(nil) == nil)
    let error = #expect(throws: ArchitectureError.self) {
      try Architecture(
        input: Shape(height: 4, width: 4, channels: 3),
        layers: [(nil, .flatten), (nil, .dense(units: 2, activation: .relu))])
    }
    #expect(error?.description == #"the last layer must be Dense(1, activation="sigmoid")"#)
  }

  @Test(arguments: [(-3, 0), (-3, 1), (0, 0), (0, 1), (2.5, 0), (2.5, 1)] as [(Float, Int)])
  func aPicturesLoss(_ logit: Float, _ label: Int) throws {
    let loss = try #require(Losses.fitting(.dense(units: 1, activation: .sigmoid)))
    let second = 1 / (1 + exp(-Double(logit)))
    var gradient = Float.nan
    let (value, isCorrect) = loss.picture(logits: [logit], label: label, gradient: &gradient)
    #expect(abs(value + log(label == 1 ? second : 1 - second)) < 1e-12)
    #expect(abs(Double(gradient) - (second - Double(label))) < 1e-7)
    // Where neither class is more probable it is the first.
    #expect(isCorrect == (label == (logit > 0 ? 1 : 0)))
    let alone = loss.picture(logits: [logit], label: label, gradient: nil)
    #expect(alone.loss == value && alone.isCorrect == isCorrect)
    let probabilities = loss.probabilities(logits: [logit])
    #expect(probabilities.count == 2 && probabilities[0] + probabilities[1] == 1)
    #expect(abs(probabilities[1] - second) < 1e-7)
  }
}
