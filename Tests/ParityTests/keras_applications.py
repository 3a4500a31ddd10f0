"""Keras's own applications beside float64.

    keras_applications.py FOLDER NAME...

Writes into FOLDER, of each application at 96 x 96, with new weights and without dropout, NAME.h5,
and NAME_pictures.h5: pictures [4, 96, 96, 3] of bytes and labels [4].

    keras_applications.py FOLDER read NAME...

Reads NAME_gradient.h5, a model whose weights are the gradient of the sum of the pictures' losses,
and writes a line into errors.txt: NAME, its error and that of Keras's own in float32, each the norm
of the difference from float64's gradient, relative to that.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import h5py
import keras
import numpy as np
import tensorflow as tf


def build(name, type="float32"):
    keras.backend.clear_session()
    keras.config.set_floatx(type)
    keras.utils.set_random_seed(3)
    made = getattr(keras.applications, name)(weights=None, input_shape=(96, 96, 3))
    config = made.get_config()
    for layer in config["layers"]:
        if layer["class_name"] == "Dropout":
            layer["config"]["rate"] = 0.0
    return made.__class__.from_config(config)


def scale(name):
    """What Dogsled makes of bytes: those stay that a network rescales itself."""
    return 1.0 if name.startswith("EfficientNet") else 1 / 255


def gradient(model, name, pictures, labels):
    kind = model.compute_dtype
    x = tf.constant(pictures.astype(kind) * np.array(scale(name), kind))
    with tf.GradientTape() as tape:
        p = model(x, training=True)
        total = tf.reduce_sum(keras.losses.sparse_categorical_crossentropy(labels, p))
    weights = [w.value for w in model.trainable_weights]
    return [np.asarray(g, "float64") for g in tape.gradient(total, weights)]


def write(name, folder):
    model = build(name)
    model.save(f"{folder}/{name}.h5")
    random = np.random.default_rng(int(os.environ.get("SEED","6")))
    with h5py.File(f"{folder}/{name}_pictures.h5", "w") as out:
        out["pictures"] = random.integers(0, 256, (4, 96, 96, 3)).astype("uint8")
        out["labels"] = np.arange(4).astype("float32") * 7


def read(name, folder):
    with h5py.File(f"{folder}/{name}_pictures.h5") as file:
        pictures, labels = file["pictures"][:], file["labels"][:].astype(int)
    single = keras.models.load_model(f"{folder}/{name}.h5", compile=False)
    weights = single.get_weights()
    keras_ = gradient(single, name, pictures, labels)
    single.load_weights(f"{folder}/{name}_gradient.h5")
    own = [np.asarray(w.numpy(), "float64") for w in single.trainable_weights]
    double = build(name, "float64")
    double.set_weights(weights)
    exact = gradient(double, name, pictures, labels)
    norm = lambda all: np.sqrt(sum(np.sum(a**2) for a in all))
    errors = [norm([a - b for a, b in zip(g, exact)]) / norm(exact) for g in (own, keras_)]
    with open(f"{folder}/errors.txt", "a") as out:
        out.write(f"{name} {errors[0]:.3e} {errors[1]:.3e}\n")


if __name__ == "__main__":
    reads = sys.argv[2] == "read"
    for name in sys.argv[3 if reads else 2 :]:
        (read if reads else write)(name, sys.argv[1])
