import Foundation

/// The font that a package brings, since the machine may have none.
enum PackagedFont {
  /// Has libfontconfig read the package's `share/dogsled/fonts.conf`, where the program is in the
  /// `bin` beside that `share`; to be called before any thread is started.
  ///
  /// A `FONTCONFIG_FILE` that the user has set stays.
  static func choose() {
    let files = FileManager.default
    guard let program = try? files.destinationOfSymbolicLink(atPath: "/proc/self/exe") else {
      return
    }
    let folder = URL(fileURLWithPath: program).deletingLastPathComponent()
    guard folder.lastPathComponent == "bin" else { return }
    let file = folder.deletingLastPathComponent().path + "/share/dogsled/fonts.conf"
    if files.fileExists(atPath: file) { setenv("FONTCONFIG_FILE", file, 0) }
  }
}
