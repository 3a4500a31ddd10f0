// Every argument that a class of Keras writes into a model file, and what becomes of it. A model
// with an argument that is not here is refused: it may change what is computed.

import Engine

/// One argument: whether it is computed, and which values are refused.
package struct KerasArgument: Sendable {
  /// What becomes of an argument.
  package enum Role: String, Sendable {
    /// The reader takes its value, or refuses it.
    case computed
    /// Values other than Dogsled's are refused.
    case refused
    /// The same, where the model is to be trained; with weights given it changes nothing.
    case refusedInTraining = "refused in training"
    /// It changes no number.
    case harmless
  }

  /// What becomes of it.
  package let role: Role
  /// The values that Dogsled computes with, in words; empty where it has nothing of the kind.
  let known: String
  /// Whether Dogsled computes with a value.
  let accepts: @Sendable (JSON) -> Bool

  static let computed = KerasArgument(role: .computed, known: "", accepts: { _ in true })
  static let harmless = KerasArgument(role: .harmless, known: "", accepts: { _ in true })

  /// Refused with any value but these.
  static func only(_ values: JSON...) -> KerasArgument {
    KerasArgument(role: .refused, known: words(values), accepts: { values.contains($0) })
  }

  /// Refused in training with any value but these.
  static func trained(_ values: JSON...) -> KerasArgument {
    KerasArgument(role: .refusedInTraining, known: words(values), accepts: { values.contains($0) })
  }

  private static func words(_ values: [JSON]) -> String {
    values.filter { $0 != .null }.map(\.text).joined(separator: ", ")
  }

  /// The arguments of each layer's class that Dogsled has.
  package static let layers: [String: [String: KerasArgument]] = Dictionary(
    uniqueKeysWithValues: KerasLayers.all.flatMap { $0.classes.map { ($0.key, $0.value) } }
  ).merging([
    "InputLayer": [
      "name": .harmless, "batch_shape": .computed, "batch_input_shape": .computed,
      "dtype": .float32, "sparse": .only(false), "ragged": .only(false), "optional": .only(false),
    ]
  ]) { $1 }

  /// Every layer's; without weights there is nothing to freeze.
  static let common: [String: KerasArgument] = [
    "name": .computed, "trainable": .harmless, "dtype": .float32, "batch_shape": .computed,
    "batch_input_shape": .computed, "dynamic": .only(false),
  ]

  /// Those of a layer with a kernel and a bias.
  static let trainable = common.merging([
    "trainable": .computed, "activation": .computed, "use_bias": .computed,
    "kernel_initializer": KerasInitializer.argument, "bias_initializer": KerasInitializer.argument,
    "kernel_regularizer": squares,
    "bias_regularizer": .trained(nil),
    "activity_regularizer": .trained(nil), "kernel_constraint": .trained(nil),
    "bias_constraint": .trained(nil), "lora_rank": .only(nil), "lora_alpha": .only(nil),
    "quantization_config": .only(nil), "quantization_mode": .only(nil),
  ]) { $1 }

  /// What stands beside a layer's own arguments.
  package static let entry: [String: KerasArgument] = [
    "class_name": .computed, "config": .computed, "build_config": .computed, "module": module,
    "registered_name": registered, "shared_object_id": .harmless, "name": .harmless,
    "inbound_nodes": .computed,
  ]

  /// What stands beside the list of layers.
  package static let sequential: [String: KerasArgument] = [
    "name": .harmless, "layers": .computed, "build_input_shape": .computed,
    "trainable": .computed, "dtype": .float32,
  ]

  /// What stands beside a graph's layers.
  package static let functional: [String: KerasArgument] = [
    "name": .harmless, "layers": .computed, "input_layers": .computed,
    "output_layers": .computed, "trainable": .computed, "dtype": .float32,
  ]

  /// What stands around the model.
  package static let model: [String: KerasArgument] = entry.merging([
    "compile_config": .computed, "keras_version": .harmless,
    KerasConfiguration.inputRange: .computed, KerasUpdateRules.argument: .computed,
    // Theano's convolutions are of the turned kernel.
    "backend": KerasArgument(
      role: .refused, known: "those whose kernels are not turned", accepts: { $0 != "theano" }),
  ]) { $1 }

  /// `training_config` in an .h5 file, `compile_config` in JSON.
  /// - Parameter loss: that of the model's last layer.
  package static func compiled(_ loss: any Loss.Type) -> [String: KerasArgument] {
    [
      "optimizer": .computed, "optimizer_config": .computed, "loss": .loss(loss),
      "loss_weights": .trained(nil), "sample_weight_mode": .trained(nil), "metrics": .harmless,
      "weighted_metrics": .harmless, "run_eagerly": .harmless, "steps_per_execution": .harmless,
      "jit_compile": .harmless, "auto_scale_loss": .harmless, "from_serialized": .harmless,
      "pss_evaluation_shards": .harmless,
    ]
  }

  /// The arguments of each optimizer's class.
  package static let optimizers = Dictionary(
    uniqueKeysWithValues: Optimizers.all.map { ($0.kerasClass, arguments(of: $0)) })

  private static func arguments<Rule: Optimizer>(of rule: Rule.Type) -> [String: KerasArgument] {
    var known = anyOptimizer
    for setting in rule.settings {
      known[setting.kerasName] =
        setting.kind == .fixed ? .fixed(Rule()[keyPath: setting.value]) : .computed
    }
    for name in rule.kerasSwitches { known[name] = .trained(false) }
    return known
  }

  /// Refused in training with any number but this.
  private static func fixed(_ number: Float) -> KerasArgument {
    KerasArgument(
      role: .refusedInTraining, known: "\(number)",
      accepts: { $0 == .null || $0.number.map(Float.init) == number })
  }

  /// Every optimizer's.
  private static let anyOptimizer: [String: KerasArgument] = [
    "name": .harmless, "learning_rate": .computed, "lr": .computed,
    "decay": .trained(nil, 0, 0.0), "weight_decay": .trained(nil, false, 0, 0.0),
    "clipnorm": .trained(nil), "global_clipnorm": .trained(nil), "clipvalue": .trained(nil),
    "use_ema": .trained(false), "ema_momentum": .harmless, "ema_overwrite_frequency": .harmless,
    "loss_scale_factor": .trained(nil), "gradient_accumulation_steps": .trained(nil, 1),
    "jit_compile": .harmless, "is_legacy_optimizer": .harmless,
  ]

  /// A weight decay.
  static let squares = KerasArgument(
    role: .refusedInTraining, known: "L2", accepts: { $0 == .null || decay($0) != nil })

  /// The factor of a regularizer of squares alone; nil for another.
  static func decay(_ regularizer: JSON) -> Float? {
    let config = regularizer["config"]
    switch regularizer["class_name"]?.string {
    case "L2": break
    // Keras 2's name for it.
    case "L1L2" where config?["l1"]?.number ?? 0 == 0: break
    default: return nil
    }
    guard let factor = config?["l2"]?.number.map(Float.init), factor >= 0, factor.isFinite else {
      return nil
    }
    return factor
  }

  static let channelsLast = only("channels_last", nil)

  /// A number's type, by name or as a policy.
  private static let float32 = KerasArgument(
    role: .refused, known: "float32",
    accepts: { type in
      type == .null || (type.string ?? type["config"]?["name"]?.string) == "float32"
    })

  private static let module = KerasArgument(
    role: .refused, known: "Keras's own classes",
    accepts: { module in
      module == .null
        || ["keras", "tf_keras", "tensorflow"].contains(module.string?.prefix { $0 != "." })
    })

  /// Keras's own classes are not registered; some versions repeat the class's name.
  private static let registered = KerasArgument(
    role: .refused, known: "Keras's own classes",
    accepts: {
      $0 == .null || ["Sequential", "Functional", "InputLayer"].contains($0.string)
        || $0.string.flatMap { layers[$0] } != nil
    })

  /// By name, as an object, in a list of one, or by the output's name.
  private static func loss(_ own: any Loss.Type) -> KerasArgument {
    let names = [own.kerasName, own.kerasClass] + own.kerasAliases
    return KerasArgument(role: .refusedInTraining, known: own.kerasName) { loss in
      let loss = alone(loss)
      if loss == .null { return true }
      if let name = loss.string { return names.contains(name) }
      let (config, kind) = (loss["config"], loss["class_name"]?.string)
      if kind == "function" { return config?.string.map(names.contains) ?? false }
      let reduction = config?["reduction"]?.string ?? "auto"
      return kind.map(names.contains) ?? false && (0..<1).contains(smoothing(loss))
        && config?["from_logits"] ?? false == false
        && config?["ignore_class"] ?? .null == .null
        && ["auto", "sum_over_batch_size", "mean"].contains(reduction)
    }
  }

  /// The one loss of a list, or of an output's name.
  private static func alone(_ loss: JSON) -> JSON {
    var loss = loss
    if let list = loss.array, list.count == 1 { loss = list[0] }
    guard loss["class_name"] == .none, let named = loss.object, named.count == 1 else {
      return loss
    }
    return named.first?.value ?? loss
  }

  /// What a loss spreads of each label over all classes.
  static func smoothing(_ loss: JSON) -> Float {
    Float(alone(loss)["config"]?["label_smoothing"]?.number ?? 0)
  }
}
