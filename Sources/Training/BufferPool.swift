import Engine

/// Buffers of one layout that are used again once nobody else holds them.
///
/// Whoever hands a buffer to another thread does so through a lock (a `Mailbox`), and so does
/// whoever gives it up; then a buffer that only the pool holds is free.
struct BufferPool {
  private let layout: ParameterLayout
  private var buffers: [ParameterBuffer] = []

  /// No buffers yet.
  init(_ layout: ParameterLayout) { self.layout = layout }

  /// Buffers, whoever holds them.
  var count: Int { buffers.count }

  /// A buffer of whatever contents.
  mutating func take() -> ParameterBuffer {
    for index in buffers.indices where isKnownUniquelyReferenced(&buffers[index]) {
      return buffers[index]
    }
    let buffer = ParameterBuffer(layout)
    buffers.append(buffer)
    return buffer
  }
}
