/// Pictures with their labels: what a step or an evaluation computes with.
///
/// Whoever has the pictures puts the two together, and nobody takes them apart before the engine.
public struct Batch {
  /// A picture each: height x width x channels bytes, rows from the top.
  package let pictures: [UnsafePointer<UInt8>]
  /// Each picture's class, from 0.
  package let labels: [Int]
  /// What each picture's loss counts; none where all count 1.
  private(set) var weights: [Float] = []
  /// A number for each picture that no other picture of the run has: what the model's frozen layers
  /// make of it may be kept.
  ///
  /// None for pictures that look another way each time.
  private(set) var keys: [Int] = []
  /// What frees the pictures' memory.
  private let owners: [AnyObject]

  /// As many pictures as labels.
  /// - Parameters:
  ///   - pictures: per picture height x width x channels bytes; the engine divides them by 255.
  ///   - labels: per picture its class, from 0.
  ///   - owners: objects that keep the pictures' memory: they live as long as the batch does.
  ///     Without one that is up to the caller.
  public init(pictures: [UnsafePointer<UInt8>], labels: [Int], owners: [AnyObject] = []) {
    precondition(pictures.count == labels.count)
    (self.pictures, self.labels, self.owners) = (pictures, labels, owners)
  }

  /// The same pictures; the loss of each counts as much as `classWeights` says of its class.
  /// - Parameter classWeights: one a class; none for 1.
  public func weighted(_ classWeights: [Float]) -> Batch {
    guard !classWeights.isEmpty else { return self }
    var batch = self
    batch.weights = labels.map { classWeights[$0] }
    return batch
  }

  /// The same pictures, each with a number that no other picture of the run has.
  public func keyed(_ keys: [Int]) -> Batch {
    precondition(keys.count == count)
    var batch = self
    batch.keys = keys
    return batch
  }

  /// Pictures.
  public var count: Int { pictures.count }
}
