"""Vision: which class a picture belongs to."""

from functools import partial

from ml.data.rows import Kind
from ml.export import formats
from ml.training import fitting
from ml.vision import network, preparation

KIND: Kind = "image_classification"

preprocess = preparation.prepare
train = partial(fitting.fit, network.RECIPE)
export = partial(formats.export, recipe=network.RECIPE)
