import Pictures

/// One of the values that decide the weights, and all that belongs to it.
///
/// That is its option, its check, its key in `run.json`, and the difference that `--resume` names.
/// `Hyperparameters.table` has one for each.
public struct Hyperparameter: Sendable {
  /// In words with dashes: `batch-size`.
  public let name: String
  /// What the option is for; nil where the command has no such option.
  public let help: String?
  /// The default, as the help says it.
  public let defaultText: String
  /// Where `Hyperparameters` has it.
  public let value: PartialKeyPath<Hyperparameters> & Sendable

  fileprivate let check: @Sendable (Hyperparameters) -> String?
  fileprivate let compare: @Sendable (_ new: Hyperparameters, _ old: Hyperparameters) -> String?
  fileprivate let write:
    @Sendable (Hyperparameters, inout KeyedEncodingContainer<Key>) throws -> Void
  fileprivate let read:
    @Sendable (inout Hyperparameters, KeyedDecodingContainer<Key>) throws -> Void

  /// - Parameters:
  ///   - defaultText: where the default is not the number that `Hyperparameters()` has.
  ///   - bounds: nil where the type allows no wrong value.
  ///   - writesDefault: false for a value that came after runs had been written: `run.json` has it
  ///     only where it is not the default, so that those runs go on.
  init<Value: Codable & Hashable & Sendable>(
    _ name: String, _ value: WritableKeyPath<Hyperparameters, Value> & Sendable, help: String?,
    defaultText: String? = nil, bounds: Bounds<Value>? = nil, writesDefault: Bool = true
  ) {
    self.name = name
    self.help = help
    self.value = value
    let defaultValue = Hyperparameters()[keyPath: value]
    self.defaultText = defaultText ?? "\(defaultValue)"
    let title = help == nil ? name : "--\(name)"
    let key = Key(name)
    check = { values in
      guard let bounds, !bounds.hold(values[keyPath: value]) else { return nil }
      return "\(title) must be \(bounds.description), not \(values[keyPath: value])"
    }
    compare = { new, old in
      let (new, old) = (new[keyPath: value], old[keyPath: value])
      return new == old ? nil : "\(title) \(old) (not \(new))"
    }
    write = {
      guard writesDefault || $0[keyPath: value] != defaultValue else { return }
      try $1.encode($0[keyPath: value], forKey: key)
    }
    read = {
      guard writesDefault || $1.contains(key) else { return }
      $0[keyPath: value] = try $1.decode(Value.self, forKey: key)
    }
  }

  /// The key in `run.json`: `batchSize`.
  public var key: String { Key(name).stringValue }

  /// What is wrong with the value by itself, in one line; nil where nothing is.
  public func problem(in values: Hyperparameters) -> String? { check(values) }

  /// `--seed 1 (not 2)` where the value is 1 in `old` and 2 in `new`; nil where they are equal.
  public func difference(_ new: Hyperparameters, from old: Hyperparameters) -> String? {
    compare(new, old)
  }

  /// Which values are right.
  struct Bounds<Value: Sendable>: Sendable {
    /// What comes after "must be".
    let description: String
    let hold: @Sendable (Value) -> Bool
  }

  /// A key in `run.json`.
  struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    /// The key of the value with this name: `batchSize` for `batch-size`.
    init(_ name: String) {
      let words = name.split(separator: "-").map(String.init)
      stringValue = words.dropFirst().reduce(words.first ?? "") {
        $0 + $1.prefix(1).uppercased() + $1.dropFirst()
      }
    }

    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }
}

extension Hyperparameter.Bounds<Int> {
  static func from0(to most: Int) -> Self {
    Self(description: "from 0 to \(most)") { (0...most).contains($0) }
  }

  static func from1(to most: Int) -> Self {
    Self(description: "from 1 to \(most)") { (1...most).contains($0) }
  }
}

extension Hyperparameter.Bounds<Float> {
  static var positive: Self { Self(description: "a number above 0") { $0 > 0 && $0.isFinite } }
  static var fraction: Self { below(1) }

  static func below(_ limit: Int, _ unit: String = "") -> Self {
    Self(description: "at least 0 and below \(limit)\(unit)") { $0 >= 0 && $0 < Float(limit) }
  }

  static func from0(to most: Float, _ unit: String) -> Self {
    Self(description: "from 0 to \(Int(most))\(unit)") { (0...most).contains($0) }
  }
}

extension Hyperparameter.Bounds<FactorRange> {
  static var factors: Self { Self(description: FactorRange.rule) { $0.isValid } }
}

extension Hyperparameters {
  /// Every value, in the order of the command's help.
  public static let table =
    general + optimizing + scheduling + choosing + regularization + augmentation

  private static let general: [Hyperparameter] = [
    .init(
      "epochs", \.epochs, help: "Passes of --steps-per-epoch steps", bounds: .from1(to: 1_000_000)),
    .init(
      "steps-per-epoch", \.stepsPerEpoch, help: "Batches of one epoch",
      bounds: .from1(to: 1_000_000)),
    .init("batch-size", \.batchSize, help: "Pictures of one batch", bounds: .from1(to: 4096)),
    .init(
      "validation-steps", \.validationSteps, help: "Batches of the validation after each epoch",
      bounds: .from1(to: 1_000_000)),
    .init("seed", \.seed, help: "Random seed"),
    .init(
      "batches-per-update", \.batchesPerUpdate, help: "Batches averaged into one update",
      defaultText: "N with --workers N, else 1", bounds: .from1(to: 4096)),
    .init(
      "interpolation", \.interpolation,
      help: "How pictures are resized: nearest, bilinear or area"),
    .init(
      "decode", \.decode,
      help: "How JPEGs are decoded: exact, or fast, at a reduced scale where they are large "
        + "enough"),
  ]

  /// The entry of a value; nil where the table has none.
  public static func entry(_ value: PartialKeyPath<Hyperparameters>) -> Hyperparameter? {
    table.first { $0.value == value }
  }
}

extension Hyperparameters: Codable {
  /// - Throws: `DecodingError` where a value is missing or of another type.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Hyperparameter.Key.self)
    self.init()
    for entry in Self.table { try entry.read(&self, container) }
  }

  /// Writes every value under its key.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Hyperparameter.Key.self)
    for entry in Self.table { try entry.write(self, &container) }
  }
}
