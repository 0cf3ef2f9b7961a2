"""NLP: which class a text belongs to."""

from functools import partial

from ml.data.rows import Kind
from ml.export import formats
from ml.nlp import network, preparation
from ml.training import fitting

KIND: Kind = "text_classification"

preprocess = preparation.prepare
train = partial(fitting.fit, network.RECIPE)
export = partial(formats.export, recipe=network.RECIPE)
