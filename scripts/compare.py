"""Times training: Dogsled's and its peers', in turn; prints a table of medians and ratios.

Each measurement is a process of its own, so that no peer's threads disturb another's. A peer's
code is in this file too: `compare.py peer keras --threads 1` prints one JSON line.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

SETTINGS = {
    "Conv2D": ("filters", "kernel_size", "padding"),
    "Dense": ("units",),
    "MaxPooling2D": ("pool_size",),
}


def network(options):
    """The input's size and the layers, each (class, settings, relu or not)."""
    if not options.model:
        layers = []
        for filters in (32, 64, 128, 128):
            layers.append(("Conv2D", (filters, (3, 3), "valid"), True))
            layers.append(("MaxPooling2D", ((2, 2),), False))
        layers += [("Flatten", (), False), ("Dense", (512,), True), ("Dense", (1,), False)]
        height, width = options.input_size.split("x")
        if height != width:
            sys.exit(f"--input-size {options.input_size}: only squares are compared")
        return int(height), layers
    with open(options.model) as file:
        entries = json.load(file)["config"]["layers"]
    shapes, layers = [], []
    for entry in entries:
        kind, config = entry["class_name"], entry["config"]
        shapes.append(config.get("batch_shape") or config.get("batch_input_shape"))
        if kind != "InputLayer":
            settings = tuple(config[name] for name in SETTINGS.get(kind, ()))
            layers.append((kind, settings, config.get("activation") == "relu"))
    return next(shape[1] for shape in shapes if shape), layers


def keras_model(options):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf
    import keras

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    size, layers = network(options)
    model = keras.Sequential([keras.Input((size, size, 3))])
    for index, (kind, settings, relu) in enumerate(layers):
        last = index == len(layers) - 1
        activation = {"activation": "sigmoid" if last else "relu" if relu else None}
        if kind == "Conv2D":
            filters, kernel, padding = settings
            model.add(keras.layers.Conv2D(filters, kernel, padding=padding, **activation))
        elif kind == "Dense":
            model.add(keras.layers.Dense(*settings, **activation))
        else:
            model.add(getattr(keras.layers, kind)(*settings))
    model.compile("rmsprop", "binary_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 1e-4
    return model, size


def keras_step(options):
    import numpy as np

    model, size = keras_model(options)
    import tensorflow as tf
    import keras

    x = tf.constant(np.random.rand(options.batch_size, size, size, 3).astype("float32"))
    y = tf.constant((np.arange(options.batch_size) % 2).astype("float32").reshape(-1, 1))
    optimizer, loss = model.optimizer, keras.losses.BinaryCrossentropy()
    optimizer.build(model.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return value

    return lambda: step().numpy()


def torch_step(options):
    import torch
    from torch import nn

    torch.set_num_threads(options.threads)
    size, layers = network(options)
    x = torch.rand(options.batch_size, 3, size, size).to(memory_format=torch.channels_last)
    blocks, shape = [], x
    for kind, settings, relu in layers:
        if kind == "Conv2D":
            filters, kernel, padding = settings
            block = nn.Conv2d(shape.shape[1], filters, tuple(kernel), padding=padding)
        elif kind == "MaxPooling2D":
            block = nn.MaxPool2d(tuple(settings[0]))
        elif kind == "Flatten":
            block = nn.Flatten()
        else:
            block = nn.Linear(shape.shape[1], *settings)
        blocks += [block, nn.ReLU()] if relu else [block]
        with torch.no_grad():
            shape = block(shape)
    model = nn.Sequential(*blocks).to(memory_format=torch.channels_last)
    y = (torch.arange(options.batch_size) % 2).float().reshape(-1, 1)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-4, alpha=0.9)
    loss = nn.BCEWithLogitsLoss()

    def step():
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value.item()

    return step


def keras_epochs(options):
    """Seconds of each epoch but the first, on pictures decoded before."""
    import numpy as np

    model, size = keras_model(options)
    import keras
    from PIL import Image

    def pictures(part, count):
        folder = os.path.join(options.data, part)
        x, y = [], []
        for label, name in enumerate(sorted(os.listdir(folder))):
            for file in sorted(os.listdir(os.path.join(folder, name))):
                with Image.open(os.path.join(folder, name, file)) as image:
                    small = image.convert("RGB").resize((size, size), Image.NEAREST)
                x.append(np.asarray(small, "float32") / 255)
                y.append(label)
        order = np.random.permutation(len(y))[:count]
        return np.stack([x[i] for i in order]), np.array(y, "float32")[order]

    x, y = pictures("train", 100 * options.batch_size)
    validation = pictures("validation", 50 * options.batch_size)
    times = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            times.append(time.perf_counter() - self.start)

    settings = {"epochs": 3, "verbose": 0, "validation_data": validation, "callbacks": [Watch()],
                "validation_batch_size": options.batch_size}
    if options.augment:
        from keras.src.legacy.preprocessing.image import ImageDataGenerator

        # The book's settings.
        generator = ImageDataGenerator(
            rotation_range=40, width_shift_range=0.2, height_shift_range=0.2, shear_range=0.2,
            zoom_range=0.2, horizontal_flip=True)
        batches = generator.flow(x, y, batch_size=options.batch_size)
        model.fit(batches, steps_per_epoch=100, **settings)
    else:
        model.fit(x, y, batch_size=options.batch_size, **settings)
    return times[1:]


STEPS = {"keras": keras_step, "torch": torch_step}


def run_peer(name, options, count=10):
    if options.data:
        times = [seconds * 1000 for seconds in keras_epochs(options)]
    else:
        step = STEPS[name](options)
        for _ in range(3):
            step()
        times = []
        for _ in range(count):
            start = time.perf_counter()
            step()
            times.append((time.perf_counter() - start) * 1000)
    print(json.dumps({"median_ms": statistics.median(times)}))


def median_of(command):
    """What a process prints as its median."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])["median_ms"]


def dogsled_epochs(options, threads):
    """The median milliseconds of Dogsled's epochs but the first."""
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, "run")
        subprocess.run(
            [options.dogsled, "train", options.data, "--run", run, "--epochs", "3", "--threads",
             threads, "--batch-size", str(options.batch_size)]
            + ["--augment"] * options.augment,
            check=True, capture_output=True)
        with open(os.path.join(run, "history.csv")) as file:
            rows = [line.split(",") for line in file.read().splitlines()[2:]]
    return statistics.median(float(row[5]) * 1000 for row in rows)


