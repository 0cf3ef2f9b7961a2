"""A bare Starlette app over LiteRT: `request.json()`, Pillow, `JSONResponse`; no limits, no logs, no health before use."""

import base64
import io
import os
from pathlib import Path

import numpy as np
import uvicorn
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ml.export.preprocessing import Preprocessor

FOLDER = Path(os.environ["AIP_STORAGE_URI"])
CLASSES = Preprocessor.load(FOLDER / "preprocessing.json").classes
interpreter = Interpreter(str(FOLDER / "model.tflite"), num_threads=1)
interpreter.allocate_tensors()
SOURCE, TARGET = interpreter.get_input_details()[0], interpreter.get_output_details()[0]


async def predict(request: Request) -> JSONResponse:
    predictions = []
    for instance in (await request.json())["instances"]:
        with Image.open(io.BytesIO(base64.b64decode(instance["b64"]))) as picture:
            pixels = (np.asarray(picture, dtype=np.float32) / 255).reshape(SOURCE["shape"])
        interpreter.set_tensor(SOURCE["index"], pixels)
        interpreter.invoke()
        scores = dict(zip(CLASSES, map(float, interpreter.get_tensor(TARGET["index"])[0]), strict=True))
        label = max(scores, key=lambda name: scores[name])
        predictions.append({"label": label, "confidence": scores[label], "scores": scores})
    return JSONResponse({"predictions": predictions})


async def health(request: Request) -> JSONResponse:
    return JSONResponse({"ok": True})


if __name__ == "__main__":
    routes = [Route("/predict", predict, methods=["POST"]), Route("/health", health)]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(os.environ["AIP_HTTP_PORT"]), log_level="warning")
