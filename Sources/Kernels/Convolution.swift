// Convolution of any kernel size and stride as matrix products that read the map where it lies:
// for one row of the kernel, the kernelWidth * channels inputs of an output position are
// neighbours in memory (NHWC). Packed weights are in blocks of 32 output channels (the
// last may have 16): [block][kernel row][kernel column * in][32].

/// The sizes that one output row of a convolution is computed with; strides in floats.
///
/// A tuple, so that its type is the same in every module these sources are compiled to.
///
/// - positions: output positions of the row.
/// - inputPosition: between the inputs of two neighbouring positions: stride * channels.
/// - inputRow: between two rows of the input map.
/// - passes: kernel rows.
/// - run: kernelWidth * channels.
/// - outputPosition: between two output positions, a multiple of 16.
public typealias ConvolutionRow = (
  positions: Int, inputPosition: Int, inputRow: Int, passes: Int, run: Int, outputPosition: Int
)

/// One output row: output[position][channels] = the kernel's products, without bias.
/// - Parameter channels: output channels to compute, a multiple of 16.
public func convolveRow(
  _ row: ConvolutionRow, input: Source, weights: Source, channels: Int, output: Target
) {
  forBlocks(channels) { first, width in
    let o = Operands(
      a: input, aStride: row.inputPosition, aPass: row.inputRow, columns: width,
      b: weights + first * row.passes * row.run, bDepth: width, bPass: row.run * width,
      run: row.run, passes: row.passes)
    product(o, rows: row.positions, c: output + first, cRow: row.outputPosition, adding: false)
  }
}

/// Adds to a weight gradient what `rows` output rows contribute, for one kernel row.
///
/// gradient[kernelWidth * in][out padded] += sum over rows and positions of the input's
/// kernelWidth * in neighbours times the output gradient.
/// - Parameters:
///   - input: the first row's input, at the kernel row in question.
///   - inputRows: floats between the inputs of two output rows.
///   - outputGradient: the first row's; `gradientPosition` floats between two positions.
///   - gradientRows: floats between two of its rows.
public func addWeightGradient(
  _ row: ConvolutionRow, rows: Int, input: Source, inputRows: Int, outputGradient: Source,
  gradientPosition: Int, gradientRows: Int, channels: Int, gradient: Target
) {
  forBlocks(channels) { first, width in
    let o = Operands(
      a: input, aStride: row.inputPosition, aPass: inputRows, columns: width,
      b: outputGradient + first, bDepth: gradientPosition, bPass: gradientRows,
      run: row.positions, passes: rows)
    transposedProduct(o, rows: row.run, c: gradient + first, cRow: channels, adding: true)
  }
}

/// Packs the output channels `first..<first + width` of [height][width][in][out] weights, a block,
/// for the forward convolution.
/// - Parameters:
///   - inStride: channels of the input map as stored, `in` or more; weights for those beyond
///     `in` become zero.
///   - packed: [height][width * inStride][width of the block].
public func packForward(
  weights: Source, first: Int, width: Int, area: Int, inChannels: Int, inStride: Int,
  outChannels: Int, packed: Target
) {
  let columns = min(width, outChannels - first)
  for tap in 0..<area {
    for i in 0..<inStride {
      let target = packed + (tap * inStride + i) * width
      let source = weights + (tap * inChannels + i) * outChannels + first
      for j in 0..<width { target[j] = i < inChannels && j < columns ? source[j] : 0 }
    }
  }
}

/// Packs the input channels `first..<first + width` of [height][width][in][out] weights, a block,
/// for the data gradient, which is a convolution of the output gradient with the kernel turned by
/// 180 degrees and its channels exchanged.
/// - Parameter packed: [height][width * outPadded][width of the block].
public func packBackward(
  weights: Source, first: Int, width: Int, area: Int, inChannels: Int, outChannels: Int,
  outPadded: Int, packed: Target
) {
  let columns = min(width, inChannels - first)
  for tap in 0..<area {
    let source = weights + ((area - 1 - tap) * inChannels + first) * outChannels
    for o in 0..<outPadded {
      let target = packed + (tap * outPadded + o) * width
      for j in 0..<width {
        target[j] = o < outChannels && j < columns ? source[j * outChannels + o] : 0
      }
    }
  }
}

/// gradient[rows][out] = (adding ? gradient : 0) + a partial gradient, [rows][outPadded].
public func addPartial(
  _ partial: Source, adding: Bool, rows: Int, outPadded: Int, outChannels: Int, gradient: Target
) {
  for row in 0..<rows {
    let source = partial + row * outPadded
    let target = gradient + row * outChannels
    for j in 0..<outChannels { target[j] = adding ? target[j] + source[j] : source[j] }
  }
}
