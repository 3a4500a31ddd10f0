// Numbers and strings out of an HDF5 group.

import CHDF5
import Foundation

extension HDF5Group {
  /// The dimensions of dataset `name`; empty for a single number.
  /// - Throws: `ModelFileError` where it is not there or no array.
  package func shape(of name: String) throws -> [Int] {
    try extent(of: try dataset(name), name)
  }

  /// Reads dataset `name`, which must have `shape`, as 32-bit floats.
  /// - Throws: `ModelFileError` where it is not there, or is something else.
  package func read(
    _ name: String, shape: [Int], into floats: UnsafeMutableBufferPointer<Float>
  ) throws {
    let set = try dataset(name)
    let found = try extent(of: set, name)
    guard found == shape, floats.count == shape.reduce(1, *) else {
      throw ModelFileError("\(path): \(name) has the shape \(found), not \(shape)")
    }
    try read(set, name, chdf5_native_float(), floats.baseAddress)
  }

  /// Dataset `name` as 32-bit floats, row-major, for files that we trust for their size.
  /// - Throws: `ModelFileError` where it is not there or holds no numbers.
  package func floats(_ name: String) throws -> [Float] {
    let set = try dataset(name)
    let count = try extent(of: set, name).reduce(1, *)
    return try [Float](unsafeUninitializedCapacity: count) { floats, initialized in
      try read(set, name, chdf5_native_float(), floats.baseAddress)
      initialized = count
    }
  }

  /// The single number of dataset `name`, cut to an integer.
  /// - Throws: `ModelFileError` where it is not there or more than one number.
  package func integer(_ name: String) throws -> Int {
    let set = try dataset(name)
    let shape = try extent(of: set, name)
    guard shape.reduce(1, *) == 1 else {
      throw ModelFileError("\(path): \(name) has the shape \(shape), not that of one number")
    }
    var value: Int64 = 0
    try read(set, name, chdf5_native_int64(), &value)
    return Int(value)
  }

  /// The strings of attribute `name`; nil where it is not there.
  ///
  /// Keras splits a list that is too long for one attribute into `name0`, `name1` and so on.
  /// - Throws: `ModelFileError` where it cannot be read.
  package func strings(_ name: String) throws -> [String]? {
    if H5Aexists(handle.id, name) > 0 { return try attribute(name) }
    var pieces: [String] = []
    var index = 0
    while H5Aexists(handle.id, "\(name)\(index)") > 0 {
      pieces += try attribute("\(name)\(index)")
      index += 1
    }
    return index > 0 ? pieces : nil
  }

  /// The string of attribute `name`; nil where it is not there.
  /// - Throws: `ModelFileError` where it cannot be read, or is no single string.
  package func string(_ name: String) throws -> String? {
    guard let strings = try strings(name) else { return nil }
    guard strings.count == 1 else {
      throw ModelFileError("\(path): attribute \(name) is not one string")
    }
    return strings[0]
  }

  private func dataset(_ name: String) throws -> HDF5Handle {
    try HDF5Handle(
      H5Dopen2(handle.id, name, chdf5_default()), H5Dclose, path,
      "has no dataset \(name)")
  }

  private func extent(of set: borrowing HDF5Handle, _ name: String) throws -> [Int] {
    let space = try HDF5Handle(
      H5Dget_space(set.id), H5Sclose, path, "the shape of \(name) cannot be read")
    return try extent(ofSpace: space, name)
  }

  private func extent(ofSpace space: borrowing HDF5Handle, _ name: String) throws -> [Int] {
    let rank = Int(H5Sget_simple_extent_ndims(space.id))
    var dimensions = [hsize_t](repeating: 0, count: max(rank, 0))
    guard rank >= 0, H5Sget_simple_extent_dims(space.id, &dimensions, nil) >= 0,
      let count = dimensions.reduceWithoutOverflow(), count <= hsize_t(Int32.max)
    else { throw ModelFileError("\(path): \(name) is no array that fits in memory") }
    return dimensions.map(Int.init)
  }

  private func read(
    _ set: borrowing HDF5Handle, _ name: String, _ type: hid_t, _ memory: UnsafeMutableRawPointer?
  ) throws {
    let read = H5Dread(set.id, type, chdf5_all(), chdf5_all(), chdf5_default(), memory)
    guard read >= 0 else {
      throw ModelFileError("\(path): \(name) cannot be read: damaged, or not numbers")
    }
  }

  private func attribute(_ name: String) throws -> [String] {
    let attribute = try HDF5Handle(
      H5Aopen(handle.id, name, chdf5_default()), H5Aclose, path,
      "attribute \(name) cannot be read")
    let space = try HDF5Handle(
      H5Aget_space(attribute.id), H5Sclose, path,
      "attribute \(name) cannot be read")
    let count = try extent(ofSpace: space, name).reduce(1, *)
    if count == 0 { return [] }
    let type = try HDF5Handle(
      H5Aget_type(attribute.id), H5Tclose, path,
      "attribute \(name) cannot be read")
    guard H5Tget_class(type.id) == H5T_STRING else {
      throw ModelFileError("\(path): attribute \(name) holds no strings")
    }
    return H5Tis_variable_str(type.id) > 0
      ? try variableStrings(attribute, space, type, count: count, name)
      : try fixedStrings(attribute, type, count: count, name)
  }

  private func variableStrings(
    _ attribute: borrowing HDF5Handle, _ space: borrowing HDF5Handle,
    _ type: borrowing HDF5Handle, count: Int, _ name: String
  ) throws -> [String] {
    var pointers = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
    guard H5Aread(attribute.id, type.id, &pointers) >= 0 else {
      throw ModelFileError("\(path): attribute \(name) cannot be read: the file is damaged")
    }
    defer { H5Dvlen_reclaim(type.id, space.id, chdf5_default(), &pointers) }
    return pointers.map { $0.map { String(cString: $0) } ?? "" }
  }

  private func fixedStrings(
    _ attribute: borrowing HDF5Handle, _ type: borrowing HDF5Handle, count: Int, _ name: String
  ) throws -> [String] {
    let size = H5Tget_size(type.id)
    guard size > 0, let bytes = [size, count].reduceWithoutOverflow(), bytes <= 1 << 26 else {
      throw ModelFileError("\(path): attribute \(name) is too long")
    }
    var characters = [UInt8](repeating: 0, count: bytes)
    guard H5Aread(attribute.id, type.id, &characters) >= 0 else {
      throw ModelFileError("\(path): attribute \(name) cannot be read: the file is damaged")
    }
    return (0..<count).map { index in
      let field = characters[index * size..<(index + 1) * size]
      return String(decoding: field.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}

extension Array where Element: FixedWidthInteger {
  /// The product; nil where it does not fit.
  fileprivate func reduceWithoutOverflow() -> Element? {
    var product: Element = 1
    for factor in self {
      let (next, overflow) = product.multipliedReportingOverflow(by: factor)
      if overflow { return nil }
      product = next
    }
    return product
  }
}
