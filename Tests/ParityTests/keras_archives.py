"""Models in every form of file that Keras has, with what they compute.

    keras_archives.py FOLDER

Writes into FOLDER, of each model NAME in models.txt:

NAME.keras, NAME.weights.h5, NAME.json, NAME_legacy.h5
                    the model compiled with Adam after four updates (the large one without); its
                    weights as Keras 3 has them; its layers; its weights as Keras 2 has them (of
                    Keras 3 the whole model, as .h5).
NAME_deflated.keras the first again, compressed.
NAME_reference.h5   inputs: float [n, height, width, 3]; predictions [n, units];
                    optimizer/I: the optimizer's variables in order.

    keras_archives.py FOLDER read

Reads NAME_dogsled.keras, NAME_dogsled.weights.h5 (into NAME.json) and NAME_dogsled.h5 for each and
writes NAME_read.h5: predictions/FORM of the same inputs, optimizer/I of the first, and
steps/0, steps/1: the weights' sums after four more updates of the first and of NAME.keras.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import zipfile

import h5py
import keras
import numpy as np
import tf_keras


def sequential(k):
    L = k.layers
    return k.Sequential(
        [
            L.Input((12, 11, 3)),
            L.Conv2D(6, 3, activation="relu"),
            L.MaxPooling2D(2),
            L.Conv2D(5, 3, padding="same"),
            L.Flatten(),
            L.Dropout(0.4),
            L.Dense(7, activation="relu", kernel_regularizer=k.regularizers.L2(0.01)),
            L.Dense(1, activation="sigmoid"),
        ]
    )


def graph(k):
    """Branches of different lengths: Keras orders layers otherwise than they are made."""
    L = k.layers
    i = L.Input((12, 11, 3))
    x = L.Conv2D(8, 3, padding="same", use_bias=False)(i)
    a = L.Conv2D(8, 1, strides=2, padding="same", name="shortcut")(x)
    y = L.BatchNormalization()(x)
    y = L.ReLU()(y)
    y = L.SeparableConv2D(8, 3, padding="same", use_bias=False)(y)
    y = L.BatchNormalization()(y)
    y = L.DepthwiseConv2D(3, padding="same")(y)
    y = L.MaxPooling2D(3, strides=2, padding="same")(y)
    x = L.Add()([y, a])
    b = L.Dense(4, activation="tanh")(L.GlobalAveragePooling2D()(x))
    c = L.Dense(4, name="named")(L.GlobalMaxPooling2D()(x))
    x = L.Dropout(0.3)(L.Concatenate()([b, c]))
    return k.Model(i, L.Dense(3, activation="softmax")(x))


def nested(k):
    """Models in a model, with layers of the same names, and a residual connection in one."""
    L = k.layers
    i = L.Input((12, 11, 3))
    x = L.Conv2D(4, 3, padding="same", name="conv")(i)
    y = L.BatchNormalization(name="norm")(x)
    y = L.Conv2D(4, 1, name="after")(L.ReLU()(y))
    base = k.Model(i, L.Add()([x, y]), name="base")
    tail = k.Sequential(
        [L.Conv2D(5, 3, name="conv"), L.BatchNormalization(scale=False), L.ReLU()], name="tail"
    )
    o = L.Input((12, 11, 3))
    x = tail(base(L.Conv2D(3, 1, name="conv")(o)))
    return k.Model(o, L.Dense(1, activation="sigmoid")(L.Flatten()(x)))


def base_first(k):
    """What Deep Learning with Python calls feature extraction."""
    L = k.layers
    i = L.Input((12, 11, 3))
    x = L.SeparableConv2D(4, 3)(L.Conv2D(4, 3)(i))
    base = k.Model(i, L.BatchNormalization()(x), name="base")
    return k.Sequential([base, L.Flatten(), L.Dense(3, activation="softmax")])


def many(k):
    """A configuration of more than 64 KiB."""
    L = k.layers
    x = i = L.Input((8, 8, 3))
    for _ in range(40):
        y = L.Conv2D(4, 3, padding="same")(x)
        y = L.BatchNormalization(scale=False)(y)
        x = L.Add()([x, y]) if x.shape[-1] == 4 else y
    x = L.GlobalAveragePooling2D()(x)
    return k.Model(i, L.Dense(1, activation="sigmoid")(x))


def augmented(k):
    """Random layers, which compute nothing at inference."""
    L = k.layers
    change = [L.RandomFlip("horizontal"), L.RandomRotation(0.1), L.RandomZoom((-0.2, 0.1))]
    return k.Sequential(
        [
            L.Input((12, 11, 3)),
            k.Sequential([*change, L.RandomTranslation(0.1, 0.2), L.RandomContrast(0.3)]),
            L.Conv2D(6, 3, activation="relu"),
            L.Flatten(),
            L.Dense(1, activation="sigmoid"),
        ]
    )


MODELS = {
    f"{make.__name__}_{k.__name__}": (make, k)
    for make, k in (
        (sequential, keras),
        (sequential, tf_keras),
        (graph, keras),
        (graph, tf_keras),
        (nested, keras),
        (nested, tf_keras),
        (base_first, keras),
        (base_first, tf_keras),
        (many, keras),
        (augmented, keras),
        (augmented, tf_keras),
    )
}
# They are not compared after more updates.
UNTRAINED = (many, augmented)


def pictures(model):
    random = np.random.default_rng(1)
    bytes = random.integers(0, 256, (8, *model.input_shape[1:]))
    return bytes.astype("float32") / np.float32(255)


def train(model, x):
    """Four updates."""
    units = model.output_shape[-1]
    y = np.eye(units)[np.arange(8) % units] if units > 1 else np.arange(8)[:, None] % 2
    model.fit(x, y, batch_size=2, epochs=1, verbose=0, shuffle=False)


def write(name, folder):
    make, k = MODELS[name]
    k.utils.set_random_seed(7)
    k.backend.clear_session()
    model = make(k)
    x = pictures(model)
    loss = "binary_crossentropy" if model.output_shape[-1] == 1 else "categorical_crossentropy"
    if make not in UNTRAINED:
        model.compile(k.optimizers.Adam(0.002), loss, metrics=["acc"])
        train(model, x)
    path = f"{folder}/{name}"
    model.save(path + ".keras")
    model.save_weights(path + ".weights.h5")
    with open(path + ".json", "w") as file:
        file.write(model.to_json())
    if k is keras:
        # Names of the optimizer's variables may clash, where layers have one name.
        model.save(path + "_legacy.h5", include_optimizer=False)
    else:
        model.save_weights(path + "_legacy.h5", save_format="h5")
    with zipfile.ZipFile(path + ".keras") as source:
        with zipfile.ZipFile(path + "_deflated.keras", "w", zipfile.ZIP_DEFLATED) as target:
            for member in source.namelist():
                target.writestr(member, source.read(member))
    with h5py.File(path + "_reference.h5", "w") as out:
        out["inputs"], out["predictions"] = x, model.predict(x, verbose=0)
        variables = [] if make in UNTRAINED else model.optimizer.variables
        for index, variable in enumerate(variables() if callable(variables) else variables):
            out[f"optimizer/{index}"] = np.asarray(variable.numpy())


def read(name, folder):
    path = f"{folder}/{name}"
    make, k = MODELS[name]
    keras.backend.clear_session()
    model = keras.models.load_model(path + "_dogsled.keras")
    with h5py.File(path + "_reference.h5") as file:
        x = file["inputs"][:]
    with h5py.File(path + "_read.h5", "w") as out:
        out["predictions/keras"] = model.predict(x, verbose=0)
        variables = [] if make in UNTRAINED else model.optimizer.variables
        for index, variable in enumerate(variables):
            out[f"optimizer/{index}"] = variable.numpy()
        legacy = keras.models.load_model(path + "_dogsled.h5")
        out["predictions/h5"] = legacy.predict(x, verbose=0)
        # Without models in it.
        own = keras.models.model_from_json(legacy.to_json())
        own.load_weights(path + "_dogsled.weights.h5")
        out["predictions/weights"] = own.predict(x, verbose=0)
        if k is keras and make not in UNTRAINED:
            # Dropout draws from a seed that is no part of a model.
            for index, one in enumerate([model, keras.models.load_model(path + ".keras")]):
                for layer in one.layers:
                    if isinstance(layer, keras.layers.Dropout):
                        layer.rate = 0.0
                train(one, x)
                out[f"steps/{index}"] = np.array([np.sum(w) for w in one.get_weights()])


def main(folder, reads):
    for name in MODELS:
        (read if reads else write)(name, folder)
    with open(f"{folder}/models.txt", "w") as file:
        file.write("\n".join(MODELS))


if __name__ == "__main__":
    main(sys.argv[1], len(sys.argv) > 2)
