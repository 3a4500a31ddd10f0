import Pictures

extension Hyperparameters {
  /// The part of `table` that says how training pictures are changed.
  static let augmentation: [Hyperparameter] = [
    .init(
      "rotation", \.augmentation.rotation,
      help: "Turn each training picture by up to so many degrees, either way", defaultText: "0",
      bounds: .from0(to: Augmentation.rotationMost, " degrees"), writesDefault: false),
    .init(
      "width-shift", \.augmentation.widthShift,
      help: "Move each to the left or right by up to this fraction of its width", defaultText: "0",
      bounds: .fraction, writesDefault: false),
    .init(
      "height-shift", \.augmentation.heightShift,
      help: "Move each up or down by up to this fraction of its height", defaultText: "0",
      bounds: .fraction, writesDefault: false),
    .init(
      "shear", \.augmentation.shear, help: "Shear each by up to so many degrees, either way",
      defaultText: "0", bounds: .below(90, " degrees"), writesDefault: false),
    .init(
      "zoom", \.augmentation.zoom,
      help: "Show 1 - z to 1 + z of each, along rows and columns by draws of their own; or the "
        + "two limits, as 0.8,1.2", defaultText: "0", bounds: .factors, writesDefault: false),
    .init(
      "keep-aspect", \.augmentation.keepsAspect,
      help: "Zoom along rows and columns by one draw, so that shapes stay", writesDefault: false),
    .init(
      "horizontal-flip", \.augmentation.horizontalFlip,
      help: "Mirror every second one, left for right", writesDefault: false),
    .init(
      "vertical-flip", \.augmentation.verticalFlip, help: "Turn every second one upside down",
      writesDefault: false),
    .init(
      "brightness", \.augmentation.brightness,
      help: "Multiply the pixels of each by 1 - b to 1 + b, or between two limits, as 0.8,1.2",
      defaultText: "0", bounds: .factors, writesDefault: false),
    .init(
      "fill-mode", \.augmentation.fillMode,
      help: "What is seen beyond the edges of one that was moved: nearest, constant (black), "
        + "reflect or wrap", writesDefault: false),
  ]
}
