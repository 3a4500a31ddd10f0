// Convolution of any kernel size and stride as matrix products that read the map where it lies:
// for one row of the kernel, the kernelWidth * channels inputs of an output position are
// neighbours in memory (NHWC). Packed weights are [out / 32][kernel row][kernel column * in][32].

/// The sizes that one output row of a convolution is computed with; strides in floats.
///
/// A tuple, so that its type is the same in every module these sources are compiled to.
///
/// - positions: output positions of the row.
/// - inputPosition: between the inputs of two neighbouring positions: stride * channels.
/// - inputRow: between two rows of the input map.
/// - passes: kernel rows.
/// - run: kernelWidth * channels.
/// - outputPosition: between two output positions, a multiple of 32.
public typealias ConvolutionRow = (
  positions: Int, inputPosition: Int, inputRow: Int, passes: Int, run: Int, outputPosition: Int
)

/// One output row: output[position][channels] = the kernel's products, without bias.
/// - Parameter channels: output channels to compute, a multiple of 32.
public func convolveRow(
  _ row: ConvolutionRow, input: Source, weights: Source, channels: Int, output: Target
) {
  for block in 0..<channels / blockColumns {
    let o = Operands(
      a: input, aStride: row.inputPosition, aPass: row.inputRow,
      b: weights + block * row.passes * row.run * blockColumns, bDepth: blockColumns,
      bPass: row.run * blockColumns, run: row.run, passes: row.passes)
    product(
      o, rows: row.positions, c: output + block * blockColumns, cRow: row.outputPosition,
      adding: false)
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
  for block in 0..<channels / blockColumns {
    let o = Operands(
      a: input, aStride: row.inputPosition, aPass: inputRows,
      b: outputGradient + block * blockColumns, bDepth: gradientPosition, bPass: gradientRows,
      run: row.positions, passes: rows)
    transposedProduct(
      o, rows: row.run, c: gradient + block * blockColumns, cRow: channels, adding: true)
  }
}

/// Packs one block of 32 output channels of [height][width][in][out] weights for the forward
/// convolution.
/// - Parameters:
///   - inStride: channels of the input map as stored, `in` or more; weights for those beyond
///     `in` become zero.
///   - packed: [outPadded / 32][height][width * inStride][32].
public func packForward(
  weights: Source, block: Int, area: Int, inChannels: Int, inStride: Int, outChannels: Int,
  packed: Target
) {
  let columns = min(blockColumns, outChannels - block * blockColumns)
  for tap in 0..<area {
    for i in 0..<inStride {
      let target = packed + ((block * area + tap) * inStride + i) * blockColumns
      let source = weights + (tap * inChannels + i) * outChannels + block * blockColumns
      for j in 0..<blockColumns { target[j] = i < inChannels && j < columns ? source[j] : 0 }
    }
  }
}

/// Packs one block of 32 input channels of [height][width][in][out] weights for the data
/// gradient, which is a convolution of the output gradient with the kernel turned by 180 degrees
/// and its channels exchanged.
/// - Parameter packed: [inPadded / 32][height][width * outPadded][32].
public func packBackward(
  weights: Source, block: Int, area: Int, inChannels: Int, outChannels: Int, outPadded: Int,
  packed: Target
) {
  let columns = min(blockColumns, inChannels - block * blockColumns)
  for tap in 0..<area {
    let source = weights + ((area - 1 - tap) * inChannels + block * blockColumns) * outChannels
    for o in 0..<outPadded {
      let target = packed + ((block * area + tap) * outPadded + o) * blockColumns
      for j in 0..<blockColumns {
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
