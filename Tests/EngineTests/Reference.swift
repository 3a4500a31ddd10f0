import Engine
import Primitives

/// The layers written the plain way, in doubles: what the kernels are compared with.
struct Reference {
  let convolution: Convolution
  let pooling: Int
  let input: Shape
  let batch: Int
  let output: Shape
  let pooled: Shape

  init(_ convolution: Convolution, pooling: Int, input: Shape, batch: Int) {
    self.convolution = convolution
    self.pooling = pooling
    self.input = input
    self.batch = batch
    func size(_ n: Int, _ kernel: Int, _ stride: Int) -> Int {
      convolution.padding == .valid ? (n - kernel) / stride + 1 : (n + stride - 1) / stride
    }
    output = Shape(
      height: size(input.height, convolution.kernel.height, convolution.strides.height),
      width: size(input.width, convolution.kernel.width, convolution.strides.width),
      channels: convolution.filters)
    pooled = Shape(
      height: output.height / pooling, width: output.width / pooling, channels: output.channels)
  }

  private func zerosBefore(_ n: Int, _ out: Int, _ kernel: Int, _ stride: Int) -> Int {
    convolution.padding == .valid ? 0 : max(0, (out - 1) * stride + kernel - n) / 2
  }

  /// Calls `body(input index, kernel index, output index)` for every product of the convolution.
  private func products(_ body: (Int, Int, Int) -> Void) {
    let (kernel, strides) = (convolution.kernel, convolution.strides)
    let above = zerosBefore(input.height, output.height, kernel.height, strides.height)
    let left = zerosBefore(input.width, output.width, kernel.width, strides.width)
    for n in 0..<batch {
      for oy in 0..<output.height {
        for ox in 0..<output.width {
          for ky in 0..<kernel.height {
            for kx in 0..<kernel.width {
              let y = oy * strides.height + ky - above
              let x = ox * strides.width + kx - left
              guard y >= 0, y < input.height, x >= 0, x < input.width else { continue }
              for i in 0..<input.channels {
                let a = ((n * input.height + y) * input.width + x) * input.channels + i
                for o in 0..<output.channels {
                  let k = ((ky * kernel.width + kx) * input.channels + i) * output.channels + o
                  body(
                    a, k, ((n * output.height + oy) * output.width + ox) * output.channels + o)
                }
              }
            }
          }
        }
      }
    }
  }

  /// The activated map before pooling, in doubles.
  func activated(_ values: [Float], _ kernel: [Float], _ bias: [Float]) -> [Double] {
    var sums = [Double](repeating: 0, count: batch * output.count)
    products { a, k, o in sums[o] += Double(values[a]) * Double(kernel[k]) }
    for i in sums.indices {
      sums[i] += Double(bias[i % output.channels])
      if convolution.activation == .relu { sums[i] = max(0, sums[i]) }
    }
    return sums
  }

  /// The first largest element of each window, as an index into the activated map.
  func chosen(_ map: [Double]) -> [Int] {
    (0..<batch * pooled.count).map { index in
      let channel = index % pooled.channels
      let x = index / pooled.channels % pooled.width
      let y = index / pooled.channels / pooled.width % pooled.height
      let n = index / pooled.count
      var best = -1
      for dy in 0..<pooling {
        for dx in 0..<pooling {
          let at =
            ((n * output.height + y * pooling + dy) * output.width + x * pooling + dx)
            * output.channels + channel
          if best < 0 || map[at] > map[best] { best = at }
        }
      }
      return best
    }
  }

  func backward(
    _ values: [Float], _ kernel: [Float], _ bias: [Float], _ outputGradient: [Float]
  ) -> (input: [Double], kernel: [Double], bias: [Double]) {
    let map = activated(values, kernel, bias)
    var mapGradient = [Double](repeating: 0, count: map.count)
    for (index, at) in chosen(map).enumerated()
    where convolution.activation == .linear || map[at] > 0 {
      mapGradient[at] += Double(outputGradient[index])
    }
    var inputGradient = [Double](repeating: 0, count: values.count)
    var kernelGradient = [Double](repeating: 0, count: kernel.count)
    var biasGradient = [Double](repeating: 0, count: bias.count)
    products { a, k, o in
      inputGradient[a] += Double(kernel[k]) * mapGradient[o]
      kernelGradient[k] += Double(values[a]) * mapGradient[o]
    }
    for i in mapGradient.indices { biasGradient[i % bias.count] += mapGradient[i] }
    return (inputGradient, kernelGradient, biasGradient)
  }
}

/// Uniform numbers in [-1, 1), from `key`.
func noise(_ count: Int, _ key: UInt64) -> [Float] {
  let random = CounterRandom(seed: key, purpose: .benchmark)
  return (0..<count).map { random.symmetricFloat(UInt64($0)) }
}

/// The norm of the difference over the norm.
func relativeError(_ a: [Float], _ b: [Double]) -> Double {
  guard a.count == b.count else { return .infinity }
  var (difference, norm) = (0.0, 0.0)
  for (x, y) in zip(a, b) {
    difference += (Double(x) - y) * (Double(x) - y)
    norm += y * y
  }
  return norm == 0 ? difference.squareRoot() : (difference / norm).squareRoot()
}
