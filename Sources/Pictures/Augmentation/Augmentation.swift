/// How training pictures are changed at random, with the meaning of Keras's `ImageDataGenerator`.
///
/// Each pass over the data draws a change of its own for every picture (`PictureTransform`).
/// Pictures to validate on, test or predict are never changed.
public struct Augmentation: Hashable, Sendable {
  /// What is seen beyond a picture's edges, by the names of Keras's `fill_mode`.
  public enum FillMode: String, Codable, CaseIterable, Sendable {
    /// The pixel at the edge: aaaa|abcd|dddd.
    case nearest
    /// Black.
    case constant
    /// The picture mirrored at its edge: dcba|abcd|dcba.
    case reflect
    /// The picture again. The first and the last pixel lie on each other: bcd|abcd|bcd.
    case wrap
  }

  /// The most degrees that a picture is turned by, either way.
  public var rotation: Float = 0
  /// The most that it is moved to the left or right, as a fraction of its width.
  public var widthShift: Float = 0
  /// The most that it is moved up or down, as a fraction of its height.
  public var heightShift: Float = 0
  /// The most degrees that it is sheared by, either way.
  public var shear: Float = 0
  /// By how much less or more of it is seen, along rows and along columns by draws of their own.
  public var zoom = FactorRange.around(0)
  /// Whether rows and columns are zoomed by one draw, so that shapes stay.
  public var keepsAspect = false
  /// Whether every second picture is mirrored, left for right.
  public var horizontalFlip = false
  /// Whether every second picture is turned upside down, by mirroring.
  public var verticalFlip = false
  /// What its pixels are multiplied by.
  public var brightness = FactorRange.around(0)
  /// What is seen beyond its edges.
  public var fillMode = FillMode.nearest

  /// None: pictures stay as they are.
  public init() {}

  /// The book's settings: Chollet, Deep Learning with Python, section 5.2.5.
  public static let book: Augmentation = {
    var settings = Augmentation()
    settings.rotation = 40
    (settings.widthShift, settings.heightShift) = (0.2, 0.2)
    settings.shear = 0.2
    settings.zoom = .around(0.2)
    settings.horizontalFlip = true
    return settings
  }()

  /// The most degrees that may be asked for: half a turn.
  public static let rotationMost: Float = 180

  /// Whether all pictures stay as they are.
  public var isNone: Bool {
    !movesPixels && brightness.isOne && !horizontalFlip && !verticalFlip
  }

  /// Whether something beyond a picture's edges may be seen.
  public var movesPixels: Bool {
    rotation != 0 || widthShift != 0 || heightShift != 0 || shear != 0 || !zoom.isOne
  }

  /// Whether each value is one that a run may have.
  var isValid: Bool {
    (0...Self.rotationMost).contains(rotation) && (0..<1).contains(widthShift)
      && (0..<1).contains(heightShift) && (0..<90).contains(shear) && zoom.isValid
      && brightness.isValid
  }
}

extension Augmentation: LosslessStringConvertible {
  /// From what `description` says; nil for anything else, or where a value is out of its range.
  public init?(_ description: String) {
    let words = description.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard words.count == 10, let rotation = Float(words[0]), let widthShift = Float(words[1]),
      let heightShift = Float(words[2]), let shear = Float(words[3]),
      let zoom = FactorRange(words[4]), let horizontalFlip = Bool(words[5]),
      let verticalFlip = Bool(words[6]), let brightness = FactorRange(words[7]),
      let fillMode = FillMode(rawValue: words[8]), let keepsAspect = Bool(words[9])
    else { return nil }
    (self.rotation, self.widthShift, self.heightShift) = (rotation, widthShift, heightShift)
    (self.shear, self.zoom, self.brightness) = (shear, zoom, brightness)
    (self.horizontalFlip, self.verticalFlip, self.fillMode) = (
      horizontalFlip, verticalFlip, fillMode
    )
    self.keepsAspect = keepsAspect
    guard isValid else { return nil }
  }

  /// `40.0 0.2 0.2 0.2 0.2 true false 0.0 nearest false`: the values, the last `keepsAspect`.
  public var description: String {
    "\(rotation) \(widthShift) \(heightShift) \(shear) \(zoom) \(horizontalFlip) \(verticalFlip) "
      + "\(brightness) \(fillMode.rawValue) \(keepsAspect)"
  }
}
