"""How good a model is, on the frozen test rows, through the exported model and the shared preprocessing.

`classification` measures and writes `evaluation.json`; `comparison` puts a challenger beside the champion; `intervals` says how
sure a figure is; `gate` decides whether the model may go on; `baseline` is TF-IDF with logistic regression, which a text model
must not fall behind; `parity` holds every engine that serves a model to the answers that were measured.
Start reading: `classification`, then `gate`.
"""
