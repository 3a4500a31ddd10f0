import KernelInterface

/// What a model's frozen layers make of each picture: computed once, and kept.
///
/// The frozen layers' output does not depend on the other pictures of a batch, so it makes no
/// difference to the bits of a result whether it is kept or computed again.
final class FeatureCache {
  /// Maps that the rest of the model reads.
  private let maps: [FeatureMap]
  /// Floats of a picture in all of them.
  private let floats: Int
  private let memory: PlanMemory
  private let kept: Target
  /// Where each picture's begin, by its key.
  private var places: [Int: Int] = [:]
  /// Those of the step for which there is no room to keep them.
  private var passing: [Int: Int] = [:]
  /// Pictures that are kept at most.
  private let capacity: Int

  /// - Parameters:
  ///   - bytes: the most that is kept.
  ///   - batch: the most pictures of a step.
  init(_ maps: [FeatureMap], bytes: Int, pictures: Int, batch: Int) {
    self.maps = maps
    floats = Self.floats(of: maps)
    capacity = min(pictures, bytes / (floats * MemoryLayout<Float>.stride))
    memory = PlanMemory()
    kept = memory.floats((capacity + batch) * floats)
    places.reserveCapacity(capacity)
  }

  /// Floats that are kept of a picture.
  static func floats(of maps: [FeatureMap]) -> Int {
    maps.reduce(0) { $0 + $1.shape.height * $1.shape.width * $1.channelStride }
  }

  /// Whether a picture's are kept.
  func has(_ key: Int) -> Bool { places[key] != nil }

  /// Forgets what there was no room to keep.
  func beginStep() { passing.removeAll(keepingCapacity: true) }

  /// Keeps what the maps have of a picture; where there is no room, until the step is over.
  func keep(_ key: Int, of picture: Int) {
    let place: Int
    if places.count < capacity {
      place = places.count * floats
      places[key] = place
    } else {
      place = (capacity + passing.count) * floats
      passing[key] = place
    }
    forEachRow(of: picture, from: place) { row, kept, count in
      kept.update(from: row, count: count)
    }
  }

  /// Writes what is kept of a picture into the maps.
  func restore(_ key: Int, as picture: Int) {
    guard let place = places[key] ?? passing[key] else { return }
    forEachRow(of: picture, from: place) { row, kept, count in
      row.update(from: kept, count: count)
    }
  }

  private func forEachRow(
    of picture: Int, from place: Int, _ body: (_ row: Target, _ kept: Target, _ count: Int) -> Void
  ) {
    var place = place
    for map in maps {
      let count = map.shape.width * map.channelStride
      for row in 0..<map.shape.height {
        body(map.values + map.place(picture, row, 0), kept + place, count)
        place += count
      }
    }
  }
}
