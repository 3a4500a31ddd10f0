"""What h5py, which stands on libhdf5, writes and reads of HDF5.

    hdf5_witness.py FOLDER

FOLDER has ours.h5, which Dogsled wrote. Writes into it:

NAME.h5        files that Dogsled must read as h5py does, and expected.json: for each its data sets
               as [shape, 32-bit floats] and its attributes as lists of strings.
refused/       files that Dogsled must refuse, and refused.json: for each the data set or the
               attribute to ask for and a word of the error.
ours.json      what h5py reads in ours.h5, as in expected.json.
changed.h5     ours.h5 after h5py added to each of its groups.
"""

import json
import os
import shutil
import sys

import h5py
import numpy as np

NUMBERS = ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "i1", "u1", "<i2", ">i2", "<u2", "<i4", ">i4"]
NUMBERS += ["<u4", ">u4", "<i8", ">i8", "<u8", ">u8"]


def values(dtype, shape, seed):
    """Numbers over the whole range of a type, its ends among them."""
    draws = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        numbers = draws.normal(size=shape) * 100
        numbers.flat[:4] = [0, -0.0, np.inf, 1e-7]
    else:
        limits = np.iinfo(kind)
        numbers = draws.integers(limits.min, limits.max, size=shape, dtype=kind.newbyteorder("="))
        numbers.flat[:2] = [limits.min, limits.max]
    return numbers.astype(kind)


def numbers(file):
    """Data sets of every type, stored in every way."""
    for index, dtype in enumerate(NUMBERS):
        name = dtype.replace("<", "little_").replace(">", "big_")
        data = values(dtype, (7, 5, 3), index)
        group = file.create_group(name)
        group["contiguous"] = data
        group.create_dataset("chunked", data=data, chunks=(2, 5, 2))
        group.create_dataset("gzip", data=data, chunks=(3, 2, 3), compression="gzip")
        group.create_dataset("shuffle", data=data, chunks=(7, 1, 1), shuffle=True, compression=1)
        group.create_dataset("fletcher", data=data, chunks=(4, 4, 3), fletcher32=True)
        group.create_dataset(
            "all", data=data[0], chunks=(2, 2), shuffle=True, compression=9, fletcher32=True
        )
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_layout(h5py.h5d.COMPACT)
        compact = h5py.h5d.create(
            group.id, b"compact", h5py.h5t.py_create(data.dtype), h5py.h5s.create_simple((5, 3)),
            layout,
        )
        compact.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(data[0]))


def shapes(file):
    """Data sets of unusual shapes, and strings of every kind."""
    file["scalar"] = np.float32(1.5)
    file["integer"] = np.int64(-7)
    file["none"] = np.zeros((0, 3), "f4")
    file["one"] = np.array([2.5], "f8")
    file["deep/er/and/deeper"] = np.arange(3.0)
    file.create_dataset("long", data=np.arange(100_000, dtype="f4"), chunks=(7,))
    file.create_dataset("growing", data=np.ones((3, 3)), chunks=(2, 8), maxshape=(None, None))
    # More links than a node of a group's tree, and names of several alphabets.
    for index in range(7):
        file[f"many/n{index}"] = float(index)
    file["many/größe"] = 9.0
    for name, value in {
        "fixed": np.array([b"one", b"three", b""]),
        "variable": ["one", "drei", "größe", ""],
        "single": "a string",
        "bytes": np.bytes_(b"of fixed length"),
        "empty": h5py.Empty("S1"),
        "no_numbers": np.zeros(0),
        "grid": np.array([[b"a", b"b"], [b"c", b"d"]]),
    }.items():
        file["many"].attrs[name] = value


