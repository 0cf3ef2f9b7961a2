"""Wide and deep text classifier: a weight per word, pair and class, beside convolutions over word vectors.

Cheng et al., "Wide & deep learning for recommender systems" (2016). The wide part is what makes TF-IDF with logistic
regression hard to beat on short texts; the deep part shares strength between words. No recurrence and no attention: the
browser's WebAssembly backend has neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml.export.embedding import EMBEDDING
from ml.export.preprocessing import FIRST_WORD, PADDING, TextPreprocessor
from ml.training.fitting import Recipe

if TYPE_CHECKING:
    import keras

WIDTH = 32
FILTERS = 64


def build(preprocessor: TextPreprocessor, examples: int) -> keras.Model:
    """The model for texts prepared this way: (batch, 2 × length) int32 → (batch, classes) probabilities."""
    import keras
    from keras import layers, ops

    length, classes = preprocessor.length, len(preprocessor.classes)
    ids = FIRST_WORD + len(preprocessor.vocabulary)
    inputs = keras.Input((2 * length,), dtype="int32", name="tokens")

    present = ops.expand_dims(ops.cast(ops.not_equal(inputs, PADDING), "float32"), -1)
    wide = layers.Embedding(ids, classes, embeddings_initializer="zeros", name="wide")(inputs)
    wide = ops.sum(wide * present, axis=1)

    words = layers.Embedding(ids, WIDTH, name="words")(inputs[:, :length])
    words = layers.SpatialDropout1D(0.2)(words)
    deep = layers.Conv1D(FILTERS, 3, padding="same", activation="relu")(words)
    deep = layers.GlobalMaxPooling1D(name=EMBEDDING)(deep)
    deep = layers.Dense(classes, name="deep")(layers.Dropout(0.5)(deep))
    return keras.Model(inputs, layers.Softmax()(wide + deep), name="nlp")


def unchanged(ids: Any) -> Any:
    """Token ids are stored as the model takes them."""
    return ids


RECIPE = Recipe(build=build, inputs=unchanged, augment=unchanged, augment_below=0, learning_rate=3e-3, batch=128, steps=250, epochs=(4, 30))
