"""What Keras computes from a model of several classes that Dogsled wrote.

    keras_classes.py FOLDER

FOLDER has model.h5 and pictures.h5 (pictures: uint8 [n, height, width, 3]; labels: float [n]).
Writes into it:

reference.h5   predictions [n, classes]; evaluation [loss, accuracy]; gradients/I of the SUM of the
               losses, in order; losses [n]; top5: of the pictures, how many have their class among
               the five most probable.
keras.h5       the model, as Keras 3 saves it, compiled as Dogsled's file says.
sparse.h5      the same, compiled with the loss that takes labels.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import h5py
import keras
import numpy as np
import tensorflow as tf


def main(folder):
    with h5py.File(f"{folder}/pictures.h5") as pictures:
        x = tf.constant(pictures["pictures"][:].astype("float32") / np.float32(255))
        labels = pictures["labels"][:].astype("int32")
    model = keras.models.load_model(f"{folder}/model.h5")
    assert model.compiled and model.loss is keras.losses.categorical_crossentropy, model.loss
    y = tf.one_hot(labels, model.output_shape[-1])
    with tf.GradientTape() as tape:
        predictions = model(x)
        losses = keras.losses.categorical_crossentropy(y, predictions)
        loss = tf.reduce_sum(losses)
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    with h5py.File(f"{folder}/reference.h5", "w") as out:
        out["predictions"] = predictions.numpy()
        out["losses"] = losses.numpy()
        out["evaluation"] = np.array(
            model.evaluate(x, y, batch_size=len(labels), verbose=0), dtype="float32"
        )
        out["top5"] = np.float32(
            keras.metrics.sparse_top_k_categorical_accuracy(labels, predictions, k=5).numpy().sum()
        )
        for index, gradient in enumerate(gradients):
            out[f"gradients/{index}"] = gradient.numpy()
    model.save(f"{folder}/keras.h5")
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["acc"])
    model.save(f"{folder}/sparse.h5")


if __name__ == "__main__":
    main(sys.argv[1])
