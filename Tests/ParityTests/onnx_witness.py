"""What other programs make of exported models.

    onnx_witness.py FOLDER

Of each NAME in FOLDER/exported.txt: runs NAME.onnx on the CPU on NAME.pictures, float32
[n, height, width, 3] without a head, and writes NAME.probabilities, float32; checks NAME.onnx
against its specification; and reads NAME.safetensors where that package is there, and writes
NAME.tensors: a line for each tensor, its name, its shape and the sum of its numbers.
"""

import sys

import numpy as np
import onnx
import onnxruntime


def main(folder):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for name in open(f"{folder}/exported.txt").read().split():
        path = f"{folder}/{name}"
        onnx.checker.check_model(onnx.load(path + ".onnx"), full_check=True)
        session = onnxruntime.InferenceSession(
            path + ".onnx", options, providers=["CPUExecutionProvider"]
        )
        (given,) = session.get_inputs()
        pictures = np.fromfile(path + ".pictures", "<f4").reshape(-1, *given.shape[1:])
        (probabilities,) = session.run(["probabilities"], {"pictures": pictures})
        probabilities.astype("<f4").tofile(path + ".probabilities")
        try:
            from safetensors.numpy import load_file
        except ImportError:
            continue
        with open(path + ".tensors", "w") as out:
            for key, tensor in sorted(load_file(path + ".safetensors").items()):
                total = float(tensor.astype("float64").sum())
                out.write(f"{key} {list(tensor.shape)} {total:.6g}\n")


if __name__ == "__main__":
    main(sys.argv[1])
