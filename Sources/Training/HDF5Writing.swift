// Numbers and strings into an HDF5 group that `HDF5.image` made.

import CHDF5

extension HDF5Group {
  /// Makes the group `name` in this one.
  /// - Throws: `ModelFileError`.
  package func makeGroup(_ name: String) throws -> HDF5Group {
    _ = try HDF5Handle(
      H5Gcreate2(handle.id, name, chdf5_default(), chdf5_default(), chdf5_default()), H5Gclose,
      path, "group \(name) cannot be made")
    return try group(name)
  }

  /// Writes dataset `name` of `shape`, row-major, and the groups that its name walks through.
  /// - Throws: `ModelFileError`.
  package func write(_ name: String, shape: [Int], _ floats: UnsafeBufferPointer<Float>) throws {
    try write(
      name, shape: shape, stored: chdf5_float32(), memory: chdf5_native_float(),
      floats.baseAddress)
  }

  /// Writes dataset `name` of `shape`, row-major, of bytes.
  /// - Throws: `ModelFileError`.
  package func write(_ name: String, shape: [Int], _ bytes: UnsafeBufferPointer<UInt8>) throws {
    try write(
      name, shape: shape, stored: chdf5_uint8(), memory: chdf5_native_uint8(), bytes.baseAddress)
  }

  /// Writes dataset `name`, a single 32-bit float.
  /// - Throws: `ModelFileError`.
  package func write(_ name: String, _ value: Float) throws {
    var value = value
    try write(
      name, shape: [], stored: chdf5_float32(), memory: chdf5_native_float(), &value)
  }

  /// Writes dataset `name`, a single 64-bit integer.
  /// - Throws: `ModelFileError`.
  package func write(_ name: String, _ value: Int) throws {
    var value = Int64(value)
    try write(name, shape: [], stored: chdf5_int64(), memory: chdf5_native_int64(), &value)
  }

  /// Writes attribute `name`, a single string.
  /// - Throws: `ModelFileError`.
  package func write(attribute name: String, _ string: String) throws {
    try write(attribute: name, shape: [], [string])
  }

  /// Writes attribute `name`, a list of strings.
  /// - Throws: `ModelFileError`.
  package func write(attribute name: String, _ strings: [String]) throws {
    try write(attribute: name, shape: [strings.count], strings)
  }

  /// Strings of fixed length padded with zeros: the form that every version of Keras reads, and
  /// for an empty list an empty array of floats, as Keras writes it.
  private func write(attribute name: String, shape: [Int], _ strings: [String]) throws {
    let length = max(1, strings.map(\.utf8.count).max() ?? 1)
    let type = try HDF5Handle(
      H5Tcopy(chdf5_string()), H5Tclose, path,
      "attribute \(name) cannot be made")
    H5Tset_size(type.id, length)
    H5Tset_strpad(type.id, H5T_STR_NULLPAD)
    let space = try self.space(shape, name)
    let attribute = try HDF5Handle(
      H5Acreate2(
        handle.id, name, strings.isEmpty ? chdf5_float64() : type.id, space.id, chdf5_default(),
        chdf5_default()),
      H5Aclose, path, "attribute \(name) cannot be made")
    if strings.isEmpty { return }
    let bytes = strings.flatMap { string in
      Array(string.utf8) + [UInt8](repeating: 0, count: length - string.utf8.count)
    }
    guard H5Awrite(attribute.id, type.id, bytes) >= 0 else {
      throw ModelFileError("\(path): attribute \(name) cannot be written")
    }
  }

  private func write(
    _ name: String, shape: [Int], stored: hid_t, memory: hid_t, _ values: UnsafeRawPointer?
  ) throws {
    let links = try HDF5Handle(
      H5Pcreate(chdf5_link_creation()), H5Pclose, path,
      "libhdf5 has no memory")
    H5Pset_create_intermediate_group(links.id, 1)
    let space = try self.space(shape, name)
    let set = try HDF5Handle(
      H5Dcreate2(
        handle.id, name, stored, space.id, links.id, chdf5_default(), chdf5_default()),
      H5Dclose, path, "dataset \(name) cannot be made")
    let written = H5Dwrite(set.id, memory, chdf5_all(), chdf5_all(), chdf5_default(), values)
    guard written >= 0 else {
      throw ModelFileError("\(path): dataset \(name) cannot be written")
    }
  }

  private func space(_ shape: [Int], _ name: String) throws -> HDF5Handle {
    let id =
      shape.isEmpty
      ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(shape.count), shape.map(hsize_t.init), nil)
    return try HDF5Handle(id, H5Sclose, path, "the shape of \(name) cannot be made")
  }
}
