import KernelInterface

extension FeatureMap {
  /// Writes a picture's bytes as floats, divided by 255: the one place where bytes become floats.
  ///
  /// It is called at two moments. A first stage that is a plain convolution calls it for one
  /// picture at a time, in both passes, while that picture is in the cache. For any other first
  /// stage the engine calls it for the whole batch, before the stage begins.
  /// - Parameters:
  ///   - bytes: height x width x channels of the map's shape.
  ///   - place: which of the map's pictures it becomes.
  ///   - needed: the rows and columns that are read; the others are left as they are.
  func read(
    _ bytes: UnsafePointer<UInt8>, at place: Int, _ needed: Extent,
    _ kernels: any KernelOperations.Type
  ) {
    let channels = shape.channels
    for row in 0..<needed.height {
      let target = values + place * pictureStride + row * rowStride
      let source = bytes + row * shape.width * channels
      if channelStride == channels {
        kernels.bytesToFloats(source, values: target, count: needed.width * channels)
      } else {
        for column in 0..<needed.width {
          kernels.bytesToFloats(
            source + column * channels, values: target + column * channelStride, count: channels)
        }
      }
    }
  }
}
