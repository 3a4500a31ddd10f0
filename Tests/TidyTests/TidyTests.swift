import Foundation
import Testing

/// The house rules that a machine can hold, beside those of `swift format lint`.
@Suite struct TidyTests {
  /// What each module may import beside Foundation, Synchronization and the C library.
  static let imports: [String: Set<String>] = [
    "Primitives": ["CXXHash"],
    "KernelInterface": [],
    "Kernels": ["KernelInterface"],
    "Engine": ["KernelInterface", "Kernels", "KernelsAVX2", "KernelsAVX512", "Primitives"],
    "Pictures": ["Engine", "Primitives", "CJPEG", "CCairo"],
    "Wire": ["Engine", "Primitives", "CLZ4", "NIOCore"],
    "KerasFiles": ["Pictures", "Engine", "Primitives", "CZlib"],
    "Coordination": ["Wire", "Primitives"],
    "Runs": ["Coordination", "KerasFiles", "Pictures", "Engine", "Primitives", "CCairo"],
    "Training": [
      "Runs", "Coordination", "KerasFiles", "Wire", "Pictures", "Engine", "Primitives",
    ],
    "Network": [
      "Training", "Coordination", "Wire", "Primitives", "CKey", "NIOCore", "NIOPosix", "NIOSSL",
      "NIOTLS", "Logging",
    ],
    "Simulation": [
      "Training", "Runs", "Coordination", "KerasFiles", "Wire", "Pictures", "Engine",
      "Primitives", "NIOCore",
    ],
    "simulate": ["Simulation", "Engine", "Primitives", "ArgumentParser"],
    "dogsled": [
      "Network", "Training", "Runs", "Coordination", "KerasFiles", "Wire", "Pictures", "Engine",
      "Primitives", "ArgumentParser", "Logging",
    ],
  ]
  static let always: Set<String> = [
    "Foundation", "FoundationEssentials", "Synchronization", "Glibc", "Dispatch",
  ]
  /// The rules are a function of their events alone: nothing in them reads a clock or a file.
  static let pure: Set<String> = ["Coordination"]
  static var importLine: Regex<(Substring, Substring)> {
    /^\s*(?:@\S+ |public |package |internal )*import (?:(?:struct|class|enum|func) )?(\w+)/
  }

  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// Every source file, links left out, with its path from the root.
  static func files(_ extensions: Set<String>) throws -> [(path: String, lines: [Substring])] {
    var files: [(String, [Substring])] = []
    for folder in ["Sources", "Tests", "cluster", "scripts"] {
      let base = root.appending(path: folder)
      let paths = try FileManager.default.subpathsOfDirectory(atPath: base.path)
      for path in paths.sorted() where extensions.contains(URL(filePath: path).pathExtension) {
        let file = base.appending(path: path)
        var isFolder: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: file.path, isDirectory: &isFolder)
        guard !isFolder.boolValue else { continue }
        let text = try String(contentsOf: file, encoding: .utf8)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        files.append(("\(folder)/\(path)", lines))
      }
    }
    return files
  }

  @Test func filesAndLinesAreShort() throws {
    let files = try Self.files(["swift", "c", "h", "py", "sh", ""])
    #expect(files.count > 40)
    for (path, lines) in files {
      #expect(lines.count <= 501, "\(path) has \(lines.count - 1) lines: split it")
      for (index, line) in lines.enumerated() where line.count > 100 {
        Issue.record("\(path):\(index + 1) has \(line.count) columns, more than 100")
      }
    }
  }

  @Test func modulesImportOnlyWhatTheyStandOn() throws {
    var seen: Set<String> = []
    for (path, lines) in try Self.files(["swift"]) where path.hasPrefix("Sources/") {
      let module = String(path.split(separator: "/")[1])
      guard let allowed = Self.imports[module] else {
        Issue.record("\(path): the module \(module) is not in this test's table")
        continue
      }
      seen.insert(module)
      for line in lines {
        // `import X`, `import struct X.Y`, after an attribute or an access level if any.
        guard let match = line.firstMatch(of: Self.importLine) else { continue }
        let name = String(match.1)
        let system = Self.pure.contains(module) ? [] : Self.always
        #expect(
          allowed.union(system).contains(name), "\(path) imports \(name), which is not below it")
      }
    }
    #expect(seen == Set(Self.imports.keys))
  }

  /// What starts threads whose failure nobody sees: the program hangs where one cannot be had.
  @Test func everyThreadIsMadeWhereItsFailureIsSeen() throws {
    let hidden: Regex<Substring> =
      #/
      \bThread\ \{ | \bThread\( | detachNewThread | DispatchQueue | concurrentPerform
      | \bTask\b | \basync\b | \bProcess\(\) | numberOfThreads:
      /#
    for (path, lines) in try Self.files(["swift"]) where path.hasPrefix("Sources/") {
      for (index, line) in lines.enumerated() {
        let code = line.firstRange(of: "//").map { line[..<$0.lowerBound] } ?? line[...]
        guard code.firstMatch(of: hidden) != nil else { continue }
        Issue.record("\(path):\(index + 1) starts a thread unchecked; use OwnThread: \(line)")
      }
    }
  }

  /// What git holds, or would hold: what somebody's own commands made beside it is theirs.
  @Test(.enabled(if: isClone, "no clone of git"))
  func theTopLevelHoldsOnlyWhatItMay() throws {
    let git = Process()
    git.executableURL = URL(filePath: "/usr/bin/env")
    git.arguments = ["git", "-C", Self.root.path, "ls-files"]
    let output = Pipe()
    git.standardOutput = output
    try git.run()
    let files = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    git.waitUntilExit()
    #expect(git.terminationStatus == 0)
    let names = Set(files.split(separator: "\n").compactMap { $0.split(separator: "/").first })
    let allowed: Set<Substring> = [
      "Package.swift", "Sources", "Tests", "cluster", "scripts", "README.md", "LICENSE",
    ]
    #expect(names.filter { !$0.hasPrefix(".") } == allowed)
  }

  private static var isClone: Bool {
    FileManager.default.fileExists(atPath: root.appending(path: ".git").path)
  }
}
