"""What both models share while they learn: `examples` joins rows with Gemini's labels and keeps arrays on disk, `fitting` is the loop.

Does not live here: the networks (`ml.vision`, `ml.nlp`), long jobs (`pipelines/`).
"""
