import Engine
import NIOCore
import Testing
import Wire

@Suite("Tensors as LZ4 frames")
struct TensorCodingTests {
  func frame(of body: Body) throws -> ByteBuffer {
    guard case .frame(let frame) = body else { throw WireError("no frame") }
    return frame
  }

  /// Every bit, NaN and negative zero included.
  func bits(_ tensors: ParameterBuffer) -> [UInt32] { tensors.buffer.map(\.bitPattern) }

  @Test(arguments: [1, 40, 300])
  func roundTrip(units: Int) throws {
    let tensors = try sampleTensors(units: units)
    let body = try TensorCoding.encode(tensors)
    #expect(body.byteCount <= TensorCoding.maximumFrame(floats: tensors.layout.bufferCount))
    let copy = ParameterBuffer(tensors.layout)
    try TensorCoding.decode(body, into: copy)
    #expect(bits(copy) == bits(tensors))
    #expect(copy.digest == tensors.digest)
    let local = ParameterBuffer(tensors.layout)
    try TensorCoding.decode(.local(tensors), into: local)
    #expect(bits(local) == bits(tensors))
  }

  @Test func anotherModel() throws {
    let small = try TensorCoding.encode(sampleTensors(units: 40))
    let target = try sampleTensors(seed: 2, units: 41)
    let before = bits(target)
    let error = #expect(throws: WireError.self) { try TensorCoding.decode(small, into: target) }
    #expect(error?.description.contains("where the model has") == true)
    #expect(bits(target) == before, "nothing may be written")
    #expect(throws: WireError.self) {
      try TensorCoding.decode(.local(sampleTensors(units: 40)), into: target)
    }
  }

  @Test func floatsBetweenTensorsStayZero() throws {
    let tensors = try sampleTensors()
    let layout = tensors.layout
    let last = layout.tensors[layout.tensors.count - 1]
    let padding = last.offset + last.count..<layout.bufferCount
    #expect(!padding.isEmpty)
    for index in padding { tensors.floats[index] = 9 }
    let body = try TensorCoding.encode(tensors)
    let copy = ParameterBuffer(layout)
    try TensorCoding.decode(body, into: copy)
    for index in padding { #expect(copy.floats[index] == 0) }
    #expect(copy.digest == tensors.digest)
  }

  /// Each truncation, and one flipped bit anywhere, is found.
  @Test func damage() throws {
    let tensors = try sampleTensors(units: 2)
    let whole = try frame(of: TensorCoding.encode(tensors))
    let target = ParameterBuffer(tensors.layout)
    for length in Array(0..<64) + Array(stride(from: 64, to: whole.readableBytes, by: 37)) {
      let part = whole.getSlice(at: 0, length: length)!
      #expect(throws: WireError.self) { try TensorCoding.decode(.frame(part), into: target) }
    }
    for index in Array(0..<64) + Array(stride(from: 64, to: whole.readableBytes, by: 29)) {
      var damaged = whole
      let byte: UInt8 = whole.getInteger(at: index)!
      damaged.setInteger(byte ^ (1 << UInt8(index % 8)), at: index)
      #expect(throws: WireError.self, "bit flipped in byte \(index)") {
        try TensorCoding.decode(.frame(damaged), into: target)
      }
    }
    var longer = whole
    longer.writeInteger(0 as UInt8)
    #expect(throws: WireError.self) { try TensorCoding.decode(.frame(longer), into: target) }
  }

  /// A frame that says how many bytes it holds, and then holds more, writes none beyond the end.
  @Test func contentLongerThanAnnounced() throws {
    let small = try sampleTensors(units: 40)
    let large = try sampleTensors(units: 300)
    let honest = try frame(of: TensorCoding.encode(small))
    let liar = try frame(of: TensorCoding.encode(large))
    // The header of a frame with content size and checksum has 15 bytes.
    var forged = honest.getSlice(at: 0, length: 15)!
    forged.writeImmutableBuffer(liar.getSlice(at: 15, length: liar.readableBytes - 15)!)
    #expect(throws: WireError.self) {
      try TensorCoding.decode(.frame(forged), into: ParameterBuffer(small.layout))
    }
  }
}
