// What Keras's JSON has no place for: learning rates of layers, and layers that are frozen for a
// while. It stands beside the model's class, where Keras does not look.

import Engine

/// Layers' update rules in a model's JSON: `{"conv2d": {"rate": 0.1, "frozen_updates": 500}}`.
enum KerasUpdateRules {
  /// Our own argument of a model.
  static let argument = "dogsled_update_rules"

  /// Those of the layers that have one.
  static func json(_ architecture: Architecture) -> [String: JSON] {
    var rules: [String: JSON] = [:]
    for node in architecture.nodes {
      var rule: [String: JSON] = [:]
      if node.rule.rate != 1 { rule["rate"] = JSON(shortest: node.rule.rate) }
      if node.rule.frozenUpdates > 0 {
        rule["frozen_updates"] = .integer(node.rule.frozenUpdates)
      }
      if !rule.isEmpty { rules[node.name] = .object(rule) }
    }
    return rules
  }

  /// The model with the rules that its JSON has.
  /// - Throws: `KerasConfigurationError` where one is none, or of no layer.
  static func applied(_ json: JSON?, to architecture: Architecture) throws -> Architecture {
    guard let json else { return architecture }
    guard let rules = json.object else { throw error("are \(json.shown)") }
    let names = Set(architecture.nodes.map(\.name))
    for name in rules.keys.sorted() where !names.contains(name) {
      throw error("name \(name.oneLine), which is none of its layers")
    }
    var read: [String: UpdateRule] = [:]
    for (name, json) in rules {
      var rule = UpdateRule()
      for (key, value) in json.object ?? ["": json] {
        switch (key, value.number, value.integer) {
        case ("rate", let rate?, _): rule.rate = Float(rate)
        case ("frozen_updates", _, let updates?): rule.frozenUpdates = updates
        default: throw error("have \(json.shown) for \(name.oneLine)")
        }
      }
      read[name] = rule
    }
    do {
      return try architecture.changingRules { name, rule in
        guard let own = read[name] else { return }
        (rule.rate, rule.frozenUpdates) = (own.rate, own.frozenUpdates)
      }
    } catch {
      throw KerasConfigurationError("the model's \(argument): \(error)")
    }
  }

  private static func error(_ what: String) -> KerasConfigurationError {
    KerasConfigurationError("the model's \(argument) \(what)")
  }
}
