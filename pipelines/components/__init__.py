"""The steps, in the order in which they run: `data` (ingest, label, preprocess), `model` (train, evaluate), `features`
(compute, write), `release` (register, gate, deploy); `retraining` has what a retraining does otherwise (join, train, compare,
gate), `web` what the Node server and the page need (convert, attach); `monitoring` (traffic, monitor, alert) watches what serves.

A component's body is sent as source and runs alone in its container, so it imports what it needs itself. A folder artifact
holds the files that the `ml` function writes; every JSON document of a run is such a file (`pipelines.runs` reads them).
`base_image` is an image's name in `cloudbuild/images.yaml`; a definition puts its address in an environment in its place.
"""
