"""What Keras computes from a model and pictures that Dogsled wrote.

    keras_reference.py FOLDER

FOLDER has model.h5 (opened with keras.models.load_model) and pictures.h5 (pictures: uint8
[n, height, width, 3]; labels: float [n]). Writes into it:

reference.h5   layers/NAME/{input,output,output_gradient,input_gradient,kernel,bias,
               kernel_gradient,bias_gradient}: one batch through the network; gradients are of the
               SUM of the losses, and the last layer's output_gradient is the logit's.
               doubles/{output,input_gradient,kernel_gradient,bias_gradient}: the same layer from
               the same numbers in double precision, without TensorFlow.
               gradients/I, weights/I, average/I: every trainable tensor, in order.
               predictions [n]; evaluation [loss, accuracy]; iteration, learning_rate.
               after/{gradients,weights,average}/I: one train_on_batch on; gradients of the MEAN.
               sigmoid/{pictures,labels,predictions}, sigmoid/gradients/I: a small network whose
               dense layers before the last have sigmoids; gradients are of the SUM.
sigmoid.h5     that network.
keras3.h5      the model after that, as Keras 3 saves it.
KERAS.json     {class: {"arguments": [...]}}: for each version installed (keras, tf_keras), what
               get_config of each layer, of Sequential and of RMSprop has and what a model is
               compiled with; "model" is to_json of a network with all layers.
keras2.h5      the like from tf_keras (Keras 2), where it is installed, and keras2_reference.h5:
               {weights,average}/I: what it should hold; loaded/I: the weights that load_model
               of Keras 2 took from model.h5.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import h5py
import keras
import numpy as np
import tensorflow as tf


def layer_by_layer(model, x, y, out):
    """Runs the layers one at a time and records what goes in and out, and all gradients."""
    inputs, outputs = [], []
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        value = x
        for layer in model.layers:
            inputs.append(value)
            last = layer is model.layers[-1]
            # The loss is of the logit: the sigmoid is inside it.
            value = tf.matmul(value, layer.kernel) + layer.bias if last else layer(value)
            outputs.append(value)
        loss = tf.reduce_sum(
            tf.nn.sigmoid_cross_entropy_with_logits(labels=y[:, None], logits=value)
        )
    for layer, before, after in zip(model.layers, inputs, outputs):
        group = out.create_group(f"layers/{layer.name}")
        last = layer is model.layers[-1]
        group["input"] = before.numpy()
        group["output"] = after.numpy()
        group["output_gradient"] = tape.gradient(loss, after).numpy()
        group["input_gradient"] = tape.gradient(loss, before).numpy()
        for kind in ("kernel", "bias"):
            tensor = getattr(layer, kind, None)
            if tensor is not None:
                group[kind] = tensor.numpy()
                group[f"{kind}_gradient"] = tape.gradient(loss, tensor.value).numpy()
        if "kernel" in group:
            in_doubles(group, relu=not last)
    weights = [w.value for w in model.trainable_weights]
    save(out, "gradients", [tape.gradient(loss, w) for w in weights])
    save(out, "weights", weights)


def in_doubles(group, relu):
    """A convolution (stride 1, valid) or dense layer and its gradients, in double precision."""
    x, kernel, bias = (group[name][:].astype(np.float64) for name in ("input", "kernel", "bias"))
    gradient = group["output_gradient"][:].astype(np.float64)
    if kernel.ndim == 4:
        size = kernel.shape[:2]
        windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=(1, 2))
        columns = np.moveaxis(windows, 3, 5).reshape(-1, kernel[..., 0].size)
    else:
        size, columns = None, x
    output = columns @ kernel.reshape(-1, kernel.shape[-1]) + bias
    flat = gradient.reshape(output.shape)
    if relu:
        flat = flat * (output > 0)
        output = np.maximum(output, 0)
    if size:
        shaped = flat.reshape(gradient.shape)
        input_gradient = np.zeros_like(x)
        height, width = gradient.shape[1:3]
        for i in range(size[0]):
            for j in range(size[1]):
                input_gradient[:, i : i + height, j : j + width] += shaped @ kernel[i, j].T
    else:
        input_gradient = flat @ kernel.T
    group["doubles/output"] = output.reshape(gradient.shape)
    group["doubles/input_gradient"] = input_gradient
    group["doubles/kernel_gradient"] = (columns.T @ flat).reshape(kernel.shape)
    group["doubles/bias_gradient"] = flat.sum(axis=0)


def save(out, name, tensors):
    for index, tensor in enumerate(tensors):
        out[f"{name}/{index}"] = np.asarray(tensor)


def averages(model):
    """RMSprop's averages of squared gradients, in the order of the weights."""
    return [v.numpy() for v in model.optimizer.variables if v.path.endswith("_velocity")]


