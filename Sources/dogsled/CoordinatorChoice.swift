import ArgumentParser
import Foundation
import Network
import Primitives

/// How a worker is told its token where it must not stand in a list of processes.
struct TokenOptions: ParsableArguments {
  /// Read by workers that are given no token otherwise.
  static let variable = "DOGSLED_TOKEN"

  /// What the variable holds; nil where that is nothing.
  static var given: String? {
    let text = ProcessInfo.processInfo.environment[variable]?
      .trimmingCharacters(in: .whitespacesAndNewlines)
    return text == "" ? nil : text
  }

  /// What tells a worker that this process launches.
  static func environment(_ token: Token?) -> [String: String] {
    token.map { [variable: $0.text] } ?? [:]
  }

  @Option(
    help: ArgumentHelp(
      "A file that holds the token, as RUN/token does; without it the variable DOGSLED_TOKEN.",
      valueName: "file"),
    completion: .file())
  var tokenFile: String?

  @Flag(
    help: ArgumentHelp(
      "Join without a token a coordinator that was started with --insecure: nothing is encrypted, "
        + "and whoever listens there is believed."))
  var insecure = false
}

/// The coordinator that a worker joins: where it may listen, and how connections to it are locked.
struct CoordinatorChoice {
  /// Any of them will do.
  let endpoints: [Endpoint]
  let lock: ClientLock

  /// Reads what was typed, without touching a file.
  ///
  /// - Parameter given: a token, or HOST:PORT; nil where neither was given.
  /// - Throws: `ValidationError` that does not quote what may be a token.
  static func check(_ given: String?, _ options: TokenOptions) throws {
    let hasToken = options.tokenFile != nil || TokenOptions.given != nil
    guard !options.insecure || options.tokenFile == nil else {
      throw ValidationError("--insecure is for joining without a token: leave --token-file out")
    }
    guard let given else {
      guard hasToken, !options.insecure else {
        throw ValidationError(
          "which coordinator? Give the token that it prints, or the path of its run folder's file "
            + "'token' as --token-file")
      }
      return
    }
    if let endpoint = Endpoint(argument: given) {
      try endpoint.checkIsACoordinator()
      guard hasToken || options.insecure else {
        throw ValidationError(
          "\(endpoint): its token is missing: give --token-file or \(TokenOptions.variable), or "
            + "--insecure for a coordinator that was started so, on a network that you trust")
      }
      return
    }
    guard !given.contains(":") || given.count > 60 else {
      throw ValidationError("\(given): neither HOST:PORT nor a token")
    }
    guard options.tokenFile == nil, !options.insecure else {
      throw ValidationError("a token was given: leave --token-file and --insecure out")
    }
    do {
      _ = try Token(given)
    } catch {
      throw ValidationError("\(error)")
    }
  }

  /// Reads the token, wherever it is.
  ///
  /// - Parameter given: a token, or HOST:PORT, which then takes the place of the token's addresses;
  ///   nil for the token's.
  /// - Throws: one clear line that does not hold the token.
  init(_ given: String?, _ options: TokenOptions) throws {
    try Self.check(given, options)
    let named = given.flatMap(Endpoint.init(argument:))
    if let named, options.insecure {
      (endpoints, lock) = ([named], .open)
      return
    }
    let token = try Self.token(named == nil ? given : nil, file: options.tokenFile)
    endpoints = named.map { [$0] } ?? token.endpoints
    lock = ClientLock(token)
    // It would tell the secret to whoever listens between.
    let others = endpoints.filter {
      !InternetAddress.resolve($0.host).allSatisfy(\.isLoopback)
    }
    guard token.fingerprint != nil || others.isEmpty else {
      throw Failure(
        "\(others[0]): the token is of a run whose workers are all on its own machine: give its "
          + "coordinator an address with 'dogsled coordinator --listen'", status: .wrongUsage)
    }
  }

  /// What a token names.
  /// - Parameter other: an address beside the token's; nil for none.
  init(_ token: Token, also other: Endpoint? = nil) {
    endpoints = token.endpoints + (other.map { token.endpoints.contains($0) ? [] : [$0] } ?? [])
    lock = ClientLock(token)
  }

  /// Reads a token.
  /// - Parameters:
  ///   - given: its text; nil where it stands elsewhere.
  ///   - file: its file; nil for the one in the environment.
  /// - Throws: one clear line that does not hold the token.
  static func token(_ given: String? = nil, file: String?) throws -> Token {
    var source = "the token"
    do {
      if let given { return try Token(given) }
      if let path = file {
        source = path
        let file = try PlainFile(path)
        let token = try Token(file.text().trimmingCharacters(in: .whitespacesAndNewlines))
        try file.refuseOpenToOthers()
        return token
      }
      source = TokenOptions.variable
      return try Token(TokenOptions.given ?? "")
    } catch let error as TokenError {
      throw Failure("\(source): \(error)", status: .wrongUsage)
    }
  }
}
