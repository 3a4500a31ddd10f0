/// A layer of a model as its file has it, where models are within each other: weights lie in files
/// as the models do, whatever became of the models here.
struct StoredLayer: Sendable {
  /// What the file calls it.
  let name: String
  /// What it became here.
  let content: Content

  /// A layer, or a model within the model.
  enum Content: Sendable {
    /// With the name that it has here.
    case layer(name: String)
    /// With the name of its class in Keras 3's files, and its layers in order.
    case model(kind: String, [StoredLayer])
  }

  /// The names here of the layers in it, itself if it is one, in order.
  var leaves: [String] {
    switch content {
    case .layer(let name): [name]
    case .model(_, let layers): layers.flatMap(\.leaves)
    }
  }
}
