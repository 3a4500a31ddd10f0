import Foundation
import KernelInterface
import Kernels

#if arch(x86_64)
  import KernelsAVX2
  import KernelsAVX512
#endif

/// The instruction sets that the kernels are compiled for; all give the same bits.
public enum KernelSet: String, CaseIterable, Sendable {
  /// What every processor of the architecture has: SSE2, or NEON on Arm.
  case baseline
  /// x86-64-v3: AVX2 and fused multiply-add.
  case avx2
  /// x86-64-v4: AVX-512.
  case avx512

  /// Those that this processor can run, the widest last.
  ///
  /// From the flags that Linux reports; see the x86-64 psABI for what each level has.
  public static let available: [KernelSet] = {
    #if arch(x86_64)
      let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
      let line = text.split(separator: "\n").first { $0.hasPrefix("flags") } ?? ""
      let flags = Set(line.split(separator: " "))
      var sets: [KernelSet] = [.baseline]
      guard flags.isSuperset(of: ["avx2", "fma", "bmi1", "bmi2", "f16c", "movbe", "abm"]) else {
        return sets
      }
      sets.append(.avx2)
      if flags.isSuperset(of: ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]) {
        sets.append(.avx512)
      }
      return sets
    #else
      return [.baseline]
    #endif
  }()

  /// The widest available, or the one that the environment variable `DOGSLED_KERNELS` names.
  /// - Throws: `KernelSetError` where the variable names none or one that this processor lacks.
  public static func chosen(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> KernelSet {
    guard let name = environment["DOGSLED_KERNELS"], !name.isEmpty else {
      return available.last ?? .baseline
    }
    guard let set = KernelSet(rawValue: name), available.contains(set) else {
      let names = available.map(\.rawValue).joined(separator: ", ")
      throw KernelSetError(
        description: "DOGSLED_KERNELS is '\(name)', but this machine can run only: \(names)")
    }
    return set
  }
}

extension KernelSet {
  /// The kernels that were compiled for it; only a processor that has it may call them.
  var operations: any KernelOperations.Type {
    #if arch(x86_64)
      switch self {
      case .baseline: Kernels.operations
      case .avx2: KernelsAVX2.operations
      case .avx512: KernelsAVX512.operations
      }
    #else
      Kernels.operations
    #endif
  }
}

/// Kernels that this processor cannot run.
public struct KernelSetError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String
}
