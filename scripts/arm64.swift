// Two training steps of the book's network on made pictures, with each instruction set that this
// processor has: prints the digests of gradient and weights. scripts/arm64 compiles it twice.

import Engine

/// Bytes as a xorshift generator of 64 bits gives them.
struct MadeBytes {
  var state: UInt64 = 88_172_645_463_325_252
  mutating func next() -> UInt8 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return UInt8(truncatingIfNeeded: state >> 32)
  }
}

let architecture = try Architecture.book()
let size = 150 * 150 * 3
let pictures = UnsafeMutablePointer<UInt8>.allocate(capacity: 4 * size)
defer { pictures.deallocate() }

for kernels in KernelSet.available {
  let engine = try Engine(architecture, batchCapacity: 4, threads: 1, kernels: kernels)
  let updater = try Updater(engine.gradientLayout, threads: 1, kernels: kernels)
  let weights = ParameterBuffer(architecture.parameters)
  let average = ParameterBuffer(architecture.parameters)
  let gradient = ParameterBuffer(engine.gradientLayout.buffer)
  weights.initialize(seed: 7)
  var bytes = MadeBytes()
  for step in 1...2 {
    for index in 0..<4 * size { pictures[index] = bytes.next() }
    let totals = engine.gradient(
      pictures: (0..<4).map { UnsafePointer(pictures + $0 * size) }, labels: [0, 1, 1, 0],
      weights: weights, into: gradient)
    print("\(kernels): step \(step), loss \(totals.loss), gradient \(gradient.digest)")
    updater.apply(
      RMSprop(), weights: weights, average: average,
      steps: [StepGradient(gradient, pictures: 4)])
    print("\(kernels): step \(step), weights \(weights.digest)")
  }
}
