import CLZ4
import Engine
import NIOCore

/// Tensors as LZ4 frames, without loss.
///
/// A frame holds a whole `ParameterBuffer`, padding included, as little-endian floats. It carries
/// its content's size and checksum (LZ4 frame format 1.6.x).
public enum TensorCoding {
  /// One LZ4 frame of all floats.
  /// - Throws: `WireError` where LZ4 fails (out of memory).
  public static func encode(_ tensors: ParameterBuffer) throws -> Body {
    var preferences = preferences(contentSize: tensors.layout.bufferCount * 4)
    let source = UnsafeRawBufferPointer(tensors.buffer)
    let bound = LZ4F_compressFrameBound(source.count, &preferences)
    var frame = ByteBuffer()
    try frame.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { target in
      let written = LZ4F_compressFrame(
        target.baseAddress, target.count, source.baseAddress, source.count, &preferences)
      try check(written, "compress tensors")
      return written
    }
    return .frame(frame)
  }

  /// The most bytes of a frame for a buffer of `floats`.
  public static func maximumFrame(floats: Int) -> Int {
    var preferences = preferences(contentSize: floats * 4)
    return LZ4F_compressFrameBound(floats * 4, &preferences)
  }

  /// Writes a body's floats to `tensors`; a local body is copied.
  /// - Throws: `WireError` where the body is no intact frame of exactly that size. Nothing is
  ///   written where the announced size is another; what is written is to be thrown away where the
  ///   frame turns out to be damaged.
  public static func decode(_ body: Body, into tensors: ParameterBuffer) throws {
    switch body {
    case .local(let source):
      guard source.layout == tensors.layout else {
        throw WireError("received tensors of another model")
      }
      tensors.copy(from: source)
    case .frame(let frame):
      let target = UnsafeMutableRawBufferPointer(tensors.buffer)
      try frame.withUnsafeReadableBytes { try decode($0, into: target) }
      tensors.clearPadding()
    }
  }

  private static func decode(
    _ frame: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) throws {
    var context: OpaquePointer?
    try check(LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION)), "start LZ4")
    defer { LZ4F_freeDecompressionContext(context) }
    var info = LZ4F_frameInfo_t()
    var read = frame.count
    try check(
      LZ4F_getFrameInfo(context, &info, frame.baseAddress, &read), "read a frame of tensors")
    guard info.frameType == LZ4F_frame, info.contentSize == UInt64(target.count),
      info.contentChecksumFlag == LZ4F_contentChecksumEnabled
    else {
      throw WireError(
        "received tensors of \(info.contentSize) bytes where the model has \(target.count)")
    }
    var options = LZ4F_decompressOptions_t()
    options.stableDst = 1
    var written = 0
    while true {
      var sourceCount = frame.count - read
      var targetCount = target.count - written
      let hint = LZ4F_decompress(
        context, target.baseAddress! + written, &targetCount, frame.baseAddress! + read,
        &sourceCount, &options)
      try check(hint, "decompress tensors")
      read += sourceCount
      written += targetCount
      if hint == 0 { break }
      guard sourceCount > 0 || targetCount > 0 else {
        throw WireError("received tensors that end after \(written) of \(target.count) bytes")
      }
    }
    guard read == frame.count, written == target.count else {
      throw WireError("received \(frame.count - read) bytes too many behind the tensors")
    }
  }

  private static func preferences(contentSize: Int) -> LZ4F_preferences_t {
    var preferences = LZ4F_preferences_t()
    preferences.frameInfo.blockSizeID = LZ4F_max4MB
    preferences.frameInfo.blockMode = LZ4F_blockIndependent
    preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled
    preferences.frameInfo.contentSize = UInt64(contentSize)
    return preferences
  }

  private static func check(_ code: Int, _ action: String) throws {
    guard LZ4F_isError(code) != 0 else { return }
    throw WireError("cannot \(action): \(String(cString: LZ4F_getErrorName(code)))")
  }
}

extension ParameterBuffer {
  /// Makes the floats between two tensors zero, whatever a peer sent there.
  fileprivate func clearPadding() {
    var end = 0
    for tensor in layout.tensors + [nil] {
      let start = tensor?.offset ?? layout.bufferCount
      for index in end..<start { floats[index] = 0 }
      end = start + (tensor?.count ?? 0)
    }
  }
}
