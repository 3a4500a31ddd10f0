import ArgumentParser
import Network

/// `dogsled key`: a key that coordinators share, and the tokens of it.
struct KeyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "key",
    abstract: "Make a key for coordinators that come back with the same token.",
    discussion: """
      Without a key a coordinator makes one for its run. FILE must not be there yet; its
      owner alone can read it. With --token nothing is made: the token of the key that FILE
      holds is printed, for a coordinator that listens at these addresses.

      Example: dogsled key lab.key
      """)

  @Argument(help: "The key's file.", completion: .file())
  var file: String

  @Option(
    help: ArgumentHelp(
      "Print the token for a coordinator that listens here; more than once for more of its "
        + "addresses, all with one port.", valueName: "host:port"))
  var token: [Endpoint] = []

  func validate() throws {
    for endpoint in token { try endpoint.checkIsACoordinator() }
    guard Set(token.map(\.port)).count < 2 else {
      throw ValidationError("--token: a coordinator listens on one port at all its addresses")
    }
    guard token.count <= Token.mostAddresses else {
      throw ValidationError("--token: a token holds at most \(Token.mostAddresses) addresses")
    }
  }

  func run() throws {
    guard let port = token.first?.port else {
      return try Key().write(to: file)
    }
    let key = try Key(file: file)
    try emit(Token(of: key, hosts: token.map(\.host), port: port).text)
  }
}
