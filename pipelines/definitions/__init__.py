"""The pipelines, one a module; each is a function of the environment's names and of the images that its steps run in."""
