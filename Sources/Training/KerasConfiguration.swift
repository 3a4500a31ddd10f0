// A model as Keras writes it down: the JSON of a `Sequential`, in `model_config` and `to_json()`.

import Engine

/// `Architecture` from and to Keras's JSON.
public enum KerasConfiguration {
  /// The JSON of a Keras 3 `Sequential`; equal for equal architectures.
  public static func encode(_ architecture: Architecture) -> String { "" }

  /// Reads what Keras 2 and Keras 3 write for a `Sequential` of `Conv2D`, `MaxPooling2D`,
  /// `Flatten` and `Dense`.
  /// - Throws: `ModelFileError` naming a layer or setting that Dogsled does not have.
  public static func decode(_ json: String) throws -> Architecture {
    throw ModelFileError("not yet")
  }
}
