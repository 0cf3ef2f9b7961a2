"""What Gemini does for training: `labelling` labels a slice of the training rows from a few examples.

Does not live here: the client (an argument, made by `environments.clients`) and the model id (`environments/models.yaml`).
"""
