#if DEBUG
  /// What a build with the address sanitizer asks for before it looks for leaks.
  ///
  /// libfontconfig, which libcairo draws letters with, keeps a kilobyte until the process ends.
  @_cdecl("__lsan_default_suppressions")
  public func leakSuppressions() -> UnsafePointer<UInt8> {
    ("leak:libfontconfig\n" as StaticString).utf8Start
  }
#endif
