"""Text classification: `preparation` learns the vocabulary from the training texts, `network` is the wide and deep model and its recipe.

Does not live here: tokens and their numbers (`ml.export.preprocessing`, shared with the servers), the loop (`ml.training`).
"""
