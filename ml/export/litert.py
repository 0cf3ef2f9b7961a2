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
        self._input: int = self._interpreter.get_input_details()[0]["index"]
        self._output: int = self._interpreter.get_output_details()[0]["index"]
        self._size = 0

    @property
    def width(self) -> int:
        """Numbers that it answers a row with."""
        return int(self._interpreter.get_output_details()[0]["shape"][-1])

    def probabilities(self, inputs: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """(rows, …) → (rows, classes), of a classifier."""
        return self.outputs(inputs)

    def outputs(self, inputs: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """(rows, …) → (rows, width)."""
        answers = []
        for start in range(0, len(inputs), BATCH):
            batch = inputs[start : start + BATCH]
            if len(batch) != self._size:
                self._size = len(batch)
                self._interpreter.resize_tensor_input(self._input, batch.shape)
                self._interpreter.allocate_tensors()
            self._interpreter.set_tensor(self._input, batch)
            self._interpreter.invoke()
            answers.append(self._interpreter.get_tensor(self._output))
        return np.concatenate(answers)
