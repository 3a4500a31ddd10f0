import Foundation
import Testing

/// What is written for who carries on names what there is: each module's catalogue, README's tables
/// and the table of defects.
@Suite struct DocumentationTests {
  /// A catalogue's first lines and links.
  struct Catalogue {
    let module: String
    let lines: [Substring]

    init(_ module: String) throws {
      self.module = module
      let path = "Sources/\(module)/\(module).docc/\(module).md"
      let text = try String(contentsOf: TidyTests.root.appending(path: path), encoding: .utf8)
      lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// The lines below a heading, without the empty ones and the fences of code.
    func section(_ heading: String) -> [Substring] {
      guard let start = lines.firstIndex(of: "## \(heading)") else { return [] }
      return lines[(start + 1)...].prefix { !$0.hasPrefix("## ") }
        .filter { !$0.isEmpty && !$0.hasPrefix("```") }
    }

    /// The paths between pairs of backticks, ``Type/member``.
    var symbols: [Substring] {
      lines.flatMap { line in line.matches(of: /``([^`]+)``/).map(\.1) }
    }

    /// What stands between single backticks.
    var words: [Substring] { lines.flatMap(DocumentationTests.words) }
  }

  static let modules = TidyTests.imports.keys.filter { $0 != "simulate" }.sorted()

  /// What stands between single backticks of a line.
  static func words(_ line: Substring) -> [Substring] {
    line.replacing(/``[^`]+``/, with: "").matches(of: /`([^`]+)`/).map(\.1)
  }

  /// What each module declares: types, functions, values and cases, by name.
  private static let declared = Result { () throws -> [String: Set<Substring>] in
    let declaration = /\b(?:struct|class|enum|protocol|actor|typealias|func|var|let) +`?(\w+)/
    let cases = /^ *(?:indirect )?case (?:let )?([^:=]*)/
    var names: [String: Set<Substring>] = [:]
    for (path, lines) in try TidyTests.files(["swift"]) where path.hasPrefix("Sources/") {
      let module = String(path.split(separator: "/")[1])
      for line in lines where !line.trimmingPrefix(while: { $0 == " " }).hasPrefix("//") {
        for match in line.matches(of: declaration) { names[module, default: []].insert(match.1) }
        guard let match = line.prefixMatch(of: cases) else { continue }
        names[module, default: []].formUnion(
          match.1.split(whereSeparator: { !$0.isLetter && !$0.isNumber && $0 != "_" }))
      }
    }
    return names
  }

  @Test func everyModuleOpensWithItsDataFlow() throws {
    #expect(Self.modules.count >= 13)
    for module in Self.modules {
      let catalogue = try Catalogue(module)
      let lines = catalogue.lines
      try #require(lines.count > 10, "\(module): almost nothing is said")
      #expect(lines.count <= 46, "\(module): \(lines.count - 1) lines: nobody reads so many")
      #expect(lines[0] == "# ``\(module)``" && lines[1].isEmpty, "\(module): its title first")
      let sentence = lines[2...].prefix { !$0.isEmpty }
      #expect((1...3).contains(sentence.count), "\(module): then a sentence")
      #expect(sentence.last?.hasSuffix(".") == true, "\(module): then a whole sentence")
      let next = lines[(2 + sentence.count)...].first { !$0.isEmpty }
      #expect(next == "## Data flow", "\(module): then its data flow, not \(next ?? "nothing")")
      let flow = catalogue.section("Data flow")
      #expect((1...10).contains(flow.count), "\(module): its data flow has \(flow.count) lines")
      #expect(!catalogue.section("Where things are").isEmpty, "\(module): where is what?")
    }
  }

  @Test func everySymbolThatACatalogueNamesIsDeclared() throws {
    for module in Self.modules {
      let declared = try Self.declared.get()[module] ?? []
      let symbols = try Catalogue(module).symbols.filter { $0 != module }
      #expect(symbols.count >= 1, "\(module): it names nothing of its own")
      for path in symbols {
        for part in path.split(separator: "/") {
          let name = part.prefix { $0 != "(" }
          #expect(declared.contains(name), "\(module): ``\(path)``: \(name) is not declared")
        }
      }
    }
    // It would find what is not there.
    let declared = try Self.declared.get()["Wire"] ?? []
    #expect(declared.isSuperset(of: ["Kind", "leaving"]))
    #expect(declared.isDisjoint(with: ["Kinds", "Kin", "NIOCore"]))
  }

  @Test func everyFileThatACatalogueNamesIsThere() throws {
    for module in Self.modules {
      let all = try FileManager.default.subpathsOfDirectory(
        atPath: TidyTests.root.appending(path: "Sources/\(module)").path)
      let names = Set(all.map { $0.split(separator: "/").last ?? "" })
      for word in try Catalogue(module).words where word.hasSuffix(".swift") {
        #expect(
          names.contains(word) || Self.exists(word), "\(module): \(word) is not in its folder")
      }
    }
  }

  // MARK: README

  /// The rows of README's table that begins with `head`, each as its cells.
  private static func table(_ head: String) throws -> [[Substring]] {
    let file = TidyTests.root.appending(path: "README.md")
    let lines = try String(contentsOf: file, encoding: .utf8).split(
      separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex { $0.hasPrefix(head) }, "README has no \(head)")
    return lines[(start + 2)...].prefix { $0.hasPrefix("|") }
      .map { $0.dropFirst().dropLast().split(separator: "|", omittingEmptySubsequences: false) }
  }

  /// Whether there is such a file or folder, from the top or below Sources or Tests.
  private static func exists(_ path: Substring) -> Bool {
    ["", "Sources/", "Tests/"].contains {
      FileManager.default.fileExists(atPath: TidyTests.root.appending(path: $0 + path).path)
    }
  }

  @Test func whatToChangeIsThere() throws {
    let rows = try Self.table("| to change |")
    #expect(rows.count >= 13)
    for row in rows {
      try #require(row.count == 4, "\(row)")
      let files = row[1...].map { cell in Self.words(cell).filter { $0.contains("/") } }
      #expect(!files[0].isEmpty, "\(row[0]): which file first?")
      #expect(!files[2].isEmpty, "\(row[0]): which test shows it?")
      for file in files.joined() { #expect(Self.exists(file), "\(row[0]): no \(file)") }
    }
  }

  @Test func everyModuleIsInReadme() throws {
    let named = try Self.table("| module |").flatMap { Self.words($0[0]) }
    #expect(named.count == Set(named).count)
    #expect(Set(named) == Set(TidyTests.imports.keys.map { Substring($0) }))
  }

  // MARK: The table of defects

  /// Each defect says how it is found again: a test that there is, or a change that can be made.
  @Test func everyDefectCanBeFoundAgain() throws {
    let path = "Sources/Simulation/Simulation.docc/Defects.md"
    let text = try String(contentsOf: TidyTests.root.appending(path: path), encoding: .utf8)
    let tests = try TidyTests.files(["swift"]).filter { $0.path.hasPrefix("Tests/") }
      .map { $0.lines.joined(separator: "\n") }.joined(separator: "\n")
    var count = 0
    for match in text.matches(of: /scripts\/test --filter '([^']+)'/) {
      count += 1
      for name in match.1.split(separator: "/") {
        #expect(tests.contains(name), "no test is called \(name)")
      }
    }
    #expect(count >= 20)
    // plant: in `FILE`, replace `X` by ...
    let plants = text.matches(of: /in `([^`]+)`, replace `([^`]+)`/)
    #expect(plants.count >= 6)
    for plant in plants {
      let file = TidyTests.root.appending(path: "Sources/\(plant.1)")
      let source = try String(contentsOf: file, encoding: .utf8)
      #expect(source.contains(plant.2), "\(plant.1) has no \(plant.2)")
    }
  }
}
