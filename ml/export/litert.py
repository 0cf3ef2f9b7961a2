"""An exported model, run by LiteRT in batches: what the evaluation measures is what the servers run."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BATCH = 256


class LiteRT:
    """A LiteRT model with one input and one output."""

    def __init__(self, content: bytes, threads: int = 2) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=content, num_threads=threads)

    def probabilities(self, inputs: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """(rows, …) → (rows, classes)."""
        into = self._interpreter.get_input_details()[0]["index"]
        out = self._interpreter.get_output_details()[0]["index"]
        answers = []
        size = 0
        for start in range(0, len(inputs), BATCH):
            batch = inputs[start : start + BATCH]
            if len(batch) != size:
                size = len(batch)
                self._interpreter.resize_tensor_input(into, batch.shape)
                self._interpreter.allocate_tensors()
            self._interpreter.set_tensor(into, batch)
            self._interpreter.invoke()
            answers.append(self._interpreter.get_tensor(out).copy())
        return np.concatenate(answers)