def mean_gradients(model, x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.binary_crossentropy(y[:, None], model(x)))
    return tape.gradient(loss, [w.value for w in model.trainable_weights])


def restore_optimizer(model, path):
    """Puts the optimizer's state in place.

    Keras 3 (up to 3.15 at least) builds the optimizer of a model from an .h5 file for no weights at
    all, also for files of its own, so that of the state only the iteration arrives and training
    fails. Building it again for the model's weights is what load_model should have done.
    """
    optimizer = model.optimizer
    if len(optimizer.variables) < 2 + len(model.trainable_variables):
        optimizer.built = False
        optimizer.build(model.trainable_variables)
    with h5py.File(path) as file:
        group = file["optimizer_weights"]
        optimizer.set_weights([group[name][()] for name in group.attrs["weight_names"]])


def keras2(x, y, folder):
    """What Keras 2 makes of model.h5, and what it saves after one step.

    It lists an optimizer's state without the learning rate, so it starts with a new optimizer.
    """
    try:
        import tf_keras
    except ImportError:
        return
    arguments(tf_keras, f"{folder}/tf_keras")
    model = tf_keras.models.load_model(f"{folder}/model.h5", compile=False)
    model.compile(
        loss="binary_crossentropy",
        optimizer=tf_keras.optimizers.RMSprop(learning_rate=2e-4, rho=0.8),
        metrics=["acc"],
    )
    with h5py.File(f"{folder}/keras2_reference.h5", "w") as out:
        save(out, "loaded", model.get_weights())
        model.train_on_batch(x, y)
        save(out, "weights", model.get_weights())
        velocities = [v for v in model.optimizer.variables if "velocity" in v.name]
        save(out, "average", velocities)
    model.save(f"{folder}/keras2.h5")


