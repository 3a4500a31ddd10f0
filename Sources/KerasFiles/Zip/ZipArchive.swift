// A zip file, open for reading: what Keras 3 puts a model into. The format is PKWARE's APPNOTE.TXT.

import Primitives

/// A zip file with its list of members.
///
/// Nothing in it is believed: every place and length is checked against the file's size before it
/// is used, each member against its checksum, and no more memory is taken than the file's size
/// justifies.
struct ZipArchive {
  /// The first four bytes of a file with members.
  static let signature: [UInt8] = Array("PK\u{3}\u{4}".utf8)
  /// The most bytes of the list of members; Keras's have three, and assets.
  private static let mostInDirectory = 16 << 20
  /// Bytes that every member may inflate to, however small it is.
  private static let allowance = 1 << 20

  /// What the list says of one.
  private struct Member {
    let flags: Int
    let method: Int
    let checksum: Int
    let stored: Int
    let size: Int
    let header: Int
  }

  /// The file, as it was named.
  var path: String { file.path }

  private let file: PlainFile
  private var members: [[UInt8]: Member] = [:]
  /// Where the list begins: members lie before it.
  private let directory: Int

  /// Reads the list of members.
  /// - Throws: `ModelFileError` where it is damaged, cut short, or of a kind that Keras does not
  ///   write; `FileError`.
  init(_ file: PlainFile) throws {
    self.file = file
    let end = try Self.end(of: file)
    guard end.entries != 0xFFFF, end.length != 0xFFFF_FFFF, end.start != 0xFFFF_FFFF else {
      throw Self.refused(file, "a zip file of more than 4 GiB or 65,535 members")
    }
    guard end.length <= Self.mostInDirectory, end.start + end.length == end.place else {
      throw Self.damaged(file, "its list of members is not where it should be")
    }
    directory = end.start
    var list = ZipCursor(try file.bytes(at: end.start, count: end.length))
    for _ in 0..<end.entries {
      guard list.number(4) == 0x0201_4B50, list.skip(4), let flags = list.number(2),
        let method = list.number(2), list.skip(4), let checksum = list.number(4),
        let stored = list.number(4), let size = list.number(4), let nameLength = list.number(2),
        let extra = list.number(2), let comment = list.number(2), list.skip(8),
        let header = list.number(4), let name = list.bytes(nameLength),
        list.skip(extra + comment)
      else { throw Self.damaged(file, "its list of members is damaged") }
      let member = Member(
        flags: flags, method: method, checksum: checksum, stored: stored, size: size,
        header: header)
      guard members.updateValue(member, forKey: name) == nil else {
        throw Self.damaged(file, "it has two members of the same name, \(Self.shown(name))")
      }
    }
    guard list.remaining == 0 else {
      throw Self.damaged(file, "it has more members than it says")
    }
  }

  /// Whether there is a member of this name.
  func contains(_ name: String) -> Bool { members[Array(name.utf8)] != nil }

  /// A member whole, checked.
  /// - Parameter most: more bytes are refused.
  /// - Throws: `ModelFileError` where it is not there, damaged, or too large; `FileError`.
  func text(of name: String, atMost most: Int) throws -> String {
    let (member, place) = try member(name)
    guard member.size <= most else {
      throw ModelFileError("\(path(name)): \(member.size) bytes: no model has so many there")
    }
    let bytes: [UInt8]
    if member.method == 0 {
      bytes = try file.bytes(at: place, count: member.size)
      try check(name, member) { $0.update(bytes) }
    } else {
      bytes = try inflated(name, member, at: place, atMost: most)
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ModelFileError("\(path(name)): no text in UTF-8")
    }
    return text
  }

  /// A member's bytes, checked, for a reader that jumps in them: left in the file where they are
  /// stored as they are.
  /// - Throws: `ModelFileError` where it is not there or damaged; `FileError`.
  func source(of name: String) throws -> HDF5Source {
    let (member, place) = try member(name)
    guard member.method == 0 else {
      // Numbers are hardly made smaller: who says otherwise wants memory.
      let most = Self.allowance + 16 * member.stored
      return HDF5Source(
        try inflated(name, member, at: place, atMost: most), named: path(name))
    }
    try check(name, member) { sum in
      let piece = 1 << 20
      for start in stride(from: 0, to: member.size, by: piece) {
        sum.update(try file.bytes(at: place + start, count: min(piece, member.size - start)))
      }
    }
    return HDF5Source(file, part: place..<place + member.size, named: path(name))
  }

