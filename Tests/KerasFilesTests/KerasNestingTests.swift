import Engine
import KerasFiles
import Testing

/// Models within models; what they compute is held in ParityTests.
@Suite("Models in a model")
struct KerasNestingTests {
  /// A functional model that reads `input`, as Keras 2 writes it, without a head.
  private func base(_ name: String, reads: String, of node: Int = 0, arguments: String = "{}")
    -> String
  {
    """
    {"class_name": "Functional", "name": "\(name)",
     "inbound_nodes": [[["\(reads)", \(node), 0, \(arguments)]]], "config": {"name": "\(name)",
     "layers": [
       {"class_name": "InputLayer", "name": "in", "inbound_nodes": [], "config": {"name": "in",
        "batch_input_shape": [null, 6, 6, 3]}},
       {"class_name": "Conv2D", "name": "conv", "inbound_nodes": [[["in", 0, 0, {}]]],
        "config": {"name": "conv", "filters": 3, "kernel_size": [1, 1]}},
       {"class_name": "BatchNormalization", "name": "norm",
        "inbound_nodes": [[["conv", 0, 0, {}]]], "config": {"name": "norm"}}],
     "input_layers": [["in", 0, 0]], "output_layers": [["norm", 0, 0]]}}
    """
  }

  /// The outer model around some entries; the last of them is `reads`.
  private func model(_ entries: [String], reads: String, of node: Int = 1) -> String {
    """
    {"class_name": "Functional", "config": {"name": "outer", "layers": [
      {"class_name": "InputLayer", "name": "pictures", "inbound_nodes": [],
       "config": {"name": "pictures", "batch_input_shape": [null, 6, 6, 3]}},
      \(entries.map { $0 + "," }.joined())
      {"class_name": "Flatten", "name": "flat", "inbound_nodes": [[["\(reads)", \(node), 0, {}]]],
       "config": {"name": "flat"}},
      {"class_name": "Dense", "name": "conv", "inbound_nodes": [[["flat", 0, 0, {}]]],
       "config": {"name": "conv", "units": 1, "activation": "sigmoid"}}],
     "input_layers": [["pictures", 0, 0]], "output_layers": [["conv", 0, 0]]}}
    """
  }

  private func refusal(_ json: String) -> String {
    let error = #expect(throws: KerasConfigurationError.self) {
      try KerasConfiguration.decode(json)
    }
    return error?.description ?? ""
  }

  @Test("are taken apart; their layers keep their names where those are free")
  func takenApart() throws {
    // The second is read before it is listed.
    let json = model(
      [base("b", reads: "a", of: 1), base("a", reads: "pictures")], reads: "b")
    let architecture = try KerasConfiguration.decode(json)
    #expect(
      architecture.nodes.map(\.name) == ["a_conv", "a_norm", "b_conv", "norm", "flat", "conv"])
    #expect(
      architecture.nodes.map(\.inputs) == [
        [.picture], [.node(0)], [.node(1)], [.node(2)], [.node(3)], [.node(4)],
      ])
    #expect(
      try KerasConfiguration.read(json).innerModels
        == ["a": ["a_conv", "a_norm"], "b": ["b_conv", "norm"]])
    // As one graph it is written, and comes back.
    #expect(
      try KerasConfiguration.decode(KerasConfiguration.encode(architecture)) == architecture)
  }

  @Test("that cannot be taken apart are refused by name")
  func refused() {
    let twice = base("a", reads: "pictures").replacing(
      #""inbound_nodes": [[["pictures", 0, 0, {}]]]"#,
      with: #""inbound_nodes": [[["pictures", 0, 0, {}]], [["pictures", 0, 0, {}]]]"#)
    for (json, says) in [
      (model([twice], reads: "a"), "layer Functional a: it is used 2 times"),
      (model([base("a", reads: "b"), base("b", reads: "a")], reads: "b"), "in a circle"),
      (model([base("a", reads: "a")], reads: "a"), "in a circle"),
      (model([base("a", reads: "none")], reads: "a"), "reads none, which is none of the model's"),
      (model([base("a", reads: "pictures")], reads: "a", of: 2), "layers are used once"),
      (
        model([base("a", reads: "pictures"), base("a", reads: "pictures")], reads: "a"),
        "two layers have the same name, a"
      ),
      (
        model([base("a", reads: "pictures", arguments: #"{"mask": 1}"#)], reads: "a"),
        "it is called with mask = 1"
      ),
      (
        model(
          [base("a", reads: "pictures").replacing(#""name": "norm"}"#, with: #""name": "n"}"#)],
          reads: "a"), "the model's"
      ),
      (
        model(
          [base("a", reads: "pictures").replacing("Functional", with: "Sequential")], reads: "a"),
        "layer Sequential a has the argument \"input_layers\""
      ),
    ] { #expect(refusal(json).contains(says), "\(refusal(json))") }
  }

  @Test("called as at inference are refused in training, where that makes a difference")
  func calledAsAtInference() throws {
    let called = base("a", reads: "pictures", arguments: #"{"training": false}"#)
    let model = try KerasConfiguration.read(model([called], reads: "a"))
    #expect(model.untaken.map(\.argument) == ["training"])
    #expect(model.untaken.first?.description.contains("layer Functional a: training is") == true)
    let plain = called.replacing("BatchNormalization", with: "ReLU")
    #expect(try KerasConfiguration.read(self.model([plain], reads: "a")).untaken.isEmpty)
  }
}
