// swift-tools-version: 6.1
// The modules are the architecture: every dependency below points down the list in README.

import PackageDescription

// Kernels are compiled once for each instruction set from the same sources (the wider folders are
// symbolic links), optimised in debug builds as well: an unoptimised kernel is a thousand times
// slower. `-num-threads` has the compiler write one object a file, as debug builds want it with
// `-wmo`; the threshold unrolls a tile's rows whole, so that its sums stay in registers.
let kernelFlags = [
  "-Ounchecked", "-wmo", "-num-threads", "1", "-Xllvm", "-unroll-threshold=4000",
]

#if arch(x86_64)
  let widerKernels: [Target] = [
    .target(
      name: "KernelsAVX2",
      dependencies: ["KernelInterface"],
      swiftSettings: [.unsafeFlags(kernelFlags + ["-Xcc", "-march=x86-64-v3"])]),
    .target(
      name: "KernelsAVX512",
      dependencies: ["KernelInterface"],
      swiftSettings: [
        .unsafeFlags(
          kernelFlags + ["-Xcc", "-march=x86-64-v4", "-Xcc", "-mprefer-vector-width=512"]),
        .define("AVX512"),
      ]),
  ]
#else
  let widerKernels: [Target] = []
#endif
let kernels: [Target.Dependency] = ["Kernels"] + widerKernels.map { .target(name: $0.name) }

let package = Package(
  name: "dogsled",
  products: [.executable(name: "dogsled", targets: ["dogsled"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
  ],
  targets: [
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CCairo", pkgConfig: "cairo", providers: [.apt(["libcairo2-dev"])]),
    .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(name: "CLibJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
    .target(name: "CJPEG", dependencies: ["CLibJPEG"]),
    .systemLibrary(name: "CLibCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .target(name: "CKey", dependencies: ["CLibCrypto"]),

    .target(name: "KernelInterface"),
    .target(
      name: "Kernels", dependencies: ["KernelInterface"],
      swiftSettings: [.unsafeFlags(kernelFlags)]),
    .target(name: "Primitives", dependencies: ["CXXHash"]),
    .target(name: "Engine", dependencies: kernels + ["KernelInterface", "Primitives"]),
    .target(name: "Pictures", dependencies: ["Engine", "Primitives", "CJPEG", "CCairo"]),
    .target(
      name: "Wire",
      dependencies: [
        "Engine", "Primitives", "CLZ4", .product(name: "NIOCore", package: "swift-nio"),
      ]),
    .target(name: "KerasFiles", dependencies: ["Engine", "Pictures", "Primitives", "CZlib"]),
    .target(name: "Coordination", dependencies: ["Wire", "Primitives"]),
    .target(
      name: "Runs",
      dependencies: ["Coordination", "KerasFiles", "Pictures", "Engine", "Primitives", "CCairo"]),
    .target(
      name: "Training",
      dependencies: [
        "Runs", "Coordination", "KerasFiles", "Wire", "Pictures", "Engine", "Primitives",
      ]),
    .target(
      name: "Network",
      dependencies: [
        "Training", "Coordination", "Wire", "Primitives", "CKey",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    .target(
      name: "Simulation",
      dependencies: [
        "Training", "Runs", "Coordination", "KerasFiles", "Wire", "Pictures", "Engine",
        "Primitives", .product(name: "NIOCore", package: "swift-nio"),
      ]),
    .executableTarget(
      name: "simulate",
      dependencies: [
        "Simulation", "Engine", "Primitives",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "dogsled",
      dependencies: [
        "Network", "Training", "Runs", "Coordination", "KerasFiles", "Wire", "Pictures", "Engine",
        "Primitives",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ]),

    .target(name: "CountingMalloc", path: "Tests/CountingMalloc"),
    .target(name: "TestSupport", dependencies: ["Pictures"], path: "Tests/TestSupport"),
    .testTarget(name: "PrimitivesTests", dependencies: ["Primitives", "TestSupport"]),
    .testTarget(name: "EngineTests", dependencies: ["Engine", "Primitives", "CountingMalloc"]),
    .testTarget(name: "PicturesTests", dependencies: ["Pictures", "Engine", "Primitives"]),
    .testTarget(
      name: "WireTests",
      dependencies: [
        "Wire", "Engine", "Primitives", .product(name: "NIOCore", package: "swift-nio"),
      ]),
    .testTarget(
      name: "KerasFilesTests",
      dependencies: ["KerasFiles", "Pictures", "Engine", "Primitives", "TestSupport"],
      exclude: ["Files"]),
    .testTarget(
      name: "CoordinationTests", dependencies: ["Coordination", "Wire", "Engine", "Primitives"]),
    .testTarget(
      name: "RunsTests",
      dependencies: [
        "Runs", "Coordination", "KerasFiles", "Pictures", "Engine", "Primitives", "CCairo",
        "TestSupport",
      ]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Training", "Runs", "Coordination", "KerasFiles", "Wire", "Pictures", "Engine",
        "Primitives", "TestSupport",
      ]),
    .testTarget(name: "SimulationTests", dependencies: ["Simulation", "Engine"]),
    .testTarget(
      name: "NetworkTests",
      dependencies: [
        "Network", "Training", "Coordination", "Wire", "Engine", "Primitives", "TestSupport",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    .testTarget(
      name: "CommandTests",
      dependencies: ["Runs", "KerasFiles", "Pictures", "Engine", "Primitives", "TestSupport"]),
    .testTarget(
      name: "ParityTests",
      dependencies: [
        "Runs", "Coordination", "KerasFiles", "Pictures", "Engine", "Primitives",
      ],
      exclude: [
        "keras_archives.py", "keras_augmentation.py", "keras_classes.py", "keras_graphs.py",
        "keras_reference.py", "keras_training.py", "hdf5_witness.py", "onnx_witness.py",
      ]),
    .testTarget(
      name: "FaultTests",
      dependencies: [
        "Network", "Training", "Wire", "Engine", "Primitives", "TestSupport",
        .product(name: "NIOCore", package: "swift-nio"),
      ]),
    .testTarget(name: "ClusterTests", dependencies: ["TestSupport"]),
    .testTarget(name: "TidyTests"),
  ] + widerKernels
)
