"""Times one training step of the book's network: Dogsled's and its peers', in turn.

Each measurement is a process of its own, so that no peer's threads disturb another's. A peer's
code is in this file too: `compare.py peer keras --threads 1 --batch 20` prints one JSON line.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time


def keras_step(threads, batch):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import numpy as np
    import tensorflow as tf
    import keras
    from keras import layers

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = keras.Sequential([keras.Input((150, 150, 3))])
    for filters in (32, 64, 128, 128):
        model.add(layers.Conv2D(filters, 3, activation="relu"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    model.add(layers.Dense(512, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.RMSprop(1e-4))
    x = tf.constant(np.random.rand(batch, 150, 150, 3).astype("float32"))
    y = tf.constant((np.arange(batch) % 2).astype("float32").reshape(-1, 1))
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


def torch_step(threads, batch):
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    blocks, channels = [], 3
    for filters in (32, 64, 128, 128):
        blocks += [nn.Conv2d(channels, filters, 3), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    model = nn.Sequential(
        *blocks, nn.Flatten(), nn.Linear(6272, 512), nn.ReLU(), nn.Linear(512, 1)
    ).to(memory_format=torch.channels_last)
    x = torch.rand(batch, 3, 150, 150).to(memory_format=torch.channels_last)
    y = (torch.arange(batch) % 2).float().reshape(-1, 1)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-4, alpha=0.9)
    loss = nn.BCEWithLogitsLoss()

    def step():
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value.item()

    return step


PEERS = {"keras": keras_step, "torch": torch_step}


def run_peer(name, threads, batch, count=10):
    step = PEERS[name](threads, batch)
    for _ in range(3):
        step()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1000)
    print(json.dumps({"median_ms": statistics.median(times), "minimum_ms": min(times)}))


def measure(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])["median_ms"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="*")
    parser.add_argument("--dogsled")
    parser.add_argument("--threads", default="1 2")
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.what[:1] == ["peer"]:
        return run_peer(options.what[1], int(options.threads), options.batch)

    print("| threads | who | median ms of a step | Dogsled's share |")
    print("| --- | --- | --- | --- |")
    for threads in options.threads.split():
        settings = ["--threads", threads, "--batch", str(options.batch)]
        commands = {"Dogsled": [options.dogsled, "bench", "step", "--count", "15", *settings]}
        for name in PEERS:
            commands[name] = [sys.executable, __file__, "peer", name, *settings]
        times = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                median = measure(command)
                if median is not None:
                    times[name].append(median)
        ours = times["Dogsled"]
        for name, medians in times.items():
            if not medians:
                continue
            ratios = [a / b for a, b in zip(ours, medians)]
            print(
                f"| {threads} | {name} | {statistics.median(medians):.1f} | "
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
