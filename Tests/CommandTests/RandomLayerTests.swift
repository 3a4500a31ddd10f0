import Engine
import Foundation
import KerasFiles
import Pictures
import TestSupport
import Testing

/// Networks that begin with Keras's random layers: training changes pictures as they say.
@Suite struct RandomLayerTests {
  private static func layer(
    _ change: RandomLayer.Change, _ set: (inout RandomLayer) -> Void = { _ in }
  ) -> RandomLayer {
    var layer = RandomLayer(change)
    set(&layer)
    return layer
  }

  private static let flip = layer(.flip) { $0.flips = (true, false) }
  private static let turn = layer(.rotation) { $0.range = -0.125...0.125 }
  private static let zoom = layer(.zoom) { $0.range = -0.25...0.25 }

  private static func network(
    _ random: [any Layer], behind: [any Layer] = []
  ) throws -> Architecture {
    try Architecture(
      input: Shape(height: 20, width: 22, channels: 3),
      layers: (random + [.convolution(Convolution(filters: 8))] + behind + [
        .flatten, .dense(units: 1, activation: .sigmoid),
      ]).map { (nil, $0) })
  }

  @Test func `Random layers become settings, each with a draw`() throws {
    let shift = Self.layer(.translation) { ($0.range, $0.widthRange) = (-0.5...0.5, -0.25...0.25) }
    let found = try Augmentation(
      of: Self.network([Self.flip, Rescaling(scale: [2], offset: [0]), Self.turn, Self.zoom, shift])
    )
    let settings = try #require(found)
    #expect(settings.horizontalFlip && !settings.verticalFlip && settings.rotation == 45)
    #expect(settings.zoom == .around(0.25) && settings.keepsAspect)
    #expect(settings.heightShift == 0.5 && settings.widthShift == 0.25)
    #expect(settings.fillMode == .reflect && settings.isNone == false)
    let sides = Self.layer(.zoom) { ($0.range, $0.widthRange) = (-0.5...0.25, -0.5...0.25) }
    let apart = try #require(try Augmentation(of: Self.network([sides])))
    #expect(apart.zoom == .between(0.5, 1.25) && !apart.keepsAspect)
    #expect(try Augmentation(of: Self.network([])) == nil)
  }

  static let refused: [(name: String, layers: [RandomLayer], says: String)] = [
    ("twice", [flip, flip], "random_flip_1: it is the second flip"),
    ("one way", [layer(.rotation) { $0.range = 0...0.25 }], "as far either way"),
    ("over", [layer(.rotation) { $0.range = -0.75...0.75 }], "below 0.5"),
    ("brightness", [layer(.brightness) { $0.range = -0.1...0.1 }], "--brightness"),
    ("contrast", [layer(.contrast) { $0.range = 0...0.1 }], "--brightness"),
    ("wrap", [layer(.zoom) { ($0.range, $0.fillMode) = (-0.1...0.1, "wrap") }], "fill_mode"),
    ("grey", [layer(.zoom) { ($0.fillMode, $0.fillValue) = ("constant", 9) }], "fill_mode"),
    ("nearest", [layer(.zoom) { $0.interpolation = "nearest" }], "bilinear"),
    (
      "modes", [turn, layer(.zoom) { ($0.range, $0.fillMode) = (-0.1...0.1, "nearest") }],
      "different fill modes"
    ),
    (
      "sides", [layer(.zoom) { ($0.range, $0.widthRange) = (-0.1...0.1, -0.2...0.2) }],
      "within the same limits"
    ),
  ]

  @Test func `What training would do otherwise is refused`() throws {
    for (name, layers, says) in Self.refused {
      let network = try Self.network(layers)
      let error = #expect(throws: ArchitectureError.self, "\(name)") {
        try Augmentation(of: network)
      }
      #expect(error?.description.contains(says) == true, "\(name): \(error?.description ?? "")")
    }
    let error = #expect(throws: ArchitectureError.self) {
      try Augmentation(of: Self.network([], behind: [Self.flip]))
    }
    #expect(error?.description.contains("not behind other layers") == true)
  }

  @Test func `A network's own random layers train as the options do, and are kept`() throws {
    let folder = try TemporaryFolder()
    try DrawnPictures.write(to: folder.path + "/data", train: 20, validation: 7, test: 0, seed: 4)
    func write(_ name: String, _ network: Architecture) throws {
      try KerasConfiguration.encode(network)
        .write(toFile: "\(folder.path)/\(name)", atomically: true, encoding: .utf8)
    }
    try write("random.json", Self.network([Self.flip, Self.turn, Self.zoom]))
    try write("plain.json", Self.network([]))
    try write("bright.json", Self.network([Self.layer(.brightness) { $0.range = 0...0.5 }]))
    let options = ["--steps-per-epoch", "6", "--epochs", "1", "--batch-size", "6", "--seed", "7"]
    func train(_ run: String, _ more: [String]) throws -> Command {
      try Command(["train", "data", "--run", run] + options + more, in: folder)
    }
    func digest(_ command: Command) throws -> String {
      #expect(command.status == 0, "\(command.errors)")
      return String(try #require(command.lines.first { $0.hasPrefix("digest") }))
    }
    let same = [
      "--horizontal-flip", "--rotation", "45", "--zoom", "0.25", "--keep-aspect", "--fill-mode",
      "reflect",
    ]
    let plain = try digest(train("plain", ["--model", "plain.json"] + same))
    let random = try train("random", ["--model", "random.json"])
    #expect(try digest(random) == plain)
    #expect(random.errors.contains("augmented   rotation 45.0, zoom 0.25"), "\(random.errors)")
    let workers = try digest(train("workers", ["--model", "random.json", "--workers", "1"]))
    #expect(workers == plain)
    // An option holds beside them.
    let other = try digest(train("other", ["--model", "random.json", "--rotation", "5"]))
    let both = try digest(train("both", ["--model", "plain.json"] + same + ["--rotation", "5"]))
    #expect(other == both && other != plain)
    let model = try ModelFile(reading: folder.file("random/model.h5"))
    #expect(
      model.architecture.layers.prefix(3).map(\.name) == [
        "random_flip", "random_rotation", "random_zoom",
      ])
    let bright = try train("bright", ["--model", "bright.json"])
    #expect(bright.status == 1 && bright.errorLines.count == 1, "\(bright.errors)")
    #expect(bright.errors.contains("random_brightness"), "\(bright.errors)")
    // At inference it is one more layer that computes nothing.
    let summary = try Command("summary", "--model", "bright.json", in: folder)
    #expect(summary.status == 0 && summary.output.contains("RandomBrightness"))
  }
}
