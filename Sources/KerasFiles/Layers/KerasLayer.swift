// The layers that Dogsled shares with Keras: each has a file here, beside its own in `Engine`.

import Engine

/// A layer as Keras writes it.
package protocol KerasLayer: Layer {
  /// The name of Keras's class: `Conv2D`.
  static var kerasClass: String { get }
  /// Every argument of the class, and what becomes of it.
  static var arguments: [String: KerasArgument] { get }
  /// The layer with the arguments that `arguments` says are computed.
  /// - Throws: `KerasConfigurationError` naming the layer and what of it Dogsled does not have.
  init(reading reader: LayerReader) throws
  /// The arguments that Keras makes the layer from, without its name and type.
  var configuration: [String: JSON] { get }
}

/// The layers that can be read and written.
package enum KerasLayers {
  /// A line for each.
  package static let all: [any KerasLayer.Type] = [
    Convolution.self, MaxPooling.self, Flatten.self, Dropout.self, Dense.self,
  ]

  /// That of one of Keras's classes; nil where there is none.
  static func named(_ kerasClass: String) -> (any KerasLayer.Type)? {
    all.first { $0.kerasClass == kerasClass }
  }
}

extension Layer {
  /// The name of Keras's class.
  package var kerasClass: String {
    (type(of: self) as? any KerasLayer.Type)?.kerasClass ?? "\(type(of: self))"
  }
}

extension JSON {
  /// `[height, width]`.
  init(_ pair: (height: Int, width: Int)) { self = [.integer(pair.height), .integer(pair.width)] }

  /// The shortest decimal that a `Float` is read from again.
  init(shortest number: Float) { self = .number(Double("\(number)") ?? 0) }
}