def sigmoids(folder, out):
    """A small network with sigmoids inside, on noise."""
    layers, random = keras.layers, np.random.default_rng(3)
    model = keras.Sequential(
        [
            keras.Input((14, 12, 3)),
            layers.Conv2D(6, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(40, activation="sigmoid"),
            layers.Dense(64, activation="sigmoid"),
            layers.Dense(5),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("rmsprop", "binary_crossentropy")
    for weight in model.trainable_weights:
        if weight.name == "bias":
            weight.assign(random.uniform(-0.5, 0.5, weight.shape))
    pictures = random.integers(0, 256, (9, 14, 12, 3)).astype("float32")
    x, y = pictures / np.float32(255), (np.arange(9) % 2).astype("float32")
    with tf.GradientTape() as tape:
        p = model(tf.constant(x))
        loss = tf.reduce_sum(keras.losses.binary_crossentropy(y[:, None], p))
    out["sigmoid/pictures"], out["sigmoid/labels"] = pictures, y
    out["sigmoid/predictions"] = p.numpy()[:, 0]
    save(out, "sigmoid/gradients", tape.gradient(loss, [w.value for w in model.trainable_weights]))
    model.save(f"{folder}/sigmoid.h5")


def arguments(keras, path):
    """Which arguments a version of Keras writes for everything that Dogsled reads."""
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.InputLayer((20, 24, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(8, activation="sigmoid", kernel_regularizer=keras.regularizers.L2(0.01)),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        loss="binary_crossentropy", optimizer=keras.optimizers.RMSprop(3e-4), metrics=["acc"]
    )
    # Before save, which takes the optimizer out of the model's configuration.
    text = model.to_json()
    written = json.loads(text)
    model.save(path + ".h5")
    with h5py.File(path + ".h5") as file:
        training = json.loads(file.attrs["training_config"])
        inputs = json.loads(file.attrs["model_config"])["config"]["layers"][0]["config"]
    found = {type(layer).__name__: sorted(layer.get_config()) for layer in model.layers}
    for layer in [
        layers.DepthwiseConv2D(3),
        layers.SeparableConv2D(4, 3),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.ReLU(),
        layers.LeakyReLU(),
        layers.Softmax(),
        layers.AveragePooling2D(2),
        layers.GlobalMaxPooling2D(),
        layers.GlobalAveragePooling2D(),
        layers.Add(),
        layers.Multiply(),
        layers.Average(),
        layers.Concatenate(),
        layers.Rescaling(2.0),
        layers.Normalization(),
        layers.LayerNormalization(),
        layers.ZeroPadding2D(),
        layers.Cropping2D(),
        layers.UpSampling2D(),
        layers.Reshape((1,)),
        layers.SpatialDropout2D(0.5),
        layers.GaussianNoise(0.5),
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.1),
        layers.RandomTranslation(0.1, 0.2),
        layers.RandomZoom(0.2),
        layers.RandomBrightness(0.1),
        layers.RandomContrast(0.1),
    ]:
        found[type(layer).__name__] = sorted(layer.get_config())
    found |= {
        "InputLayer": sorted(inputs),
        "model": sorted(written),
        "Sequential": sorted(written["config"]),
        "entry": sorted({name for layer in written["config"]["layers"] for name in layer}),
        "compiled": sorted({*training, *written.get("compile_config", {})}),
        "RMSprop": sorted({*model.optimizer.get_config(), *training["optimizer_config"]["config"]}),
    }
    for optimizer in (keras.optimizers.SGD(), keras.optimizers.Adam(), keras.optimizers.AdamW()):
        found[type(optimizer).__name__] = sorted(optimizer.get_config())
    with open(path + ".json", "w") as file:
        json.dump({"arguments": found, "model": text}, file)


def main(folder):
    with h5py.File(f"{folder}/pictures.h5") as pictures:
        x = tf.constant(pictures["pictures"][:].astype("float32") / np.float32(255))
        y = tf.constant(pictures["labels"][:].astype("float32"))
    model = keras.models.load_model(f"{folder}/model.h5")
    assert model.compiled and type(model.optimizer).__name__ == "RMSprop"
    restore_optimizer(model, f"{folder}/model.h5")
    with h5py.File(f"{folder}/reference.h5", "w") as out:
        layer_by_layer(model, x, y, out)
        save(out, "average", averages(model))
        out["predictions"] = model.predict(x, verbose=0)[:, 0]
        out["evaluation"] = np.array(model.evaluate(x, y, batch_size=len(y), verbose=0))
        out["iteration"] = int(model.optimizer.iterations)
        out["learning_rate"] = float(model.optimizer.learning_rate)
        save(out, "after/gradients", mean_gradients(model, x, y))
        model.train_on_batch(x, y)
        save(out, "after/weights", [w.numpy() for w in model.trainable_weights])
        save(out, "after/average", averages(model))
        sigmoids(folder, out)
    arguments(keras, f"{folder}/keras")
    model.save(f"{folder}/keras3.h5")
    keras2(x, y, folder)


if __name__ == "__main__":
    main(sys.argv[1])
