"""Small networks of Keras's layers, one for each layer, argument and shape, and what they compute.

    keras_graphs.py FOLDER

Writes for each model into FOLDER:

NAME.h5, NAME.json  the model, with weights and moving statistics that are no defaults.
NAME_reference.h5   pictures: uint8 [n, height, width, 3]; labels: float [n];
                    predictions [n, units] at inference; gradients/LAYER/KIND of the SUM of the
                    losses in training, with the batch's statistics where moving ones stand.
models.txt          the names.

    keras_graphs.py FOLDER read

Reads NAME_dogsled.h5 for each and writes NAME_read.h5: predictions, of the same pictures.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import h5py
import keras
import numpy as np
import tensorflow as tf
from keras import layers as L

MODELS = {}


def model(function):
    """A network: `function` puts its layers on an input of 17 x 14 pixels."""
    MODELS[function.__name__] = function
    return function


def head(x, units=1):
    if len(x.shape) == 4:
        x = L.GlobalAveragePooling2D()(x)
    return L.Dense(units, activation="sigmoid" if units == 1 else "softmax")(x)


def one_layer(name, make):
    """A layer between two convolutions."""

    def build(x):
        x = L.Conv2D(20, 3, padding="same", activation="relu", name="before")(x)
        x = make()(x)
        if len(x.shape) == 4:
            x = L.Conv2D(8, 1, name="after")(x)
        return head(x)

    MODELS[name] = build


for name, make in {
    "conv_without_bias": lambda: L.Conv2D(24, 3, use_bias=False),
    "conv_1x1_stride": lambda: L.Conv2D(24, 1, strides=2, padding="same"),
    "conv_swish": lambda: L.Conv2D(10, (3, 2), strides=(2, 1), activation="swish"),
    "conv_7x7_same_tanh": lambda: L.Conv2D(6, 7, padding="same", activation="tanh"),
    "conv_winograd_gelu": lambda: L.Conv2D(40, 3, padding="same", activation="gelu"),
    "depthwise": lambda: L.DepthwiseConv2D(3),
    "depthwise_5x5_stride": lambda: L.DepthwiseConv2D(5, strides=2, padding="same"),
    "depthwise_relu6": lambda: L.DepthwiseConv2D((3, 1), activation="relu6", use_bias=False),
    "depthwise_2x7": lambda: L.DepthwiseConv2D((2, 7), padding="same"),
    "separable": lambda: L.SeparableConv2D(36, 3, padding="same"),
    "separable_relu": lambda: L.SeparableConv2D(7, 3, strides=2, activation="relu", use_bias=False),
    "normalization": lambda: L.BatchNormalization(),
    "normalization_plain": lambda: L.BatchNormalization(
        momentum=0.9, epsilon=0.01, scale=False, center=False
    ),
    "max_pooling_same": lambda: L.MaxPooling2D(3, strides=2, padding="same"),
    "max_pooling_wide": lambda: L.MaxPooling2D((2, 4), strides=(3, 1)),
    "max_pooling_overlapping": lambda: L.MaxPooling2D(3, strides=1),
    "average_pooling": lambda: L.AveragePooling2D(2),
    "average_pooling_same": lambda: L.AveragePooling2D((3, 5), strides=2, padding="same"),
    "global_max": lambda: L.GlobalMaxPooling2D(),
    "relu_layer": lambda: L.ReLU(max_value=1.5, negative_slope=0.1, threshold=0.2),
    "leaky_relu": lambda: L.LeakyReLU(negative_slope=0.25),
    "hard_sigmoid": lambda: L.Activation("hard_sigmoid"),
    "sigmoid": lambda: L.Activation("sigmoid"),
    "tanh": lambda: L.Activation("tanh"),
    "swish": lambda: L.Activation("swish"),
    "gelu": lambda: L.Activation("gelu"),
    "relu6": lambda: L.Activation("relu6"),
    "leaky": lambda: L.Activation("leaky_relu"),
    "dilated": lambda: L.Conv2D(12, 3, dilation_rate=2, padding="same", activation="relu"),
    "dilated_valid": lambda: L.Conv2D(5, (2, 3), dilation_rate=(3, 2), use_bias=False),
    "grouped": lambda: L.Conv2D(30, 3, groups=5, strides=2, padding="same"),
    "grouped_1x1": lambda: L.Conv2D(8, 1, groups=4, activation="relu"),
    "depthwise_multiplier": lambda: L.DepthwiseConv2D(3, depth_multiplier=2, strides=2),
    "depthwise_dilated": lambda: L.DepthwiseConv2D(3, dilation_rate=2, padding="same"),
    "separable_multiplier": lambda: L.SeparableConv2D(9, 3, depth_multiplier=3, padding="same"),
    "separable_dilated": lambda: L.SeparableConv2D(9, 3, dilation_rate=2),
    "layer_normalization": lambda: L.LayerNormalization(),
    "layer_normalization_plain": lambda: L.LayerNormalization(
        epsilon=0.1, scale=False, center=False
    ),
    "zero_padding": lambda: L.ZeroPadding2D(((1, 0), (2, 3))),
    "cropping": lambda: L.Cropping2D(((1, 2), (0, 3))),
    "up_sampling": lambda: L.UpSampling2D((2, 3)),
    "reshape": lambda: L.Reshape((7, -1, 10)),
    "reshape_flat": lambda: L.Reshape((-1,)),
    "rescaling": lambda: L.Rescaling(0.5, offset=-0.25),
    "rescaling_channels": lambda: L.Rescaling([0.1 * i for i in range(1, 21)], offset=0.5),
    "normalization_constant": lambda: L.Normalization(mean=[0.5] * 20, variance=[4.0] * 20),
    "normalization_inverse": lambda: L.Normalization(mean=0.5, variance=4.0, invert=True),
    "normalization_weights": lambda: L.Normalization(),
    "spatial_dropout": lambda: L.SpatialDropout2D(0.0),
    "gaussian_noise": lambda: L.GaussianNoise(0.0),
}.items():
    one_layer(name, make)


@model
def residual(x):
    x = L.Conv2D(16, 3, padding="same", use_bias=False)(x)
    for filters in (16, 24):
        y = L.BatchNormalization()(x)
        y = L.Activation("relu")(y)
        y = L.Conv2D(filters, 3, padding="same", use_bias=False)(y)
        y = L.BatchNormalization()(y)
        y = L.ReLU()(y)
        y = L.SeparableConv2D(filters, 3, padding="same", use_bias=False)(y)
        y = L.MaxPooling2D(3, strides=2, padding="same")(y)
        x = L.Conv2D(filters, 1, strides=2, padding="same", use_bias=False)(x)
        x = L.Add()([y, x])
    return head(x)


@model
def shortcut_first(x):
    x = L.Conv2D(16, 3, padding="same", activation="relu")(x)
    for filters in (16, 24):
        short = L.Conv2D(filters, 1, strides=2)(x)
        x = L.Conv2D(filters, 3, strides=2, padding="same")(x)
        x = L.ReLU()(L.Add()([short, x]))
    return head(x)


@model
def two_that_leave_out(x):
    x = L.Conv2D(16, 3, padding="same", activation="relu")(x)
    a = L.Conv2D(20, 1, strides=2)(x)
    b = L.Conv2D(20, 1, strides=2, activation="relu")(x)
    b = L.Conv2D(20, 3, padding="same")(b)
    c = L.AveragePooling2D(2, padding="same")(x)
    return head(L.Concatenate()([L.Average()([a, b]), c]))


@model
def first_reads_a_part(x):
    x = L.Conv2D(16, 3, padding="same", activation="relu")(x)
    a = L.Conv2D(20, 3)(L.Cropping2D(((0, 5), (0, 3)))(x))
    b = L.Conv2D(20, (8, 6))(x)
    c = L.MaxPooling2D(3)(x)
    return head(L.Concatenate()([L.GlobalMaxPooling2D()(v) for v in (a, b, c)]))


@model
def normalized_depthwise(x):
    x = L.Conv2D(20, 3, padding="same", use_bias=False)(x)
    x = L.ReLU(6.0)(L.BatchNormalization()(x))
    x = L.DepthwiseConv2D(2, strides=1)(x)
    x = L.ReLU()(L.BatchNormalization()(x))
    x = L.DepthwiseConv2D(5, strides=1, padding="same", use_bias=False)(x)
    x = L.DepthwiseConv2D(2, strides=2)(L.BatchNormalization()(x))
    x = L.DepthwiseConv2D(3, strides=3, padding="same")(L.BatchNormalization()(x))
    return head(L.Conv2D(24, 1)(x))


@model
def strided_kernels(x):
    x = L.Conv2D(16, 3, padding="same", activation="relu")(x)
    x = L.Conv2D(20, (5, 4), strides=(2, 3), padding="same", activation="relu")(x)
    x = L.Conv2D(16, 2, strides=3, padding="same")(x)
    return head(x)


@model
def softmax_inside(x):
    x = L.Conv2D(20, 3, activation="softmax")(x)
    a = L.Softmax()(L.Conv2D(24, 1)(x))
    x = L.Multiply()([a, L.Conv2D(24, 1)(x)])
    x = L.GlobalAveragePooling2D()(x)
    gate = L.Dense(24, activation="softmax")(x)
    return head(L.Dense(7, activation="softmax")(L.Multiply()([x, gate])))


@model
def branches(x):
    x = L.Conv2D(12, 3, activation="relu")(x)
    a = L.Conv2D(9, 1, activation="relu")(x)
    b = L.MaxPooling2D(3, strides=1, padding="same")(x)
    c = L.Conv2D(20, 5, padding="same")(x)
    x = L.Concatenate()([a, b, c, a])
    return head(x, 4)


@model
def squeeze(x):
    x = L.Conv2D(18, 3, strides=2)(x)
    weights = L.GlobalAveragePooling2D()(x)
    flat = L.Flatten()(x)
    flat = L.Dense(18, activation="relu")(flat)
    weights = L.Dense(18, activation="sigmoid")(weights)
    x = L.Multiply()([flat, weights])
    x = L.BatchNormalization()(x)
    y = L.Dense(18, activation="swish")(x)
    x = L.Average()([x, y, weights])
    x = L.Concatenate()([x, y])
    return head(x)


@model
def picture_read_twice(x):
    a = L.Conv2D(5, 3, padding="same", activation="relu")(x)
    b = L.AveragePooling2D(3, strides=1, padding="same")(x)
    x = L.Concatenate()([a, b])
    x = L.Flatten()(x)
    x = L.Activation("tanh")(x)
    x = L.Dropout(0.0)(x)
    return head(x)


@model
def ends_in_an_activation(x):
    x = L.Conv2D(16, 3, activation="relu")(x)
    x = L.Conv2D(5, 1, use_bias=False)(x)
    x = L.GlobalAveragePooling2D()(x)
    return L.Softmax()(x)


@model
def excitation(x):
    x = L.Rescaling(2.0, offset=-1.0)(x)
    x = L.ZeroPadding2D(1)(x)
    x = L.Conv2D(18, 3, strides=2)(x)
    weights = L.GlobalAveragePooling2D()(x)
    weights = L.Reshape((1, 1, 18))(weights)
    weights = L.Conv2D(5, 1, activation="swish")(weights)
    weights = L.Conv2D(18, 1, activation="sigmoid")(weights)
    y = L.Multiply()([x, weights])
    z = L.Add()([weights, y])
    x = L.Average()([x, weights, z])
    return head(x)


@model
def frozen(x):
    x = L.Conv2D(16, 3, name="below")(x)
    x = L.BatchNormalization(name="still")(x)
    x = L.Conv2D(16, 3, activation="relu", padding="same", name="frozen")(x)
    y = L.SeparableConv2D(16, 3, padding="same", name="separable_frozen")(x)
    y = L.BatchNormalization(name="moving")(y)
    x = L.Add()([x, y])
    x = L.Conv2D(24, 1, name="pointwise_frozen")(x)
    x = L.Conv2D(24, 5, name="wide_frozen")(x)
    x = L.GlobalAveragePooling2D()(x)
    x = L.Dense(32, activation="relu", name="dense_frozen")(x)
    return head(x)


@model
def frozen_trunk(x):
    x = L.Conv2D(16, 3, strides=2, activation="relu", name="conv_frozen")(x)
    a = L.BatchNormalization(name="norm_still")(x)
    b = L.DepthwiseConv2D(3, name="depthwise_frozen", padding="same")(a)
    x = L.Add()([a, b])
    x = L.Conv2D(8, 3, activation="relu")(x)
    return head(x, 3)


def build(name):
    keras.backend.clear_session()
    keras.utils.set_random_seed(sum(map(ord, name)))
    inputs = keras.Input((17, 14, 3))
    made = keras.Model(inputs, MODELS[name](inputs))
    for layer in made.layers:
        if layer.name.endswith(("frozen", "still")):
            layer.trainable = False
    random = np.random.default_rng(5)
    for weight in made.weights:
        kind = weight.path.split("/")[-1]
        if kind == "count":
            weight.assign(7)
        elif "variance" in kind or kind == "gamma":
            weight.assign(random.uniform(0.5, 1.5, weight.shape).astype("float32"))
        elif "kernel" not in kind:
            weight.assign(random.uniform(-0.3, 0.3, weight.shape).astype("float32"))
        elif weight.path.startswith("dense"):
            weight.assign(weight * 3)
    for layer in made.layers:
        if isinstance(layer, L.Normalization):
            layer.finalize_state()
    return made


def write(name, folder):
    made = build(name)
    made.save(f"{folder}/{name}.h5")
    with open(f"{folder}/{name}.json", "w") as file:
        file.write(made.to_json())
    units = made.output_shape[-1]
    random = np.random.default_rng(6)
    pictures = random.integers(0, 256, (6, 17, 14, 3)).astype("uint8")
    labels = np.arange(6) % max(2, units)
    x = tf.constant(pictures.astype("float32") / np.float32(255))
    with h5py.File(f"{folder}/{name}_reference.h5", "w") as out:
        out["pictures"], out["labels"] = pictures, labels.astype("float32")
        out["predictions"] = made(x, training=False).numpy()
        # The statistics of a batch: what the moving ones become where they keep nothing.
        for layer in made.layers:
            if isinstance(layer, L.BatchNormalization) and layer.trainable:
                layer.momentum, layer.kept = 0.0, layer.get_weights()
        with tf.GradientTape() as tape:
            p = made(x, training=True)
            if units == 1:
                loss = keras.losses.binary_crossentropy(labels[:, None].astype("float32"), p)
            else:
                loss = keras.losses.sparse_categorical_crossentropy(labels, p)
            total = tf.reduce_sum(loss)
        for weight, gradient in zip(
            made.trainable_weights,
            tape.gradient(total, [w.value for w in made.trainable_weights]),
        ):
            layer, kind = weight.path.split("/")
            if kind == "kernel" and isinstance(made.get_layer(layer), L.DepthwiseConv2D):
                kind = "depthwise_kernel"
            out[f"gradients/{layer}/{kind}"] = gradient.numpy()
        for weight in made.non_trainable_weights:
            if "moving" in weight.path:
                out[f"gradients/{weight.path}"] = weight.numpy()


def main(folder, reads):
    if reads:
        for name in open(f"{folder}/models.txt").read().split():
            made = keras.models.load_model(f"{folder}/{name}_dogsled.h5")
            with h5py.File(f"{folder}/{name}_reference.h5") as file:
                x = file["pictures"][:].astype("float32") / np.float32(255)
            with h5py.File(f"{folder}/{name}_read.h5", "w") as out:
                out["predictions"] = made(x, training=False).numpy()
        return
    for name in MODELS:
        write(name, folder)
    with open(f"{folder}/models.txt", "w") as file:
        file.write("\n".join(MODELS))


if __name__ == "__main__":
    main(sys.argv[1], len(sys.argv) > 2)
