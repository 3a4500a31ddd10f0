import Foundation

/// Everything that is drawn by lot about one animal.
///
/// Colours, coats, poses, sizes and places are drawn alike for all kinds; only shapes differ, of
/// cats and dogs ears, eyes, muzzle, whiskers, build and tail. A fish has waves behind it.
struct Animal {
  /// The order decides a picture's draws: new kinds come last.
  enum Kind: Int, CaseIterable {
    case cat, dog, bird, fish

    /// The singular, of which pictures are named.
    var name: String { "\(self)" }
    /// The plural, as which the class's folder is named.
    var folder: String { self == .fish ? name : name + "s" }
  }

  enum Pose: CaseIterable { case portrait, sitting, standing, lying }
  enum Coat: CaseIterable { case plain, striped, patched, lightFaced }

  let kind: Kind
  let pose: Pose
  let coat: Coat
  /// Most of the coat.
  let fur: Color
  /// Muzzle, chest and paws.
  let light: Color
  /// Outlines.
  let dark: Color
  /// Stripes and patches.
  let marking: Color
  let eyes: Color
  let nose: Color
  let collar: Color?
  /// How far the head is turned aside: -1 to 1.
  let turn: Double
  /// The head's angle in radians.
  let tilt: Double
  /// How long the ears are: 0 to 1.
  let ears: Double
  /// Dogs only: ears that stand up and only their tips fall.
  let earsFolded: Bool
  /// How wide the face is: 0 to 1.
  let face: Double
  /// How wide the pupils of a cat are: 0 to 1.
  let pupils: Double
  let mouthOpen: Bool
  /// How fat the body is: 0 to 1.
  let build: Double
  /// How the tail is held: 0 to 1.
  let tail: Double

  init(_ kind: Kind, _ random: inout SampleRandom) {
    self.kind = kind
    pose = random.one(of: [
      .portrait, .portrait, .portrait, .portrait, .sitting, .sitting, .standing, .lying,
    ])
    coat = random.one(of: Coat.allCases)
    let furs = [
      Color(0.17, 0.16, 0.17), Color(0.36, 0.35, 0.37), Color(0.62, 0.61, 0.62),
      Color(0.42, 0.28, 0.18), Color(0.60, 0.38, 0.22), Color(0.84, 0.52, 0.24),
      Color(0.88, 0.75, 0.56), Color(0.93, 0.91, 0.88),
    ]
    fur = random.near(random.one(of: furs), 0.05)
    light = coat == .plain ? fur.lighter(0.25) : random.near(fur.lighter(0.75), 0.04)
    dark = fur.darker(0.55)
    marking = random.chance(0.5) ? fur.darker(0.4) : random.near(random.one(of: furs), 0.05)
    let catEyes = [Color(0.55, 0.72, 0.25), Color(0.87, 0.68, 0.15), Color(0.40, 0.66, 0.80)]
    let dogEyes = [Color(0.35, 0.20, 0.10), Color(0.55, 0.34, 0.14), Color(0.45, 0.62, 0.74)]
    eyes = random.near(random.one(of: kind == .cat ? catEyes : dogEyes), 0.05)
    let noses = [Color(0.13, 0.11, 0.12), Color(0.36, 0.22, 0.18), Color(0.88, 0.56, 0.56)]
    nose = random.near(noses[random.chance(0.7) ? 0 : random.whole(1...2)], 0.03)
    collar =
      random.chance(0.35)
      ? random.color(saturation: 0.5...0.9, brightness: 0.4...0.9) : nil
    turn = random.within(-1...1)
    tilt = random.within(-0.25...0.25)
    ears = random.within(0...1)
    earsFolded = random.chance(0.15)
    face = random.within(0...1)
    pupils = random.within(0...1)
    mouthOpen = random.chance(0.65)
    build = random.within(0...1)
    tail = random.within(0...1)
  }
}
