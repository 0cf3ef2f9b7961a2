"""What learns: files in, files out.

`tasks/` a module a task, the table of contents · `data/` any source → checked rows → frozen splits · `gemini/` labels
from a few examples · `vision/` and `nlp/` the two Keras models · `training/` the loop that both share · `features/` what
Feature Store keeps of every row · `export/` SavedModel, LiteRT and the preprocessing that every server shares ·
`evaluation/` metrics on the frozen rows, baselines and the gate · `drift/` whether live traffic still looks like them ·
`train` the inner loop of an ML engineer, without pipeline or Google Cloud.
Does not live here: any long job (a step in `pipelines/`), any client (they come in as arguments), any name or address
(`environments/`). TensorFlow is imported inside functions, so that a server can preload it and fork.
Start reading: `tasks/vision.py`, then `train.py`.
"""
