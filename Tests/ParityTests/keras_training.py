"""What Keras makes of models in some steps of training.

    keras_training.py FOLDER

FOLDER has cases.json: {"steps", "batch", "cases": [{"name", "smoothing", "weights", "rates"}]},
where weights are those of the classes and rates the learning rates of the steps, pictures.bin:
uint8 [steps, batch, ...input], labels2.bin and labels3.bin:
int32 [steps, batch], of so many classes, and NAME.h5 for each case's name:
a compiled model. Writes for each NAME_reference.h5: weights/STEP/I, every trainable tensor after
each step, and losses [steps]; and NAME_keras.h5, the model at the end as Keras saves it.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import h5py
import keras
import numpy as np


class BookRMSprop(keras.optimizers.RMSprop):
    """RMSprop as Keras 2.2 has it: epsilon after the root."""

    def update_step(self, gradient, variable, learning_rate):
        velocity = self._velocities[self._get_variable_index(variable)]
        self.assign(velocity, self.rho * velocity + (1 - self.rho) * keras.ops.square(gradient))
        self.assign_sub(
            variable, learning_rate * gradient / (keras.ops.sqrt(velocity) + self.epsilon)
        )


def train(folder, case, x, y):
    name = case["name"]
    model = keras.models.load_model(f"{folder}/{name}.h5")
    optimizer = model.optimizer
    if type(optimizer) is keras.optimizers.RMSprop:
        if not optimizer.momentum and not optimizer.centered:
            optimizer = BookRMSprop.from_config(optimizer.get_config())
    loss = model.loss
    if case["smoothing"]:
        # As the file names it.
        assert loss.get_config()["label_smoothing"] == case["smoothing"], loss.get_config()
    model.compile(optimizer, loss=loss, metrics=["acc"])
    weights = dict(enumerate(case["weights"])) or None
    optimizer.built = False
    optimizer.build(model.trainable_variables)
    with h5py.File(f"{folder}/{name}_reference.h5", "w") as out:
        losses = []
        for step, (pictures, labels) in enumerate(zip(x, y)):
            model.reset_metrics()
            if case["rates"]:
                optimizer.learning_rate = case["rates"][step]
            result = model.train_on_batch(pictures, labels, class_weight=weights)
            losses.append(float(result[0]))
            for index, weight in enumerate(model.trainable_weights):
                out[f"weights/{step}/{index}"] = weight.numpy()
        out["losses"] = np.array(losses)
    model.save(f"{folder}/{name}_keras.h5")


def main(folder):
    with open(f"{folder}/cases.json") as file:
        job = json.load(file)
    shape = (job["steps"], job["batch"])
    for case in job["cases"]:
        model = keras.models.load_model(f"{folder}/{case['name']}.h5", compile=False)
        x = np.fromfile(f"{folder}/pictures.bin", np.uint8).reshape(shape + model.input_shape[1:])
        outputs = model.output_shape[-1]
        y = np.fromfile(f"{folder}/labels{max(2, outputs)}.bin", np.int32).reshape(shape)
        if outputs > 1:
            y = np.eye(outputs)[y]
        train(folder, case, x.astype("float32") / np.float32(255), y.astype("float32"))


if __name__ == "__main__":
    main(sys.argv[1])
