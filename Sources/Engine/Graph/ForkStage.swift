import KernelInterface

/// A value that several operations read: their gradients for it are added in the graph's order.
///
/// The first of them leaves its gradient in the value's own place, each of the others in one of its
/// own.
final class ForkStage: Stage {
  let output: FeatureMap
  let layers = "sums of gradients"
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private var branches: [FeatureMap] = []
  private let batch: Int
  private let memory: PlanMemory

  init(_ value: FeatureMap, batch: Int, memory: PlanMemory) {
    output = value
    self.batch = batch
    self.memory = memory
  }

  /// What the next of those that read the value reads.
  func branch() -> FeatureMap {
    let isFirst = branches.isEmpty
    branches.append(
      isFirst ? output : FeatureMap(branching: output, batch: batch, memory: memory))
    return branches[branches.count - 1]
  }

  func forward(_ step: StepContext) {}

  func backward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      for branch in branches.dropFirst() {
        for row in 0..<output.shape.height {
          let place = output.place(picture, row, 0)
          add(Source(branch.gradient + place), to: output.gradient + place, step.kernels)
        }
      }
    }
  }

  /// a += b for a row; the kernel takes whole vectors, which a flat map may end within.
  private func add(_ b: Source, to a: Target, _ kernels: any KernelOperations.Type) {
    let count = output.shape.width * output.channelStride
    let whole = count / 16 * 16
    kernels.sum(Source(a), b, target: a, count: whole)
    for i in whole..<count { a[i] += b[i] }
  }
}
