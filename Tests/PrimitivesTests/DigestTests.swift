import Primitives
import Testing

@Suite struct DigestTests {
  @Test func digestIsXXH3() {
    #expect(
      Digest(of: UnsafeRawBufferPointer(start: nil, count: 0)).description
        == "99aa06d3014798d86001c324468d497f")
    let bytes = (0..<1000).map { UInt8($0 % 251) }
    bytes.withUnsafeBytes { all in
      var hasher = DigestHasher()
      hasher.update(UnsafeRawBufferPointer(rebasing: all[..<7]))
      hasher.update(UnsafeRawBufferPointer(rebasing: all[7...]))
      #expect(hasher.finish() == Digest(of: all))
    }
    #expect(Digest("99aa06d3014798d86001c324468d497f")?.low == 0x6001_c324_468d_497f)
    #expect(Digest("99aa") == nil)
  }
}
