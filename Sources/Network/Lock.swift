import Wire

/// How the connections to a coordinator are locked, on the coordinator's side.
///
/// What holds does not depend on where a peer connects from: a tunnel may end on loopback. A
/// coordinator that other machines may reach has a key. One whose workers are on this machine asks
/// for the secret alone: nobody but the administrator can listen on loopback, and encryption would
/// take from the cores that compute.
public enum ServerLock: Sendable {
  /// Nothing is encrypted, and anybody may take part.
  case open
  /// Nothing is encrypted; whoever wants to take part must know the secret.
  case secret(Secret)
  /// TLS 1.3 with this key, and its secret.
  case key(Key)

  /// What workers must know; nil where they need nothing.
  var secret: Secret? {
    switch self {
    case .open: nil
    case .secret(let secret): secret
    case .key(let key): key.secret
    }
  }
}

/// How the connections to a coordinator are locked, on a worker's side.
public enum ClientLock: Sendable {
  /// Nothing is encrypted, and whoever listens there is believed.
  case open
  /// Nothing is encrypted; the coordinator is told the secret.
  case secret(Secret)
  /// TLS 1.3: the coordinator has the key of this fingerprint, and is told the secret then.
  case key(Fingerprint, Secret)

  /// What a token asks for.
  public init(_ token: Token) {
    self = token.fingerprint.map { .key($0, token.secret) } ?? .secret(token.secret)
  }

  /// What the coordinator is told.
  var secret: Secret? {
    switch self {
    case .open: nil
    case .secret(let secret), .key(_, let secret): secret
    }
  }

  /// The key that the coordinator must have.
  var fingerprint: Fingerprint? {
    if case .key(let fingerprint, _) = self { fingerprint } else { nil }
  }
}