def expected(file):
    """All data sets and attributes of a file."""
    sets, attributes = {}, {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            data = np.empty(item.shape, "f4")
            if item.shape == ():
                data = np.float32(item[()])
            elif item.size:
                item.read_direct(data)
            sets[name] = [list(item.shape), [repr(float(x)) for x in np.ravel(data)]]
        for key, value in item.attrs.items():
            if isinstance(value, h5py.Empty) or getattr(value, "size", 1) == 0:
                texts = []
            else:
                texts = [value] if isinstance(value, (str, bytes)) else np.ravel(value)
            attributes[f"{name}@{key}"] = [
                text.decode() if isinstance(text, bytes) else str(text) for text in texts
            ]

    file.visititems(visit)
    return {"sets": sets, "attributes": attributes}


def refusals(folder):
    """Files with what Keras never writes: (what to ask for, a word of the error) by name."""
    outside = f"{folder}/outside"
    with open(outside, "wb") as file:
        file.write(bytes(64))
    with h5py.File(f"{folder}/other.h5", "w") as file:
        file["x"] = np.zeros(4)
    made = {}

    def refused(name, word, ask="x", **options):
        def decorate(make):
            with h5py.File(f"{folder}/{name}.h5", "w", **options) as file:
                make(file)
            made[name] = [ask, word]

        return decorate

    new = {"libver": "latest"}
    with_type = [
        ("complex", np.zeros(2, "c8"), "compounds"),
        ("compound", np.zeros(2, [("a", "f4"), ("b", "i4")]), "compounds"),
        ("bool", np.zeros(2, bool), "enumerations"),
        ("opaque", np.zeros(2, "V3"), "opaque"),
        ("strings", np.array([b"ab"]), "strings"),
        ("texts", ["ab"], "strings"),
    ]
    for name, data, word in with_type:
        refused(name, word)(lambda file, data=data: file.__setitem__("x", data))
    refused("soft", "soft link")(lambda f: f.update({"y": [1.0], "x": h5py.SoftLink("/y")}))
    refused("soft_new", "soft link", **new)(lambda f: f.update({"x": h5py.SoftLink("/y")}))
    external = h5py.ExternalLink("other.h5", "x")
    refused("external", "external link", **new)(lambda f: f.update({"x": external}))
    refused("external_old", "link")(lambda f: f.update({"x": external}))
    refused("storage", "external storage")(
        lambda f: f.create_dataset("x", (4,), "f8", external=[(outside, 0, 32)])
    )

    @refused("virtual", "virtual", **new)
    def _(file):
        layout = h5py.VirtualLayout((4,), "f8")
        layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
        file.create_virtual_dataset("x", layout)

    refused("lzf", "filter")(
        lambda f: f.create_dataset("x", data=np.zeros(9), chunks=(3,), compression="lzf")
    )
    refused("offset", "filter")(
        lambda f: f.create_dataset("x", data=np.zeros(9, "i4"), chunks=(3,), scaleoffset=4)
    )
    refused("new_chunks", "latest", **new)(
        lambda f: f.create_dataset("x", data=np.zeros(9), chunks=(3,))
    )
    refused("many_links", "latest", ask="n1", **new)(
        lambda f: [f.create_dataset(f"n{i}", data=[1.0]) for i in range(20)]
    )
    refused("many_attributes", "latest", ask="@a1", **new)(
        lambda f: [f.attrs.__setitem__(f"a{i}", "s") for i in range(20)]
    )
    refused("unwritten", "never written")(lambda f: f.create_dataset("x", (9,), "f4"))
    refused("unwritten_chunks", "never written")(
        lambda f: f.create_dataset("x", (9,), "f4", chunks=(2,))
    )

    @refused("half_written", "never written")
    def _(file):
        file.create_dataset("x", (9,), "f4", chunks=(2,))[:4] = 1

    refused("huge", "claims")(lambda f: f.create_dataset("x", (1 << 30,), "f4"))
    refused("huge_chunks", "fits in memory")(
        lambda f: f.create_dataset("x", (1 << 40,), "f4", chunks=(1 << 20,), compression=9)
    )
    refused("null", "holds no numbers")(lambda f: f.create_dataset("x", data=h5py.Empty("f4")))
    refused("lists", "lists")(
        lambda f: f.create_dataset("x", (2,), dtype=h5py.vlen_dtype("f4"))
    )
    refused("group", "not a data set")(lambda f: f.create_group("x"))
    refused("missing", "has no data set")(lambda f: f.create_group("y"))
    refused("number_attribute", "no strings", ask="@x")(lambda f: f.attrs.__setitem__("x", 1.0))
    refused("user_block", "not a model file", userblock_size=512)(
        lambda f: f.__setitem__("x", [1.0])
    )

    @refused("references", "references")
    def _(file):
        file["y"] = [1.0]
        file["x"] = np.array([file["y"].ref], h5py.ref_dtype)

    @refused("committed", "committed type")
    def _(file):
        file["type"] = np.dtype("f4")
        file.create_dataset("x", (2,), dtype=file["type"])

    @refused("cycle", "has no data set", ask="a/a/a/a/a/x")
    def _(file):
        file["a"] = file["/"]

    return made


def change(path):
    """Adds to each group of a file, until its heaps and trees have to grow."""
    with h5py.File(path, "r+") as file:
        items = [file]
        file.visititems(lambda _, item: items.append(item))
        for group in [item for item in items if isinstance(item, h5py.Group)]:
            for index in range(40):
                group[f"added{index}"] = np.arange(index + 1.0)
            group.attrs["added"] = "x" * 3000


def main(folder):
    found = {}
    for name, make, options in [
        ("numbers", numbers, {}),
        ("shapes", shapes, {}),
        ("superblock2", shapes, {"libver": ("v108", "v108")}),
    ]:
        with h5py.File(f"{folder}/{name}.h5", "w", **options) as file:
            make(file)
            found[name] = expected(file)
    os.mkdir(f"{folder}/refused")
    with open(f"{folder}/expected.json", "w") as out:
        json.dump(found, out)
    with open(f"{folder}/refused.json", "w") as out:
        json.dump(refusals(f"{folder}/refused"), out)
    with h5py.File(f"{folder}/ours.h5") as file, open(f"{folder}/ours.json", "w") as out:
        json.dump(expected(file), out)
    shutil.copy(f"{folder}/ours.h5", f"{folder}/changed.h5")
    change(f"{folder}/changed.h5")


if __name__ == "__main__":
    main(sys.argv[1])
