// The layers that Dogsled shares with Keras: each has a file here, beside its own in `Engine`.

import Engine

/// A layer as Keras writes it.
package protocol KerasLayer: Layer {
  /// Keras's classes that are read as one, each with every argument that it has, and what becomes
  /// of it.
  static var classes: [String: [String: KerasArgument]] { get }
  /// The layer with the arguments that `classes` says are computed.
  /// - Throws: `KerasConfigurationError` naming the layer and what of it Dogsled does not have.
  init(reading reader: LayerReader) throws
  /// The class that it is written as.
  var kerasClass: String { get }
  /// The arguments that have the weight decay of its kernels.
  static var regularizers: [String] { get }
  /// Whether Keras's class takes the argument `trainable`.
  var takesTrainable: Bool { get }
  /// The arguments that Keras makes the layer from, without its name and type.
  var configuration: [String: JSON] { get }
}

extension KerasLayer {
  /// None.
  package static var regularizers: [String] { [] }
  /// As nearly all do.
  package var takesTrainable: Bool { true }
}

/// The layers that can be read and written.
package enum KerasLayers {
  /// A line for each.
  package static let all: [any KerasLayer.Type] = [
    Convolution.self, DepthwiseConvolution.self, SeparableConvolution.self, Dense.self,
    BatchNormalization.self, ActivationLayer.self, Pooling.self, Flatten.self, Dropout.self,
    Merging.self, Concatenation.self, Rescaling.self, Normalization.self,
    LayerNormalization.self, Framing.self, UpSampling.self, Reshape.self, GaussianNoise.self,
    RandomLayer.self,
  ]

  /// That of one of Keras's classes; nil where there is none.
  static func named(_ kerasClass: String) -> (any KerasLayer.Type)? {
    all.first { $0.classes[kerasClass] != nil }
  }
}

extension Layer {
  /// What tables call a layer: the name of Keras's class.
  package var className: String {
    (self as? any KerasLayer)?.kerasClass ?? "\(type(of: self))"
  }
}

extension JSON {
  /// `[height, width]`.
  init(_ pair: (height: Int, width: Int)) { self = [.integer(pair.height), .integer(pair.width)] }

  /// The shortest decimal that a `Float` is read from again.
  init(shortest number: Float) { self = .number(Double("\(number)") ?? 0) }
}
