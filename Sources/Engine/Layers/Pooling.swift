import KernelInterface

/// Keras's `MaxPooling2D` and `AveragePooling2D`, and with `isGlobal` its `GlobalMaxPooling2D` and
/// `GlobalAveragePooling2D`.
package struct Pooling: Layer {
  /// What becomes of a window's numbers.
  package enum Rule: String, Hashable, Sendable {
    case max, average
  }

  package var kerasName: String {
    (isGlobal ? "global_" : "") + (rule == .max ? "max" : "average") + "_pooling2d"
  }
  /// What becomes of a window's numbers; of an average, only those on the map count.
  package var rule: Rule
  /// How the windows lie; unused where the pooling is global.
  package var windows: Convolution
  /// Whether one window covers the map, and the output is flat.
  package var isGlobal = false

  /// Windows of `size` x `size` that do not overlap.
  package init(_ rule: Rule, size: Int) {
    self.rule = rule
    windows = Convolution(filters: 1, size: size, stride: size, activation: .linear)
  }

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    let shape = inputs[0]
    guard !shape.isFlat else { throw ArchitectureError("pooling cannot follow a flat layer") }
    guard !isGlobal else { return (Shape(units: shape.channels), []) }
    let (height, width) = windows.kernel
    guard height > 0, width > 0, windows.strides.height > 0, windows.strides.width > 0 else {
      throw ArchitectureError("a size below 1")
    }
    let output = windows.mapShape(of: shape, filters: shape.channels)
    guard output.height > 0, output.width > 0 else {
      throw ArchitectureError("pooling by \(height) x \(width) does not fit on its input \(shape)")
    }
    return (output, [])
  }

  package var operations: [any Operation] {
    [PoolingOperation(rule: rule, windows: isGlobal ? nil : windows)]
  }
}

extension Layer where Self == Pooling {
  /// One window that covers the map.
  package static func globalPooling(_ rule: Pooling.Rule) -> Pooling {
    var pooling = Pooling(rule, size: 1)
    pooling.isGlobal = true
    return pooling
  }

  /// Keras's `MaxPooling2D` with windows of `size` x `size`.
  package static func maxPooling(size: Int) -> Pooling { Pooling(.max, size: size) }
}

struct PoolingOperation: Operation {
  let rule: Pooling.Rule
  /// Nil for one window that covers the map.
  let windows: Convolution?

  /// The side of squares that do not overlap, and lie on the map; nil for other windows.
  var square: Int? {
    guard rule == .max, let windows, windows.padding == .valid,
      windows.kernel == windows.strides, windows.kernel.height == windows.kernel.width,
      windows.kernel.height <= poolSizeMax
    else { return nil }
    return windows.kernel.height
  }

  func output(of inputs: [Shape]) -> Shape {
    guard let windows else { return Shape(units: inputs[0].channels) }
    return windows.mapShape(of: inputs[0], filters: inputs[0].channels)
  }

  func needed(of input: Shape, for output: Extent) -> Extent {
    guard let windows else { return input.extent }
    return WindowSize(windows: windows, input: input, rows: output.height, columns: output.width)
      .neededInput
  }

  func stage(_ plan: StagePlan) -> any Stage {
    if let square { return SquarePoolingStage(plan, size: square) }
    let extent = plan.input.shape.extent
    var all = Convolution(filters: 1, size: 1, activation: .linear)
    all.kernel = (extent.height, extent.width)
    return PoolingStage(plan, rule, windows ?? all)
  }
}

/// Pooling by any windows: a job is a picture.
final class PoolingStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let input: FeatureMap
  private let rule: Pooling.Rule
  private let size: WindowSize
  /// [batch][rows][columns][channels]: which element of each window was the largest.
  private let codes: UnsafeMutablePointer<Int32>

  init(_ plan: StagePlan, _ rule: Pooling.Rule, _ windows: Convolution) {
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
    self.rule = rule
    size = WindowSize(
      windows: windows, input: plan.input.shape, rows: plan.needed.height,
      columns: plan.needed.width)
    let count = plan.batch * plan.needed.height * plan.needed.width * plan.input.channelStride
    codes = plan.memory.words(rule == .max ? count : 1)
  }

  func forward(_ step: StepContext) {
    forEachRow(step) { _, clip, read, write, code in
      switch rule {
      case .max:
        step.kernels.maxPoolRow(
          windows, clip: clip, input: input.values + read, output: output.values + write,
          codes: codes + code)
      case .average:
        step.kernels.averagePoolRow(
          windows, clip: clip, input: input.values + read, output: output.values + write)
      }
    }
  }

  func backward(_ step: StepContext) {
    forEachRow(step) { fresh, clip, read, write, code in
      // Of these rows the first sum is about to be made; those before are in the cache.
      for place in fresh {
        (input.gradient + place).update(
          repeating: 0, count: input.shape.width * input.channelStride)
      }
      switch rule {
      case .max:
        step.kernels.addMaxPoolGradient(
          windows, clip: clip, gradient: output.gradient + write, codes: codes + code,
          inputGradient: input.gradient + read)
      case .average:
        step.kernels.addAveragePoolGradient(
          windows, clip: clip, gradient: output.gradient + write,
          inputGradient: input.gradient + read)
      }
    }
  }

  /// One output row of all columns.
  private var windows: ChannelWindows {
    let channels = input.channelStride
    return ChannelWindows(
      positions: size.columns, channels: channels,
      inputPosition: size.windows.strides.width * channels, height: size.windows.kernel.height,
      width: size.windows.kernel.width, taps: Strides(row: input.rowStride, position: channels))
  }

  /// Calls `body` for each output row: where the input's rows are that no earlier one reads, all of
  /// the map's in turn; which rows of its windows lie on the map, where the first of all rows is,
  /// and where the row is in the output and among the codes.
  private func forEachRow(
    _ step: StepContext,
    _ body: (
      _ fresh: StrideTo<Int>, _ clip: WindowClip, _ read: Int, _ write: Int, _ code: Int
    ) -> Void
  ) {
    let (height, kernel) = (input.shape.height, size.windows.kernel.height)
    step.pool.run(step.batch) { picture, _ in
      var met = 0
      for row in 0..<size.rows {
        let first = row * size.windows.strides.height - size.zerosAbove
        let clip = WindowClip(
          firstRow: max(0, -first),
          endRow: min(kernel, height - first),
          left: size.zerosLeft, step: size.windows.strides.width, mapWidth: input.shape.width)
        let end = row == size.rows - 1 ? height : min(height, first + kernel)
        let fresh = stride(
          from: input.place(picture, met, 0), to: input.place(picture, end, 0),
          by: input.rowStride)
        met = end
        body(
          fresh, clip, input.place(picture, first, 0), output.place(picture, row, 0),
          (picture * size.rows + row) * size.columns * input.channelStride)
      }
    }
  }
}
