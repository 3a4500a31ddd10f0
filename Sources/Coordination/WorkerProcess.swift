import Wire

/// A worker's process, whatever connection it has at the moment.
package struct WorkerProcess: Hashable, Sendable {
  /// The number that it has drawn.
  package let number: UInt64
  /// What its other processes share with it: the host's name, and where it connects from.
  package let machine: String

  /// A process with every field given.
  package init(number: UInt64, machine: String) {
    (self.number, self.machine) = (number, machine)
  }

  /// The process that says `hello` from `address`.
  init(_ hello: Hello, address: String) {
    let machine = [hello.name, address].map { text in
      text.lastIndex(of: ":").map { String(text[..<$0]) } ?? text
    }
    self.init(number: hello.process, machine: machine.joined(separator: " "))
  }

  /// By number.
  package static func == (a: Self, b: Self) -> Bool { a.number == b.number }
  /// By number.
  package func hash(into hasher: inout Hasher) { hasher.combine(number) }
}
