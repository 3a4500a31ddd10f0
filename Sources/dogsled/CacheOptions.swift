import ArgumentParser
import Foundation
import Pictures
import Training

/// Where a worker keeps the pictures that its coordinators send.
struct CacheOptions: ParsableArguments {
  private static let usualGigabytes = 20.0

  @Option(
    help: ArgumentHelp(
      "Keep the pictures that the coordinator sends here (default: dogsled in $XDG_CACHE_HOME "
        + "or in ~/.cache).", valueName: "dir"),
    completion: .directory)
  var cache: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The most that is kept; what was used longest ago goes (default: 20).", valueName: "gb"))
  var cacheSize: Double?

  func check(data: String?) throws {
    if let cacheSize, !(0.001...1e6).contains(cacheSize) {
      throw ValidationError("--cache-size must be from 0.001 to 1000000 GB, not \(cacheSize)")
    }
    guard cacheSize == nil || cache != nil || data == nil else {
      throw ValidationError("--cache-size is for --cache: with --data alone nothing is kept")
    }
    guard cache != "" else { throw ValidationError("--cache: a folder has a name") }
  }

  /// Where the pictures of a worker with this data folder come from.
  /// - Throws: `FileError` where nothing can be kept.
  func pictures(data: String?) throws -> WorkerPictures {
    if let data, cache == nil { return .folder(data) }
    let limit = Int((cacheSize ?? Self.usualGigabytes) * 1e9)
    return .fetched(
      data: data.map(Self.absolute),
      cache: try PictureCache(folder: Self.absolute(cache ?? Self.usual), limit: limit))
  }

  private static var usual: String {
    let variables = ProcessInfo.processInfo.environment
    if let caches = variables["XDG_CACHE_HOME"], caches.hasPrefix("/") {
      return "\(caches)/dogsled"
    }
    return "\(variables["HOME"] ?? NSTemporaryDirectory())/.cache/dogsled"
  }

  private static func absolute(_ path: String) -> String {
    path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)"
  }
}