  /// As errors name it.
  private func path(_ name: String) -> String { "\(file.path): \(name)" }

  /// The member of a name, and where its bytes begin.
  private func member(_ name: String) throws -> (Member, place: Int) {
    guard let member = members[Array(name.utf8)] else {
      throw ModelFileError("\(file.path): a zip file, but no Keras model: it has no \(name)")
    }
    guard member.size != 0xFFFF_FFFF, member.stored != 0xFFFF_FFFF else {
      throw Self.refused(file, "\(name), which has more than 4 GiB")
    }
    guard member.flags & 1 == 0 else {
      throw Self.refused(file, "\(name), which is encrypted")
    }
    guard member.method == 0 || member.method == 8 else {
      throw Self.refused(file, "\(name), which is compressed by method \(member.method)")
    }
    let head = 30
    guard member.header <= directory - head else {
      throw Self.damaged(file, "\(name) is not where it should be")
    }
    var header = ZipCursor(try file.bytes(at: member.header, count: head))
    guard header.number(4) == 0x0403_4B50, header.skip(22), let nameLength = header.number(2),
      let extra = header.number(2)
    else { throw Self.damaged(file, "\(name) is not where it should be") }
    let place = member.header + head + nameLength + extra
    guard place <= directory, member.stored <= directory - place,
      nameLength == name.utf8.count,
      try file.bytes(at: member.header + head, count: nameLength).elementsEqual(name.utf8),
      member.method != 0 || member.stored == member.size
    else { throw Self.damaged(file, "\(name) reaches past its end") }
    return (member, place)
  }

  private func inflated(
    _ name: String, _ member: Member, at place: Int, atMost most: Int
  ) throws -> [UInt8] {
    guard member.size <= most else {
      throw ModelFileError(
        "\(path(name)): \(member.stored) bytes that claim to be \(member.size): save the model "
          + "again with Keras, which does not compress")
    }
    let stored = try file.bytes(at: place, count: member.stored)
    guard let bytes = Inflation.inflated(stored, count: member.size) else {
      throw Self.damaged(file, "\(name) cannot be inflated")
    }
    try check(name, member) { $0.update(bytes) }
    return bytes
  }

  private func check(
    _ name: String, _ member: Member, _ body: (inout ZipChecksum) throws -> Void
  ) throws {
    var sum = ZipChecksum()
    try body(&sum)
    guard sum.value == member.checksum else {
      throw Self.damaged(file, "\(name) has another checksum")
    }
  }

  /// The record at the end of a zip file, behind which there may be a comment.
  private static func end(
    of file: PlainFile
  ) throws -> (place: Int, entries: Int, length: Int, start: Int) {
    let length = 22
    let count = min(file.size, length + 0xFFFF)
    let first = file.size - count
    let tail = try file.bytes(at: first, count: count)
    for place in stride(from: count - length, through: 0, by: -1) {
      guard tail[place..<place + 4].elementsEqual("PK\u{5}\u{6}".utf8) else { continue }
      var record = ZipCursor(Array(tail[place...]))
      guard record.number(4) == 0x0605_4B50, let disk = record.number(2),
        let listDisk = record.number(2), let here = record.number(2),
        let entries = record.number(2), let length = record.number(4),
        let start = record.number(4), let comment = record.number(2), comment == record.remaining
      else { continue }
      guard disk == 0, listDisk == 0, here == entries else {
        throw refused(file, "a zip file in several parts")
      }
      return (first + place, entries, length, start)
    }
    throw damaged(file, "a zip file without its end")
  }

  private static func damaged(_ file: PlainFile, _ what: String) -> ModelFileError {
    ModelFileError("\(file.path): a damaged zip file, or one that is cut short: \(what)")
  }

  private static func refused(_ file: PlainFile, _ what: String) -> ModelFileError {
    ModelFileError(
      "\(file.path): \(what), which Dogsled does not read: save the model again with Keras")
  }

  private static func shown(_ name: [UInt8]) -> String {
    String(decoding: name, as: UTF8.self).oneLine
  }
}
