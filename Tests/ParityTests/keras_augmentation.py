"""What Keras's ImageDataGenerator makes of pictures with given parameters.

    keras_augmentation.py FOLDER

FOLDER has cases.json: {"height", "width", "count", "cases": [{"fill_mode", "parameters"}]}, where
parameters are those of ImageDataGenerator.apply_transform, and pictures.bin: uint8 [count, height,
width, 3]. Writes keras.bin: float32 [case, count, height, width, 3].

    keras_augmentation.py sheet FILE.png

prints the width and height of a PNG and, in hexadecimal, its RGB pixels.
"""

import json
import os
import sys
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def main(folder):
    import numpy as np
    from keras.src.legacy.preprocessing import image

    # scipy's old name for its functions, which Keras uses.
    warnings.simplefilter("ignore")
    with open(f"{folder}/cases.json") as file:
        job = json.load(file)
    shape = (job["count"], job["height"], job["width"], 3)
    pictures = np.fromfile(f"{folder}/pictures.bin", np.uint8).reshape(shape).astype("float32")
    made = []
    for case in job["cases"]:
        generator = image.ImageDataGenerator(fill_mode=case["fill_mode"])
        made += [generator.apply_transform(x, case["parameters"]) for x in pictures]
    np.stack(made).astype("float32").tofile(f"{folder}/keras.bin")


def sheet(path):
    from PIL import Image

    with Image.open(path) as picture:
        print(picture.width, picture.height, picture.convert("RGB").tobytes().hex())


if __name__ == "__main__":
    sheet(sys.argv[2]) if sys.argv[1] == "sheet" else main(sys.argv[1])
