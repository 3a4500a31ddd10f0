// Convolution of any kernel size and stride as matrix products that read the map where it lies:
// for one row of the kernel, the kernelWidth * channels inputs of an output position are
// neighbours in memory (NHWC). Packed weights are in blocks of 32 output channels (the
// last may have 16): [block][kernel row][kernel column * in][32].

import KernelInterface

extension Operations {
  static func convolveRow(
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

  static func addWeightGradient(
    _ row: ConvolutionRow, rows: Int, input: Source, inputRows: Int, outputGradient: Source,
    gradientStrides: Strides, channels: Int, gradient: Target
  ) {
    forBlocks(channels) { first, width in
      let o = Operands(
        a: input, aStride: row.inputPosition, aPass: inputRows, columns: width,
        b: outputGradient + first, bDepth: gradientStrides.position, bPass: gradientStrides.row,
        run: row.positions, passes: rows)
      transposedProduct(o, rows: row.run, c: gradient + first, cRow: channels, adding: true)
    }
  }

  static func packForward(
    _ weights: Source, shape: FilterShape, inStride: Int, block: Range<Int>, packed: Target
  ) {
    let (first, width) = (block.lowerBound, block.count)
    let columns = min(width, shape.outputs - first)
    for tap in 0..<shape.area {
      for i in 0..<inStride {
        let target = packed + (tap * inStride + i) * width
        let source = weights + (tap * shape.inputs + i) * shape.outputs + first
        for j in 0..<width { target[j] = i < shape.inputs && j < columns ? source[j] : 0 }
      }
    }
  }

  static func packBackward(
    _ weights: Source, shape: FilterShape, outStride: Int, block: Range<Int>, packed: Target
  ) {
    let (first, width) = (block.lowerBound, block.count)
    let columns = min(width, shape.inputs - first)
    for tap in 0..<shape.area {
      let source = weights + ((shape.area - 1 - tap) * shape.inputs + first) * shape.outputs
      for o in 0..<outStride {
        let target = packed + (tap * outStride + o) * width
        for j in 0..<width {
          target[j] = o < shape.outputs && j < columns ? source[j * shape.outputs + o] : 0
        }
      }
    }
  }

  static func addPartial(
    _ partial: Source, adding: Bool, rows: Int, outStride: Int, outputs: Int, gradient: Target
  ) {
    for row in 0..<rows {
      let source = partial + row * outStride
      let target = gradient + row * outputs
      for j in 0..<outputs { target[j] = adding ? target[j] + source[j] : source[j] }
    }
  }
}
