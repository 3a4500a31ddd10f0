"""Makes the files beside this one: a small model as Keras 3 saves it, and the same otherwise.

keras.h5    as Keras saves it: contiguous data sets, strings of variable length.
chunked.h5  compressed chunks with checksums, strings of fixed length.
new.h5      superblock 2 and object headers of version 2.
"""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import h5py
import keras
import numpy as np

FOLDER = os.path.dirname(os.path.abspath(__file__))


def copy(source, target, chunked):
    for name, value in source.attrs.items():
        if chunked and isinstance(value, str):
            value = np.bytes_(value.encode())
        elif chunked and value.dtype == object:
            value = np.array([text.encode() for text in value])
        target.attrs[name] = value
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            copy(item, target.create_group(name), chunked)
        elif chunked and item.shape:
            chunks = tuple(max(1, size // 2) for size in item.shape)
            target.create_dataset(
                name, data=item[:], chunks=chunks, compression="gzip", shuffle=True,
                fletcher32=True,
            )
        else:
            target[name] = item[()]


keras.utils.set_random_seed(1)
model = keras.Sequential(
    [
        keras.Input((12, 10, 3)),
        keras.layers.Conv2D(5, 3, activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Flatten(),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(
    loss="binary_crossentropy", optimizer=keras.optimizers.RMSprop(1e-4), metrics=["acc"]
)
pictures = np.random.default_rng(1).random((4, 12, 10, 3), "f4")
model.train_on_batch(pictures, np.array([0.0, 1, 0, 1]))
model.save(f"{FOLDER}/keras.h5")
with h5py.File(f"{FOLDER}/keras.h5") as source:
    for name, libver in [("chunked", "earliest"), ("new", ("v108", "v108"))]:
        with h5py.File(f"{FOLDER}/{name}.h5", "w", libver=libver) as target:
            copy(source, target, name == "chunked")
