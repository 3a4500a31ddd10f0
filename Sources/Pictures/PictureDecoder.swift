import Engine

/// Makes pictures of one size from JPEG files, in the way that the settings say.
public struct PictureDecoder: Sendable {
  /// How JPEGs are decoded and resized.
  public let settings: PictureSettings
  /// Rows of each picture.
  public let height: Int
  /// Columns of each picture.
  public let width: Int

  /// A decoder for pictures of `height` x `width`, both at least 1.
  public init(_ settings: PictureSettings, height: Int, width: Int) {
    (self.settings, self.height, self.width) = (settings, height, width)
  }

  /// A decoder for a model's input.
  public init(_ settings: PictureSettings, for input: Shape) {
    self.init(settings, height: input.height, width: input.width)
  }

  /// How many bytes each picture has: height x width x 3.
  var pictureBytes: Int { height * width * 3 }

  /// Decodes a JPEG file's bytes and resizes the picture.
  /// - Throws: `PictureError` without a path.
  public func decode(_ data: UnsafeRawBufferPointer) throws(PictureError) -> DecodedPicture {
    let least = settings.decoding == .fast ? (height: height, width: width) : nil
    return try JPEG.decode(data, least: least) { picture throws(PictureError) in
      try Resize.resize(picture, height: height, width: width, settings.interpolation)
    }
  }

  /// Reads the JPEG file at `path`, decodes it and resizes the picture.
  /// - Throws: `PictureError` that names the file.
  public func decode(path: String) throws(PictureError) -> DecodedPicture {
    try decode(FileBytes(path: path), path)
  }

  /// Decodes `file`, which was read from `path`, and resizes the picture.
  /// - Throws: `PictureError` that names the file.
  func decode(_ file: FileBytes, _ path: String) throws(PictureError) -> DecodedPicture {
    do {
      return try decode(file.bytes)
    } catch {
      throw error.about(path)
    }
  }
}
