"""Image classification: `preparation` decides size and colour from the training pictures, `network` is the CNN and its recipe.

Does not live here: decoding and resizing (`ml.export.pictures`, shared with the servers), the loop (`ml.training`).
"""
