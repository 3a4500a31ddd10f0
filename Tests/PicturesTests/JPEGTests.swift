import Foundation
import Pictures
import Testing

/// Expected pixels are those of Pillow 13.0.0's `Image.open(file).convert("RGB")`, by their digest.
@Suite struct JPEGTests {
  @Test func decodesWhatItEncoded() throws {
    let picture = try smooth(3)
    let decoded = try decode(JPEG.encode(picture, quality: 95))
    #expect((decoded.height, decoded.width) == (40, 60))
    let differences = zip(picture.array, decoded.array).map { abs(Int($0) - Int($1)) }
    #expect(differences.reduce(0, +) < 4 * differences.count)
  }

  @Test(arguments: [Small.grey, Small.cmyk, Small.progressive])
  func turnsEveryKindToRGB(_ file: (base64: String, digest: String)) throws {
    let bytes = try #require(Data(base64Encoded: file.base64))
    let picture = try decode([UInt8](bytes))
    #expect((picture.height, picture.width) == (16, 16))
    #expect(digest(picture.array) == file.digest)
  }

  @Test func truncatedDataAreAnError() throws {
    for file in [try jpeg(), [UInt8](Data(base64Encoded: Small.progressive.base64)!)] {
      for count in stride(from: 2, to: file.count - 2, by: 7) {
        let error = #expect(throws: PictureError.self) {
          try decode(Array(file[..<count]))
        }
        #expect(error?.description.contains("truncated") == true, "\(count) bytes: \(error!)")
      }
    }
  }

  @Test(arguments: [
    (400, 600, 150, 150, 200, 300), (1300, 1200, 150, 150, 163, 150),
    (299, 600, 150, 150, 150, 300),
    (40, 60, 150, 150, 40, 60), (400, 600, 400, 10, 400, 600),
  ])
  func fastDecodingHalvesTheScaleWhileThePictureIsLargeEnough(
    _ height: Int, _ width: Int, _ leastHeight: Int, _ leastWidth: Int, _ outHeight: Int,
    _ outWidth: Int
  ) throws {
    let slope = try DecodedPicture(height: height, width: width) { out in
      for i in out.indices {
        out[i] = UInt8((i / 3 / width * 100 / height) + (i / 3 % width * 100 / width) + i % 3 * 20)
      }
    }
    let file = try JPEG.encode(slope, quality: 90)
    let exact = try decode(file)
    let fast = try decode(file, least: (leastHeight, leastWidth))
    #expect((fast.height, fast.width) == (outHeight, outWidth))
    let small = try Resize.resize(exact, height: outHeight, width: outWidth, .area)
    let differences = zip(small.array, fast.array).map { abs(Int($0) - Int($1)) }
    #expect(differences.reduce(0, +) < 3 * differences.count)
  }

  @Test func trailingBytesAreLeftAlone() throws {
    let file = try jpeg()
    #expect(try decode(file + [1, 2, 3]).array == decode(file).array)
  }

  @Test(
    arguments: [
      ([], "empty"), (Array("GIF89a...".utf8), "a GIF"), ([0x89] + Array("PNG\r\n".utf8), "a PNG"),
      (Array("RIFF....WEBPVP8 ".utf8), "a WebP"), (Array("<html>".utf8), "a text"),
      ([1, 2, 3], "not a JPEG"), ([0xFF, 0xD8, 0xFF, 0xD9], "truncated"),
    ] as [([UInt8], String)])
  func saysWhatOtherFilesAre(_ file: (bytes: [UInt8], text: String)) {
    let error = #expect(throws: PictureError.self) { try decode(file.bytes) }
    #expect(error?.description.contains(file.text) == true, "\(error!)")
  }

  @Test func refusesTooManyPixelsBeforeAllocating() throws {
    var file = try jpeg()
    // The frame header: FF C0, length, precision, height, width.
    let frame = try #require(file.indices.first { file[$0...].starts(with: [0xFF, 0xC0]) })
    for i in [5, 7] { file[frame + i] = 0xFF }
    for i in [6, 8] { file[frame + i] = 0 }
    let error = #expect(throws: PictureError.self) { try decode(file) }
    #expect(
      error?.reason == "65280x65280 pixels: more than the 100 megapixels allowed: shrink it")
  }

  @Test func damagedDataGivePixelsOrOneLine() throws {
    let files = [try jpeg(), [UInt8](Data(base64Encoded: Small.cmyk.base64)!)]
    var (decoded, refused) = (0, 0)
    for round in 0..<1000 {
      var file = files[round % 2]
      for hit in 0...round % 3 {
        file[(round * 7919 + hit * 104_729) % file.count] = UInt8(round * 31 % 256)
      }
      do {
        _ = try decode(file)
        decoded += 1
      } catch {
        refused += 1
        #expect(!error.description.isEmpty && !error.description.contains("\n"))
      }
    }
    #expect(decoded > 100 && refused > 100)
  }

  @Test func encodesOnlyWhatAJPEGCanHold() throws {
    let wide = try DecodedPicture(height: 1, width: 65_501) { _ in }
    #expect(throws: PictureError.self) { try JPEG.encode(wide, quality: 90) }
  }

  @Test func namesTheFile() {
    let decoder = PictureDecoder(PictureSettings(), height: 8, width: 8)
    let error = #expect(throws: PictureError.self) { try decoder.decode(path: "/nowhere/cat.jpg") }
    #expect(error?.description.hasPrefix("/nowhere/cat.jpg: cannot be opened: ") == true)
    #expect(throws: PictureError(path: "/", "not a file")) { try decoder.decode(path: "/") }
    let file = #filePath
    #expect(throws: PictureError(path: file, "not a JPEG: it does not start with FF D8")) {
      try decoder.decode(path: file)
    }
  }

  @Test(.enabled(if: Shared.odd != nil, Shared.needs))
  func oddFilesGivePillowsPixelsOrOneLine() throws {
    let folder = try #require(Shared.odd)
    let refused = [
      "Abyssinian_34.jpg": "a GIF", "Abyssinian_5.jpg": "a PNG", "monkey12.jpg": "precision 12",
      "truncated_jpeg.jpg": "truncated", "ultrahdr.jpg": "truncated",
    ]
    let files = try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".jpg") }
    #expect(!files.isEmpty)
    for name in files {
      do {
        let picture = try decode(path: "\(folder)/\(name)")
        #expect(refused[name] == nil, "\(name)")
        #expect(digest(picture.array) == pillow[name, default: digest(picture.array)], "\(name)")
      } catch {
        #expect(pillow[name] == nil, "\(error)")
        #expect("\(error)".contains(refused[name, default: ""]), "\(error)")
      }
      let fast = PictureDecoder(PictureSettings(decoding: .fast), height: 40, width: 50)
      let isGood = (try? fast.decode(path: "\(folder)/\(name)")) != nil
      #expect(isGood == (refused[name] == nil), "\(name), decoded fast")
    }
  }

  @Test(.enabled(if: Shared.pets != nil, Shared.needs))
  func photographsAreEqualToPillows() throws {
    let folder = try #require(Shared.pets)
    var pixels: [UInt8] = []
    for breed in ["cats", "dogs"] {
      let names = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(breed)")
      for name in names.sorted() where name.hasSuffix(".jpg") {
        pixels += try decode(path: "\(folder)/\(breed)/\(name)").array
      }
    }
    #expect(digest(pixels) == "b9b2004059949d32e47f1556a30b3a9f")
  }

  private let pillow = [
    "broken_exif_dpi.jpg": "4406cd184700b179fb0566dfbf56232c",
    "flower.jpg": "0bf92dfb3d97a393476654bc5459e8a7",
    "hopper.jpg": "3d625d9265e1be80203094f1d39c1f0f",
    "hopper_16bit_qtables.jpg": "91ed3f53020040bf2894c38a254cfcb5",
    "hopper_bad_exif.jpg": "2e05e0567d38491c1544b3798070fc60",
    "hopper_gray.jpg": "138bba227addc5e2d17d27a4ee649a2e",
    "hopper_orientation_2.jpg": "e6ac567ab2bc9b6eb6182013741865c6",
    "hopper_orientation_3.jpg": "70247b9d05ebb9ea4af41d049fabae1b",
    "hopper_orientation_4.jpg": "e86d0f8dfd424a1112f3b0faa9a85183",
    "hopper_orientation_5.jpg": "1e529292c63bc560ad5f076a5d4ca17e",
    "hopper_orientation_6.jpg": "0d0a4504dbfcbe2d2478261503ba3938",
    "hopper_orientation_7.jpg": "fbda26c7ec2207b9f91cd5c4efb9e310",
    "hopper_orientation_8.jpg": "d30bd2061ca6fe7891b0d831947fccdd",
    "icc-after-SOF.jpg": "be8945035b2f421f56d0762b20085f91",
    "invalid-exif.jpg": "d9153861d07765a65307018cc1a13ca2",
    "jpeg_ff00_header.jpg": "3e18cf4707ba09d8c55984b9defae900",
    "junk_jpeg_header.jpg": "79fc18c0811fcec68344b5787821ea25",
    "pil_sample_cmyk.jpg": "043b13597932db4847095fc200ddca67",
    "pil_sample_rgb.jpg": "004bfb1c76d107f40255a6333dfb80be",
    "rgb.jpg": "d462a4bd5e473e5d7120e83745fb57cc",
    "sugarshack_bad_mpo_header.jpg": "a90a4cd2bf2e84d3d97550157432c2ab",
    "testimgari.jpg": "2460adf92a7c33fe8f486b7fa3387fd8",
    "testimgint.jpg": "2460adf92a7c33fe8f486b7fa3387fd8",
    "testorig.jpg": "75b15b375a3b9e6c5b9e34ef9a52bf13",
    "truncated_app14.jpg": "004bfb1c76d107f40255a6333dfb80be",
    "truncated_exif_dpi.jpg": "4208757a4ed90ed18dbe71486cfb9062",
  ]

  /// Files of 16x16 pixels that Pillow wrote, with the digest of the pixels that it reads in them.
  enum Small {
    static let grey = (
      base64: """
      /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywt\
      QFdBRkxOUlNSMj5aYVpQYEpRUk//wAALCAAQABABAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QA\
      tRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0\
      NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2\
      t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/AIbjTtOWISWVvo0KxqzSCS5E\
      5Yf7IXac9eOSeKZazWXH7vTf/AC5q/azXvH7vUv/AAAtqdd2N/O3n2sOsyTuw3IZRbIBjGQEJGeBxgdz9f/Z
      """, digest: "5cb9d539c221057d26ecc99c8ae6cda0"
    )
    static let cmyk = (
      base64: """
      /9j/7gAOQWRvYmUAZAAAAAAA/9sAQwANCQoLCggNCwoLDg4NDxMgFRMSEhMnHB4XIC4pMTAuKS0sMzpKPjM2RjcsLUBX\
      QUZMTlJTUjI+WmFaUGBKUVJP/8AAFAgAEAAQBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYH\
      CAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQECAwAEEQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBka\
      JSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeo\
      qaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/aAA4EQwBNAFkASwAAPwBZbj7f\
      dOPt99qm10Gy3j8tFyTw7ZOAcdcrjB59HTy/bvn+06lqf78LugTy4e3ysecdeTuHB7dakWT7fIW86+1b52XKDyYPu52s\
      2eCOv3h2GPVVk+3yFvOvtW+dlyg8mD7udrNngjr94dhj1Fk+wRlvOsdJ+Rlyg86f72drNnkHr949hj0jWT7BGW86x0n5\
      GXKDzp/vZ2s2eQev3j2GPSqsn2CMt51jpPyMuUHnT/eztZs8g9fvHsMekU8v2H5/tOm6Z+4C7oE8ybt8rHjPTk7jyO/W\
      iW4+33Tj7ffaptdBst4/LRck8O2TgHHXK4wefSSeX7d8/wBp1LU/34XdAnlw9vlY8468ncOD261aWT7fIW86+1b52XKD\
      yYPu52s2eCOv3h2GPWVZPt8hbzr7VvnZcoPJg+7nazZ4I6/eHYY9RZPsEZbzrHSfkZcoPOn+9nazZ5B6/ePYY9I1k+wR\
      lvOsdJ+Rlyg86f72drNnkHr949hj0qrJ9gjLedY6T8jLlB50/wB7O1mzyD1+8ewx6RTy/Yfn+06bpn7gLugTzJu3yseM\
      9OTuPI79a//Z
      """, digest: "3849d6e9e91695d17f8b117f51f6b4bf"
    )
    static let progressive = (
      base64: """
      /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4\
      UG1RV19iZ2hnPk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj\
      Y2NjY2NjY2NjY2NjY2NjY2NjY2P/wgARCAAQABADASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAgAB/8QAFQEB\
      AQAAAAAAAAAAAAAAAAAAAAH/2gAMAwEAAhADEAAAAckY/8QAGBAAAgMAAAAAAAAAAAAAAAAAAREAEEH/2gAIAQEAAQUC\
      Uxg1/8QAFREBAQAAAAAAAAAAAAAAAAAAAQD/2gAIAQMBAT8BG//EABQRAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQIBAT8B\
      f//EABkQAAIDAQAAAAAAAAAAAAAAAAABESExof/aAAgBAQAGPwKFwdG6I//EAB0QAQABBAMBAAAAAAAAAAAAAAERACEx\
      QWFx8KH/2gAIAQEAAT8hAGA0fXuKklUc9UJwncXOysWTfU3hx7uv/9oADAMBAAIAAwAAABDb/8QAGREAAgMBAAAAAAAA\
      AAAAAAAAAREAMfDx/9oACAEDAQE/EGFUTt2f/8QAGREAAQUAAAAAAAAAAAAAAAAAAAERITHB/9oACAECAQE/EEep0//E\
      AB0QAQEBAAICAwAAAAAAAAAAAAERIQAxQYFRYXH/2gAIAQEAAT8QUyvRGFoKVM7LfxOE4tsRFGB9Q6ep2a8DFCSFjya5\
      fHyEc4uOKoxEHXs2+m3/2Q==
      """, digest: "b38a2bdb88df8be3b7aa10303a5480da"
    )
  }
}