def measurements(options, threads):
    """A function for each competitor, which measures it once."""
    settings = ["--batch-size", str(options.batch_size)]
    own = list(settings)
    if options.model:
        settings += ["--model", options.model]
        own += ["--model", options.model]
    else:
        settings += ["--input-size", options.input_size]
        own += ["--input-size", options.input_size]
    if options.data:
        settings += ["--data", options.data] + ["--augment"] * options.augment

    def peer(name):
        return lambda: median_of(
            [sys.executable, __file__, "peer", name, "--threads", threads, *settings])

    step = [options.dogsled, "bench", "step", "--count", "15", "--threads", threads, *own]
    ours = (lambda: dogsled_epochs(options, threads)) if options.data else (lambda: median_of(step))
    names = ["keras", "torch"] if options.torch and not options.data else ["keras"]
    return {"dogsled": ours} | {name: peer(name) for name in names}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="*")
    parser.add_argument("--dogsled")
    parser.add_argument("--threads", default="1 2")
    parser.add_argument("--batch-size", type=int, default=20)
    parser.add_argument("--input-size", default="150x150")
    parser.add_argument("--model")
    parser.add_argument("--data")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--torch", action="store_true")
    parser.add_argument("--augment", action="store_true")
    options = parser.parse_args()
    if options.augment and not options.data:
        parser.error("--augment is for whole epochs: it needs --data")
    if options.what[:1] == ["peer"]:
        options.threads = int(options.threads)
        return run_peer(options.what[1], options)

    what = "an epoch" if options.data else "a step"
    print(f"| threads | who | median ms of {what} | Dogsled's share |")
    print("| --- | --- | --- | --- |")
    for threads in options.threads.split():
        competitors = measurements(options, threads)
        times = {name: [] for name in competitors}
        for _ in range(options.rounds):
            for name, measure in competitors.items():
                times[name].append(measure())
        ours = times["dogsled"]
        for name, medians in times.items():
            ratios = [a / b for a, b in zip(ours, medians)]
            print(
                f"| {threads} | {name} | {statistics.median(medians):.1f} | "
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
