"""A LitServe app over LiteRT, as its documentation writes one: a `LitAPI` with its four methods, one worker, no batching.

It runs in an environment of its own, with the versions of numpy, Pillow and LiteRT that our server runs with.
"""

import base64
import io
import os
from pathlib import Path
from typing import Any

import litserve
import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from ml.export.preprocessing import Preprocessor

FOLDER = Path(os.environ["AIP_STORAGE_URI"])


class Classifier(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.classes = Preprocessor.load(FOLDER / "preprocessing.json").classes
        self.interpreter = Interpreter(str(FOLDER / "model.tflite"), num_threads=1)
        self.interpreter.allocate_tensors()
        self.source, self.target = self.interpreter.get_input_details()[0], self.interpreter.get_output_details()[0]

    def decode_request(self, request: dict[str, Any]) -> list[npt.NDArray[np.float32]]:
        inputs = []
        for instance in request["instances"]:
            with Image.open(io.BytesIO(base64.b64decode(instance["b64"]))) as picture:
                inputs.append((np.asarray(picture, dtype=np.float32) / 255).reshape(self.source["shape"]))
        return inputs

    def predict(self, inputs: list[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
        outputs = []
        for pixels in inputs:
            self.interpreter.set_tensor(self.source["index"], pixels)
            self.interpreter.invoke()
            outputs.append(self.interpreter.get_tensor(self.target["index"])[0])
        return outputs

    def encode_response(self, outputs: list[npt.NDArray[np.float32]]) -> dict[str, Any]:
        predictions = []
        for output in outputs:
            scores = dict(zip(self.classes, map(float, output), strict=True))
            label = max(scores, key=lambda name: scores[name])
            predictions.append({"label": label, "confidence": scores[label], "scores": scores})
        return {"predictions": predictions}


if __name__ == "__main__":
    server = litserve.LitServer(Classifier(), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(os.environ["AIP_HTTP_PORT"]), log_level="warning", generate_client_file=False)
