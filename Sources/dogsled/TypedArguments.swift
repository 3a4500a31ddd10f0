import ArgumentParser
import Foundation
import Pictures

/// A verb that takes names which need not be UTF-8.
protocol TakesAnyName {
  /// What was given as such names.
  var namesOfAnyBytes: [String] { get }
}

/// What was typed behind the program's name.
enum TypedArguments {
  /// The arguments as `FileName` writes names, so that none is changed on the way.
  static func read() -> [String] {
    (1..<max(1, Int(CommandLine.argc))).compactMap { place in
      CommandLine.unsafeArgv[place].map { argument in
        FileName.text(UnsafeRawBufferPointer(start: argument, count: strlen(argument)))
      }
    }
  }

  /// The same, in which the name of a file that begins with a dash is told from options.
  ///
  /// The parser takes each letter of `-dash.jpg` for an option, one of them `-h`, and prints help.
  /// All our options but that one have two dashes. What a shell makes of `*.jpg` is a file that is
  /// there.
  /// - Throws: `ValidationError` where there is no such file.
  static func withNamedFiles(_ arguments: [String]) throws -> [String] {
    let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
    return try arguments.enumerated().map { place, argument in
      let letters = argument.utf8.dropFirst()
      guard place < end, argument.utf8.first == UInt8(ascii: "-"), letters.count > 1,
        letters.first != UInt8(ascii: "-"), argument != "-help", Double(argument) == nil
      else { return argument }
      guard Folder.exists(argument) else {
        throw ValidationError(
          "Unknown option '\(FileName.shown(argument))'; a file is named after --")
      }
      return "./" + argument
    }
  }

  /// Refuses names that are no UTF-8, for which another file would be used, and those that would
  /// forge lines of a log.
  /// - Throws: `ValidationError`.
  static func check(_ arguments: [String], of command: any ParsableCommand) throws {
    let taken = (command as? any TakesAnyName)?.namesOfAnyBytes ?? []
    for argument in arguments where !FileName.isPrintable(argument) && !taken.contains(argument) {
      throw ValidationError(
        "\(FileName.shown(argument)): this name must be text in UTF-8 and of one line: rename it, "
          + "or name a link to it (only the pictures of evaluate and predict may have any name)")
    }
  }
}
