import Foundation
import Network
import Primitives
import Runs

/// How a run's connections are locked, and where what a worker must know of it is kept.
struct RunLock {
  /// Which lock was asked for.
  enum Choice {
    /// None.
    case insecure
    /// A key; nil for the run's own.
    case key(file: String?)
    /// The secret alone: all workers are on this machine.
    case secret

    /// Whether no other machine needs the token.
    var isWithoutKey: Bool { if case .key = self { false } else { true } }
  }

  /// Nil where there is no lock.
  private let key: Key?
  private let choice: Choice
  /// Whether the run's folder does not have the key yet.
  private let isNew: Bool

  /// Finds the key, or makes one.
  /// - Parameter folder: of the run that goes on, whose key is in it.
  /// - Throws: one clear line.
  init(_ choice: Choice, resuming folder: RunFolder?) throws {
    self.choice = choice
    switch choice {
    case .insecure: (key, isNew) = (nil, false)
    case .key(let path?): (key, isNew) = (try Key(file: path), false)
    case .key(file: nil), .secret:
      let path = folder.flatMap { $0.hasKey ? $0.keyPath : nil }
      key = try path.map { try Key(file: $0) } ?? Key()
      isNew = path == nil
    }
  }

  /// What the server is given.
  var server: ServerLock {
    guard let key else { return .open }
    return if case .secret = choice { .secret(key.secret) } else { .key(key) }
  }

  /// The token for workers of a coordinator that listens there; nil where they need none.
  func token(hosts: [String], port: Int) -> Token? {
    guard let key else { return nil }
    guard case .secret = choice else { return Token(of: key, hosts: hosts, port: port) }
    return Token(secret: key.secret, fingerprint: nil, hosts: hosts, port: port)
  }

  /// Has the run's folder hold the key, where it is the run's own, and the token.
  /// - Throws: `FileError`.
  func write(_ token: Token?, into folder: RunFolder) throws {
    if let key, isNew { try key.write(to: folder.keyPath, replacing: true) }
    try folder.replaceToken(token?.text)
  }
}
