"""The loaded model: the preprocessing and the interpreter that also measured it."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml.export.litert import LiteRT
from ml.export.pictures import InstanceError
from ml.export.preprocessing import Preprocessor


class Model:
    """Predicts class labels for instances as they arrive in a request."""

    def __init__(self, folder: Path) -> None:
        """Read `model.tflite` and `preprocessing.json` from `folder`, which is not needed afterwards."""
        self._preprocessor = Preprocessor.load(folder / "preprocessing.json")
        self._content = (folder / "model.tflite").read_bytes()
        self._threads = threading.local()
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
        [probabilities] = self._interpreter().probabilities(batch).tolist()
        scores = dict(zip(self._preprocessor.classes, probabilities, strict=True))
        label = max(scores, key=scores.__getitem__)
        return {"label": label, "confidence": scores[label], "scores": scores}

    def _interpreter(self) -> LiteRT:
        """This thread's interpreter: LiteRT's are not safe to share, and one costs little beside the model it reads."""
        if not hasattr(self._threads, "interpreter"):
            self._threads.interpreter = LiteRT(self._content, threads=1)
        interpreter: LiteRT = self._threads.interpreter
        return interpreter
