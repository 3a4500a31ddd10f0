import Coordination
import Pictures
import Primitives
import Wire

/// Sends workers the files of pictures that they lack, read on a thread of its own.
final class PictureServer {
  private let files: PictureFiles
  private let links: any WorkerLinks
  private let thread: SerialThread

  /// - Throws: where the thread cannot be had.
  init(_ files: PictureFiles, _ links: any WorkerLinks) throws(ThreadError) {
    (self.files, self.links) = (files, links)
    thread = try SerialThread("pictures for workers")
  }

  /// How many pictures there are.
  var count: Int { files.count }

  /// Sends files one after the other; a worker is told of one that cannot be read.
  func send(_ pictures: [Int], to peer: PeerID) {
    thread.perform { [files, links] in
      for picture in pictures {
        do throws(PictureError) {
          let bytes = try files.bytes(of: picture)
          for start in stride(from: 0, to: bytes.count, by: PicturePiece.most) {
            let end = min(start + PicturePiece.most, bytes.count)
            let piece = PicturePiece(
              picture: picture, offset: start, bytes: Array(bytes[start..<end]))
            links.send(.picture(piece), to: [peer])
          }
        } catch {
          links.send(.refuse(reason: "a picture cannot be sent: \(error)"), to: [peer])
          links.close(peer)
          return
        }
      }
    }
  }
}
