"""The loaded model: preprocessing shared with evaluation, and LiteRT."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from ml.export.preprocessing import InstanceError, Preprocessor


class Model:
    """Predicts class labels for instances as they arrive in a request."""

    def __init__(self, folder: Path) -> None:
        """Read `model.tflite` and `preprocessing.json` from `folder`, which is not needed afterwards."""
        self._preprocessor = Preprocessor.load(folder / "preprocessing.json")
        self._content = (folder / "model.tflite").read_bytes()
        self._interpreters = threading.local()
        self._interpreter()

    def predict(self, instances: Sequence[Any]) -> list[dict[str, Any]]:
        """One `{"label", "confidence", "scores"}` for each instance, in order.

        Raises:
            InstanceError: for the first instance that is malformed, too large or not what the model takes.
        """
        return [self._one(position, instance) for position, instance in enumerate(instances)]

    def _one(self, position: int, instance: Any) -> dict[str, Any]:
        try:
            batch = self._preprocessor.batch([instance])
        except InstanceError as error:
            raise InstanceError(f"instance {position}: {error}") from None
        interpreter, input_index, output_index = self._interpreter()
        interpreter.set_tensor(input_index, batch)
        interpreter.invoke()
        probabilities: np.ndarray[Any, Any] = interpreter.get_tensor(output_index)[0]  # (classes,) float32, sums to 1
        scores = dict(zip(self._preprocessor.classes, probabilities.tolist(), strict=True))
        label = max(scores, key=scores.__getitem__)
        return {"label": label, "confidence": scores[label], "scores": scores}

    def _interpreter(self) -> tuple[Interpreter, int, int]:
        """This thread's interpreter: LiteRT's are not safe to share, and one costs little beside the model it reads."""
        if not hasattr(self._interpreters, "own"):
            interpreter = Interpreter(model_content=self._content, num_threads=1)
            interpreter.allocate_tensors()
            source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
            self._interpreters.own = (interpreter, source["index"], target["index"])
        own: tuple[Interpreter, int, int] = self._interpreters.own
        return own
