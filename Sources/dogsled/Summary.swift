import ArgumentParser
import Engine
import Foundation
import KerasFiles

/// `dogsled summary`: the layer table.
struct Summary: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print a model's layers, output shapes and parameter counts.",
    discussion: """
      Without --model it is a network of --network, the book's by default.

      Example: dogsled summary --model runs/pets/model.h5
      """)

  @Option(
    help: ArgumentHelp(
      "A model: an .h5 or .keras file, a run's folder, or Keras's JSON.", valueName: "file"),
    completion: .file(extensions: NamedModel.extensions))
  var model: String?

  @OptionGroup var new: NewNetworkOptions

  func validate() throws { try new.refuse(beside: model) }

  func run() throws {
    guard let model else {
      return try emit(Self.table(try new.architecture()))
    }
    let keras = try KerasConfiguration.model(inFile: NamedModel.file(model, choice: .last))
    try emit(Self.table(keras.architecture))
  }

  /// The table as Keras 2.2 prints it, and beside it what is trained and what that costs.
  static func table(_ architecture: Architecture) -> String {
    let costs = Engine.multiplyAdds(architecture)
    let tensors = Dictionary(grouping: architecture.parameters.tensors, by: \.layer)
    let rows = zip(architecture.layers, architecture.outputs).map { layer, output in
      let own = tensors[layer.name] ?? []
      return [
        "\(layer.name) (\(layer.layer.className))", "\(output)",
        "\(own.reduce(0) { $0 + $1.count })", trained(own),
        costs[layer.name].map(millions) ?? "",
      ]
    }
    let header = ["Layer (type)", "Output Shape", "Param #", "Trained", "Mult-adds"]
    let widths = zip([29, 26, 11, 9, 9], header.indices).map { width, column in
      max(width, (rows.map { $0[column].count + 2 }.max() ?? 0))
    }
    func line(_ cells: [String]) -> String {
      zip(cells, widths).map { cell, width in
        cell + String(repeating: " ", count: max(0, width - cell.count))
      }.joined()
    }
    func rule(_ mark: String) -> String {
      String(repeating: mark, count: widths.reduce(0, +))
    }
    var lines = [rule("_"), line(header), rule("=")]
    for (index, row) in rows.enumerated() {
      lines += [line(row), rule(index + 1 < rows.count ? "_" : "=")]
    }
    let total = architecture.parameters.parameterCount
    let still = architecture.parameters.tensors.reduce(0) {
      $0 + ($1.isTrained ? 0 : $1.count)
    }
    lines += [
      "Total params: \(grouped(total))", "Trainable params: \(grouped(total - still))",
      "Non-trainable params: \(grouped(still))",
      "Mult-adds of a picture in a training step: \(millions(costs.values.reduce(0, +)))",
      "Input: \(architecture.range)",
    ]
    return (lines + [rule("_")]).joined(separator: "\n")
  }

  /// Whether and how updates change a layer's tensors; nothing where there are none.
  private static func trained(_ tensors: [ParameterLayout.Tensor]) -> String {
    guard let first = tensors.first else { return "" }
    guard let trained = tensors.first(where: \.isTrained) else {
      return first.isFrozen ? "no" : ""
    }
    return trained.rule.rate == 1 ? "yes" : "x \(trained.rule.rate)"
  }

  /// `12.3M`.
  private static func millions(_ number: Int) -> String {
    number == 0 ? "" : String(format: "%.1fM", Double(number) / 1e6)
  }

  /// `3,453,121`.
  private static func grouped(_ number: Int) -> String {
    var digits = String(number)
    var groups: [String] = []
    while digits.count > 3 {
      groups.insert(String(digits.suffix(3)), at: 0)
      digits.removeLast(3)
    }
    return ([digits] + groups).joined(separator: ",")
  }
}

/// Rows and columns of a picture, as `150x150`.
struct InputSize: ExpressibleByArgument, CustomStringConvertible {
  let height: Int
  let width: Int

  init(height: Int, width: Int) { (self.height, self.width) = (height, width) }

  var description: String { "\(height)x\(width)" }

  init?(argument: String) {
    let sides = argument.lowercased().split(separator: "x", omittingEmptySubsequences: false)
    guard sides.count == 2, let height = Int(sides[0]), let width = Int(sides[1]),
      (1...4096).contains(height), (1...4096).contains(width)
    else { return nil }
    self.init(height: height, width: width)
  }
}
