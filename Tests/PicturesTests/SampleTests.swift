import Foundation
import Pictures
import Testing

@Suite struct SampleTests {
  @Test func picturesFollowFromTheSeed() throws {
    let place = try TemporaryFolder()
    let few = BookLayout.Counts(train: 3, validation: 1, test: 0)
    let more = BookLayout.Counts(train: 4, validation: 1, test: 1)
    let lines = try BookLayout.sample(to: "\(place.path)/a", few, seed: 7, threads: 1)
    _ = try BookLayout.sample(to: "\(place.path)/b", more, seed: 7, threads: 3)
    _ = try BookLayout.sample(to: "\(place.path)/c", few, seed: 8)
    #expect(lines[0] == "total training cat images: 3" && lines[5] == "total test dog images: 0")
    var sizes: Set<[Int]> = []
    for name in try place.names("a/train/dogs") {
      let file = try place.read("a/train/dogs/\(name)")
      #expect(file == (try place.read("b/train/dogs/\(name)")))
      #expect(file != (try place.read("c/train/dogs/\(name)")))
      let picture = try decode(file)
      sizes.insert([picture.height, picture.width])
      #expect((200...500).contains(picture.height) && (200...500).contains(picture.width))
    }
    #expect(sizes.count == 3)
    #expect(throws: PictureError.self) { try BookLayout.sample(to: place.path, few, seed: 1) }
  }

  @Test func moreKindsAreFurtherFolders() throws {
    let place = try TemporaryFolder()
    let counts = BookLayout.Counts(train: 2, validation: 1, test: 0)
    let two = try BookLayout.sample(to: "\(place.path)/two", counts, seed: 7)
    let four = try BookLayout.sample(to: "\(place.path)/four", counts, kinds: 4, seed: 7)
    #expect(two.count == 6 && four.count == 12)
    #expect(four[2...3] == ["total training bird images: 2", "total training fish images: 2"])
    #expect(try place.names("four/train") == ["birds", "cats", "dogs", "fish"])
    #expect(try place.names("four/train/fish") == ["fish.0.jpg", "fish.1.jpg"])
    var files: Set<[UInt8]> = []
    for (folder, name) in zip(["cats", "dogs", "birds", "fish"], ["cat", "dog", "bird", "fish"]) {
      files.insert(try place.read("four/train/\(folder)/\(name).0.jpg"))
    }
    #expect(files.count == 4)
    // The first two are what they are without the others.
    for name in ["cats/cat.1.jpg", "dogs/dog.1.jpg"] {
      #expect(try place.read("two/train/\(name)") == place.read("four/train/\(name)"))
    }
  }

  /// Weighing pixels alone must not tell cats from dogs: that is what a convnet is for.
  @Test func aLinearClassifierStaysBelow75Percent() throws {
    let place = try TemporaryFolder()
    let counts = BookLayout.Counts(train: 300, validation: 100, test: 0)
    _ = try BookLayout.sample(to: "\(place.path)/d", counts, seed: 1)
    let training = try load("\(place.path)/d/train")
    let validation = try load("\(place.path)/d/validation")
    let classifier = LinearClassifier(training.pixels, training.labels)
    // It can learn: it nearly knows its training pictures by heart.
    #expect(classifier.accuracy(training.pixels, training.labels) > 0.85)
    #expect(classifier.accuracy(validation.pixels, validation.labels) < 0.75)
  }

  private func load(_ folder: String) throws -> (pixels: [[Float]], labels: [Float]) {
    var (pixels, labels): ([[Float]], [Float]) = ([], [])
    for entry in try PictureFolder.scan(folder, classes: 2).entries {
      let picture = try decode(path: "\(folder)/\(entry.path)")
      let small = try Resize.resize(picture, height: 32, width: 32, .area)
      pixels.append(small.array.map { Float($0) / 255 - 0.5 })
      labels.append(Float(entry.label))
    }
    return (pixels, labels)
  }
}

/// Logistic regression by gradient descent with momentum.
private struct LinearClassifier {
  var weights: [Float]
  var bias: Float = 0

  init(_ pixels: [[Float]], _ labels: [Float]) {
    weights = Array(repeating: 0, count: pixels[0].count)
    var step = [Float](repeating: 0, count: weights.count)
    let rate: Float = 0.01
    for _ in 0..<300 {
      var (slope, biasSlope) = ([Float](repeating: 0, count: weights.count), Float(0))
      for (picture, label) in zip(pixels, labels) {
        let error = (probability(picture) - label) / Float(pixels.count)
        for i in slope.indices { slope[i] += error * picture[i] }
        biasSlope += error
      }
      for i in step.indices {
        step[i] = 0.9 * step[i] - rate * slope[i]
        weights[i] += step[i]
      }
      bias -= rate * biasSlope
    }
  }

  func probability(_ picture: [Float]) -> Float {
    var sum = bias
    for i in picture.indices { sum += weights[i] * picture[i] }
    return 1 / (1 + exp(-sum))
  }

  func accuracy(_ pixels: [[Float]], _ labels: [Float]) -> Double {
    let right = zip(pixels, labels).filter { (probability($0) > 0.5) == ($1 == 1) }.count
    return Double(right) / Double(labels.count)
  }
}
