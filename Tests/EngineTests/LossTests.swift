import Engine
import Foundation
import Testing

/// What one value says of a loss: its head, its classes, its gradient and its probabilities.
@Suite struct LossTests {
  @Test func aLossIsFoundByTheLastLayer() throws {
    let loss = try #require(Losses.fitting(units: 1, activation: .sigmoid))
    #expect(type(of: loss).kerasName == "binary_crossentropy" && loss.classes == 2)
    #expect(Losses.fitting(units: 2, activation: .sigmoid) == nil)
    #expect(Losses.fitting(units: 1, activation: .relu) == nil)
    let error = #expect(throws: ArchitectureError.self) {
      try Architecture(
        input: Shape(height: 4, width: 4, channels: 3),
        layers: [(nil, .flatten), (nil, .dense(units: 2, activation: .relu))])
    }
    #expect(
      error?.description == #"the last layer must be Dense(1, activation="sigmoid") or "#
        + #"Dense(classes, activation="softmax")"#)
  }

  @Test func aSoftmaxIsTheHeadOfAsManyClassesAsItHasUnits() throws {
    for units in [2, 3, 1000] {
      let loss = try #require(Losses.fitting(units: units, activation: .softmax))
      #expect(type(of: loss).kerasName == "categorical_crossentropy" && loss.classes == units)
    }
    #expect(Losses.fitting(units: 1, activation: .softmax) == nil)
  }

  @Test(
    arguments: [
      [0, 0, 0], [1, -2, 0.5], [30, -30, 29.5, 4], [1e4, -1e4, 0], [-7, -7.5],
      (0..<300).map { Float($0 % 17) * 0.25 - 2 },
    ] as [[Float]])
  func theLossOfMoreClasses(_ logits: [Float]) throws {
    let loss = try #require(
      Losses.fitting(units: logits.count, activation: .softmax))
    let largest = Double(logits.max() ?? 0)
    let sum = logits.reduce(0) { $0 + exp(Double($1) - largest) }
    let expected = logits.map { exp(Double($0) - largest) / sum }
    for label in [0, 1, logits.count - 1] {
      var gradient = [Float](repeating: .nan, count: logits.count)
      let (value, isCorrect) = loss.picture(logits: logits, label: label, gradient: &gradient)
      let own = log(sum) - (Double(logits[label]) - largest)
      #expect(abs(value - own) <= 1e-14 * max(1, own))
      #expect(isCorrect == (label == logits.firstIndex(of: logits.max() ?? 0)))
      #expect(isCorrect == (label == loss.answer(logits: logits)))
      for (i, derivative) in gradient.enumerated() {
        #expect(abs(Double(derivative) - (expected[i] - (i == label ? 1 : 0))) < 1e-7)
      }
      let alone = loss.picture(logits: logits, label: label, gradient: nil)
      #expect(alone.loss == value && alone.isCorrect == isCorrect)
    }
    let probabilities = loss.probabilities(logits: logits)
    for (own, expected) in zip(probabilities, expected) { #expect(abs(own - expected) < 1e-7) }
    #expect(probabilities.count == logits.count)
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity]) func aLogitThatIsNoNumber(_ bad: Float)
    throws
  {
    let loss = try #require(Losses.fitting(units: 3, activation: .softmax))
    #expect(!loss.picture(logits: [1, bad, 2], label: 1, gradient: nil).loss.isFinite)
    #expect(!loss.picture(logits: [bad, bad, bad], label: 1, gradient: nil).loss.isFinite)
  }

  @Test func theLogarithmOfAnyNumberFromOneOn() {
    for x in [1, 1.25, 2, 2.5, 3, 10, 99.75, 1e6, 1e300] {
      #expect(abs(logarithm(x) - log(x)) <= 4e-16 * max(log(x), 1), "\(x)")
    }
  }

  @Test(arguments: [(-3, 0), (-3, 1), (0, 0), (0, 1), (2.5, 0), (2.5, 1)] as [(Float, Int)])
  func aPicturesLoss(_ logit: Float, _ label: Int) throws {
    let loss = try #require(Losses.fitting(units: 1, activation: .sigmoid))
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
