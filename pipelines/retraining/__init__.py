"""A drift alert starts one retraining.

`events` reads what a monitor published, `start` starts the run of an event, and finds it again however often the event is
delivered; `subscriber` pulls the events (`python -m pipelines.retraining --env dev`).
Does not live here: the detectors (`ml.drift`), the monitor that publishes (`pipelines.monitoring`), and the pipeline
(`pipelines.definitions.retraining`).
Start reading: `start.py`.
"""
