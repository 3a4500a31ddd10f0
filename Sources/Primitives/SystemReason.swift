import Foundation

/// What `errno` says, in words.
package func lastError() -> String { String(cString: strerror(errno)) }

/// What the system says went wrong, without Foundation's words around it.
package func reason(_ error: any Error) -> String {
  let error = error as NSError
  let system = (error.userInfo[NSUnderlyingErrorKey] as? NSError) ?? error
  if system.domain == NSPOSIXErrorDomain { return String(cString: strerror(Int32(system.code))) }
  switch CocoaError.Code(rawValue: error.code) {
  case .fileNoSuchFile, .fileReadNoSuchFile: return "No such file or directory"
  case .fileReadNoPermission, .fileWriteNoPermission: return "Permission denied"
  default: return error.localizedDescription
  }
}
