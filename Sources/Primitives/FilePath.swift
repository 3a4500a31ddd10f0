/// Names of files, as text.
package enum FilePath {
  /// The folder that `path` lies in, `.` for a bare name.
  ///
  /// (Foundation's `deletingLastPathComponent` of Swift 6.3 ends the program at a name of one
  /// letter.)
  package static func parent(of path: String) -> String {
    var name = path.utf8[...]
    while name.count > 1, name.last == UInt8(ascii: "/") { name.removeLast() }
    guard let slash = name.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == name.startIndex ? "/" : String(Substring(name[..<slash]))
  }
}
