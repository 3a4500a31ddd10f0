import KernelInterface

/// A value that several operations read: their gradients for it are added in the graph's order.
///
/// The first of them leaves its gradient in the value's own place, or the second, and each of the
/// others in one of its own, or where its output's is if it passes that on as it is. One that does
/// not write all of a gradient counts on zeros in the rest, so it is never given the value's place,
/// which the sum is left in.
final class ForkStage: Stage {
  let output: FeatureMap
  let layers = "sums of gradients"
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  /// What reads the value, but for the one that has the value's own place.
  private var branches: [Branch] = []
  private var readers = 0
  private var ownsPlace = false
  private let batch: Int
  private let memory: PlanMemory

  private struct Branch {
    let map: FeatureMap
    /// Between the rows and columns that have a gradient.
    let steps: Extent
  }

  init(_ value: FeatureMap, batch: Int, memory: PlanMemory) {
    output = value
    self.batch = batch
    self.memory = memory
  }

  /// What the next of those that read the value reads.
  /// - Parameters:
  ///   - needed: the rows and columns that it reads.
  ///   - steps: between the positions that it reads.
  func branch(needed: Extent, steps: Extent) -> FeatureMap {
    let isWhole = needed == output.shape.extent && steps == Extent(height: 1, width: 1)
    readers += 1
    if isWhole, !ownsPlace, readers <= 2 {
      ownsPlace = true
      return output
    }
    let map = FeatureMap(branching: output, batch: batch, memory: memory)
    branches.append(Branch(map: map, steps: steps))
    return map
  }

  /// Counts a reader in that passes the gradient of `map`, its output, on to the value.
  func pass(_ map: FeatureMap) {
    readers += 1
    branches.append(Branch(map: map, steps: Extent(height: 1, width: 1)))
  }

  func forward(_ step: StepContext) {}

  func backward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      var others = branches[...]
      if !ownsPlace, let first = others.popFirst() {
        forEachRow(of: picture, output, first.map) { place, read, count in
          (output.gradient + place).update(from: first.map.gradient + read, count: count)
        }
      }
      for branch in others { add(branch, picture, step.kernels) }
    }
  }

  private func add(_ branch: Branch, _ picture: Int, _ kernels: any KernelOperations.Type) {
    let channels = output.channelStride
    for row in stride(from: 0, to: output.shape.height, by: branch.steps.height) {
      let source = Source(branch.map.gradient + branch.map.place(picture, row, 0))
      let target = output.gradient + output.place(picture, row, 0)
      guard branch.steps.width > 1 else {
        add(source, to: target, kernels)
        continue
      }
      for column in stride(from: 0, to: output.shape.width, by: branch.steps.width) {
        let (source, target) = (source + column * channels, target + column * channels)
        kernels.sum(Source(target), source, target: target, count: channels)
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
