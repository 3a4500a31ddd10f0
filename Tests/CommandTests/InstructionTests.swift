#if arch(x86_64)
  import Foundation
  import TestSupport
  import Testing

  /// The program on processors that have no wide instructions.
  @Suite struct InstructionTests {
    private static let program = Bundle.main.bundleURL.appendingPathComponent("dogsled").path

    /// Whether a program is on the path.
    private static func has(_ tool: String) -> Bool {
      let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
      return path.split(separator: ":").contains {
        FileManager.default.isExecutableFile(atPath: "\($0)/\(tool)")
      }
    }

    /// Runs a shell command in `folder`.
    private static func shell(_ command: String, in folder: TemporaryFolder) throws -> Command {
      let shell = Process()
      shell.executableURL = URL(fileURLWithPath: "/bin/sh")
      shell.arguments = ["-c", command]
      shell.currentDirectoryURL = URL(fileURLWithPath: folder.path)
      (shell.standardOutput, shell.standardError) = (Pipe(), Pipe())
      try shell.run()
      return try Command(waitingFor: shell)
    }

    /// Modules that are compiled for more than every processor has.
    private static let widerModules = ["KernelsAVX2", "KernelsAVX512"]

    @Test(.enabled(if: has("objdump"), "needs objdump (binutils)"))
    func onlyTheKernelsModulesHaveWideInstructions() throws {
      // Wide registers; what AVX encodes, whose names begin with v; and the integer instructions
      // of x86-64-v3.
      let wide =
        #"%[yz]mm|%k[1-7]|\tv[a-z]|\t(andn|bextr|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx)[lq]? "#
      let list =
        "objdump -d --no-show-raw-insn '\(Self.program)' | awk "
        + "'/^[0-9a-f]+ </ { name = $2 } /\(wide)/ { print name }' | sort -u"
      let folder = try TemporaryFolder()
      let result = try Self.shell(list, in: folder)
      #expect(result.status == 0, "\(result.errors)")
      // BoringSSL asks what the processor has before each function that needs it.
      let objects = "\(Bundle.main.bundleURL.path)/CNIOBoringSSL.build"
      let known = try Self.shell(
        "find '\(objects)' -name '*.o' -print0 | xargs -0 nm -j --defined-only", in: folder)
      #expect(known.lines.count > 1000, "\(known.errors)")
      let cryptography = Set(known.lines.map { "<\($0)>:" })
      let (own, others) = (
        result.lines.filter { $0.contains("KernelsAVX") },
        result.lines.filter { !$0.contains("KernelsAVX") && !cryptography.contains($0) }
      )
      #expect(others == [])
      // The test sees what it looks for.
      for module in Self.widerModules {
        #expect(own.contains { $0.contains(module) })
      }
    }

    /// Each symbol of a wider module has the module's name.
    ///
    /// The wider modules import `KernelInterface` and use the standard library. A function of these
    /// that is generic or open to inlining, and is not inlined, becomes a weak symbol of the module
    /// that calls it, with that module's instructions. The linker may choose it for all callers,
    /// and a processor without the instructions stops there. The test above sees what the linker
    /// did choose, this one what it may choose.
    @Test(.enabled(if: has("nm"), "needs nm (binutils)"), arguments: widerModules)
    func theWiderModulesHaveNoSymbolThatOthersCouldLink(_ module: String) throws {
      let build = Bundle.main.bundleURL.appendingPathComponent("\(module).build").path
      let list = "nm --defined-only --extern-only '\(build)'/*.o | sed -n 's/^[0-9a-f]* . //p'"
      let result = try Self.shell(list, in: try TemporaryFolder())
      #expect(result.status == 0, "\(result.errors)")
      let shared = result.lines.filter {
        // Two that hold no code: a version, and the place of another module's protocol.
        !$0.contains(module) && $0 != "__swift_reflection_version" && !$0.hasPrefix("got.")
      }
      #expect(shared == [])
      #expect(result.lines.count > 50)
    }

    /// A Nehalem of 2008 has neither AVX nor fused multiply-add; the baseline trains to the same
    /// bits on it. (The emulator shows the program the flags of the real processor.)
    @Test(.enabled(if: has("qemu-x86_64-static"), "needs qemu-x86_64-static (qemu-user-static)"))
    func trainsOnAProcessorWithoutThem() throws {
      let folder = try TemporaryFolder()
      let model = #"""
        {"class_name": "Sequential", "config": {"layers": [
          {"class_name": "Conv2D", "config": {"batch_input_shape": [null, 24, 22, 3],
            "filters": 16, "kernel_size": [3, 3], "activation": "relu"}},
          {"class_name": "MaxPooling2D", "config": {"pool_size": [2, 2]}},
          {"class_name": "Conv2D",
            "config": {"filters": 16, "kernel_size": [3, 3], "activation": "relu"}},
          {"class_name": "Flatten", "config": {}},
          {"class_name": "Dense", "config": {"units": 1, "activation": "sigmoid"}}]}}
        """#
      try folder.write(Data(model.utf8), to: "model.json")
      let counts = ["--train", "4", "--validation", "2", "--test", "1"]
      #expect(try Command(["sample", "data"] + counts, in: folder).status == 0)
      let options =
        "train data --model model.json --epochs 2 --steps-per-epoch 2 --batch-size 4 --threads 1"
      let emulated = try Self.shell(
        "DOGSLED_KERNELS=baseline qemu-x86_64-static -cpu Nehalem '\(Self.program)' \(options) "
          + "--run emulated", in: folder)
      #expect(emulated.status == 0, "\(emulated.errors)")
      #expect(emulated.errors.contains("baseline kernels"))
      let own = try Command(
        options.split(separator: " ").map(String.init) + ["--run", "own"], in: folder)
      let digests = [emulated, own].map { $0.lines.first { $0.hasPrefix("digest") } }
      #expect(digests[0] != nil && digests[0] == digests[1])
    }
  }
#endif
