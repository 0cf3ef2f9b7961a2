"""Image classification: `preparation` decides size and colour from the training pictures and makes arrays, `network` is the CNN.

Does not live here: decoding and resizing (`ml.export.preprocessing`, shared with the servers), the training loop
(`ml.fitting`).
"""
