import KernelInterface

/// The kernels with the instructions that this module is compiled for.
public var operations: any KernelOperations.Type { Operations.self }

// The other files have its functions; `KernelOperations` says what each takes and gives. Not
// public: the optimiser might compile a public function's body anew where it is called, with that
// module's instructions.
enum Operations: KernelOperations {}
