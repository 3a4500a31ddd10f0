/// How a run's updates change a layer's tensors.
package struct UpdateRule: Hashable, Sendable {
  /// The factor of the squares of a kernel's weights in the loss (L2).
  package var decay: Float = 0
  /// What the learning rate is multiplied by.
  package var rate: Float = 1
  /// How many updates of the run leave the tensors as they are, before the first that changes them.
  package var frozenUpdates = 0

  /// That of a layer nobody says anything about.
  package init() {}

  /// Whether an update, counted from 0, leaves the tensors as they are.
  func isFrozen(inUpdate update: Int) -> Bool { update < frozenUpdates }
}

extension Architecture {
  /// The model as it is trained in an update, counted from 0: layers that this leaves as they are
  /// are frozen.
  /// - Returns: nil where it leaves none, else that model and the first update that changes one of
  ///   them.
  /// - Throws: never, for a model that could be built.
  package func frozen(
    inUpdate update: Int
  ) throws -> (architecture: Architecture, until: Int)? {
    let frozen = nodes.filter { $0.rule.isFrozen(inUpdate: update) }
    guard let until = frozen.map(\.rule.frozenUpdates).min() else { return nil }
    let names = Set(frozen.map(\.name))
    let architecture = try changingNodes { node in
      guard names.contains(node.name) else { return }
      node.isFrozen = true
      node.rule.frozenUpdates = 0
    }
    return (architecture, until)
  }

  /// The same model with some frozen layers frozen for the first updates of a run alone.
  /// - Throws: `ArchitectureError` where they are fewer than none.
  package func unfreezing(_ names: Set<String>, afterUpdates updates: Int) throws -> Architecture {
    try changingNodes { node in
      guard names.contains(node.name), node.isFrozen else { return }
      node.isFrozen = false
      node.rule.frozenUpdates = updates
    }
  }

  /// The same model with other rules for its layers.
  /// - Parameter change: takes a layer's name and its rule.
  /// - Throws: `ArchitectureError` where a rule is none.
  package func changingRules(_ change: (String, inout UpdateRule) -> Void) throws -> Architecture {
    try changingNodes { change($0.name, &$0.rule) }
  }
}
