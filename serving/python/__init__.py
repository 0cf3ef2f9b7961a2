"""The prediction server: Vertex AI's custom-container contract on Starlette, with LiteRT behind it.

`settings` reads the `AIP_*` variables, `artifact` brings the model files near, `model` predicts, `server` speaks HTTP,
`logs` writes Cloud Logging lines, `workers` uses every core, `__main__` joins them: `python -m serving.python`.
Does not live here: preprocessing, which is `ml.export.preprocessing`, the same code that measured the model.
"""
