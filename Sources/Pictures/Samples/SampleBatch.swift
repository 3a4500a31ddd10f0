import Engine
import Primitives

extension BookLayout {
  /// Draws a batch of cats and dogs in turn, of a model's size: pictures that are as unlike noise
  /// as photographs are, without files.
  ///
  /// A picture depends on the seed and its number alone.
  /// - Parameters:
  ///   - number: of the batch, from 0.
  ///   - count: pictures.
  ///   - classes: of the model; the kinds of animal are its first two.
  /// - Throws: `PictureError` where there is no memory for a picture.
  public static func drawnBatch(
    _ number: Int, of count: Int, for input: Shape, classes: Int, seed: UInt64
  ) throws(PictureError) -> Batch {
    var pictures: [DecodedPicture] = []
    for index in 0..<count {
      let draws = CounterRandom(
        seed: seed, purpose: .samplePicture, UInt64(index % 2), UInt64(number * count + index))
      var random = SampleRandom(draws)
      let picture = try SamplePicture.draw(index % 2 == 0 ? .cat : .dog, &random)
      pictures.append(
        try Resize.resize(picture, height: input.height, width: input.width, .nearest))
    }
    return Batch(
      pictures: pictures.map(\.bytes), labels: pictures.indices.map { $0 % 2 % classes },
      owners: pictures)
  }
}
