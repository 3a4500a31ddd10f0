import CZlib

/// Undoes what zip files call deflate: RFC 1951, without zlib's head.
enum Inflation {
  /// Bytes inflated; nil where they are damaged, or not exactly `count`.
  static func inflated(_ bytes: [UInt8], count: Int) -> [UInt8]? {
    var stream = z_stream()
    let size = Int32(MemoryLayout<z_stream>.size)
    guard inflateInit2_(&stream, -MAX_WBITS, zlibVersion(), size) == Z_OK else { return nil }
    defer { inflateEnd(&stream) }
    var isWhole = false
    // One more than there may be: zlib says that it ended only where it has room.
    var source = bytes
    let result = [UInt8](unsafeUninitializedCapacity: count + 1) { memory, initialized in
      source.withUnsafeMutableBufferPointer { source in
        stream.next_in = source.baseAddress
        stream.avail_in = uInt(source.count)
        stream.next_out = memory.baseAddress
        stream.avail_out = uInt(count + 1)
        isWhole = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0
        initialized = count + 1 - Int(stream.avail_out)
      }
    }
    return isWhole && result.count == count ? result : nil
  }
}
