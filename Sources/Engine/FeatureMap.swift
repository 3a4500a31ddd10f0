import Kernels

/// One layer's output for a batch, and the loss's gradient with respect to it.
///
/// NHWC; channels are stored `channelStride` apart, their number padded with zeros to a multiple
/// of 32 so that kernels have no remainders (the picture itself has 3).
final class FeatureMap {
  let shape: Shape
  let channelStride: Int
  let values: UnsafeMutablePointer<Float>
  let gradient: UnsafeMutablePointer<Float>
  private let owner: FeatureMap?

  /// Zeros for `batch` pictures.
  init(_ shape: Shape, batch: Int, channelStride: Int? = nil) {
    self.shape = shape
    self.channelStride = channelStride ?? padded(shape.channels)
    let count = batch * shape.height * shape.width * self.channelStride
    values = allocateFloats(count)
    gradient = allocateFloats(count)
    owner = nil
  }

  /// The same memory seen as a flat activation.
  init(flattening other: FeatureMap) {
    shape = Shape(units: other.shape.count)
    channelStride = shape.channels
    (values, gradient) = (other.values, other.gradient)
    owner = other
  }

  deinit {
    guard owner == nil else { return }
    values.deallocate()
    gradient.deallocate()
  }

  /// Floats of one row of the map.
  var rowStride: Int { shape.width * channelStride }

  /// Floats of one picture.
  var pictureStride: Int { shape.height * rowStride }
}

/// `channels` rounded up to a multiple of a kernel's columns.
func padded(_ channels: Int) -> Int {
  (channels + blockColumns - 1) / blockColumns * blockColumns
}

/// What a stage needs to know of the step that is being computed.
struct StepContext {
  /// Pictures of this batch.
  let batch: Int
  let weights: ParameterBuffer
  /// Overwritten by the backward pass, in the model's layout.
  let gradient: ParameterBuffer?
  let pool: ThreadPool
  let kernels: KernelTable
}

/// A part of the model that is computed as one: a layer, or a convolution with its pooling.
protocol Stage: AnyObject {
  /// Where `forward` puts the result and `backward` finds its gradient.
  var output: FeatureMap { get }
  func forward(_ step: StepContext)
  /// Sets the gradient of the stage's parameters, and of its input where that is wanted.
  func backward(_ step: StepContext)
}
