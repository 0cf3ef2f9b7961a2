"""A small CNN for pictures of 28 to 96 pixels: convolutions until 4 to 8 pixels are left, then one dense layer.

The first convolution of small pictures takes overlapping patches, as the stem of Liu et al., "A ConvNet for the 2020s" (2022).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml.export.embedding import EMBEDDING
from ml.export.preprocessing import ImagePreprocessor
from ml.training.fitting import Recipe
from ml.vision.preparation import MANY

if TYPE_CHECKING:
    import keras

SMALL = 32
"""Up to this side, of many pictures, one convolution takes half the processor time of two and is less than a point worse; of few it is
much worse."""
PATCHES = 48
FIRST_FILTERS = 12
FILTERS = (32, 48, 64)
SMALLEST = 8
"""Pooling stops when the side is below this."""
DENSE = 128


def build(preprocessor: ImagePreprocessor, examples: int) -> keras.Model:
    """The CNN for so many pictures prepared this way: (batch, size, size, channels) float32 in [0, 1] → (batch, classes) probabilities."""
    import keras
    from keras import layers

    side = preprocessor.size
    inputs = keras.Input((side, side, preprocessor.channels), name="pictures")
    patches = layers.Conv2D(PATCHES, 7, strides=4, padding="same", activation="relu")
    x = patches(inputs) if side <= SMALL and examples >= MANY else _pooled(inputs, side)
    x = layers.Flatten()(x)
    x = layers.Dense(DENSE, activation="relu", name=EMBEDDING)(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(inputs, layers.Dense(len(preprocessor.classes), activation="softmax")(x), name="vision")


def _pooled(inputs: Any, side: int) -> Any:
    """Convolutions and pools until the side is below `SMALLEST`."""
    from keras import layers

    # A stride in place of a pool: at full resolution, where most of the time goes, a quarter of the work.
    x = layers.Conv2D(FIRST_FILTERS, 5, strides=2, padding="same", activation="relu")(inputs)
    side = -(-side // 2)
    for filters in FILTERS:
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
        side //= 2
        if side < SMALLEST:
            break
    return x


def scaled(pictures: Any) -> Any:
    """Bytes → float32 in [0, 1], as the servers do it (`ml.export.preprocessing.scaled`)."""
    import tensorflow as tf

    return tf.cast(pictures, tf.float32) / 255.0


def shifted(pictures: Any) -> Any:
    """A batch moved by up to a fourteenth of its side, the border filled with its mirror image."""
    import tensorflow as tf

    size, channels = pictures.shape[1], pictures.shape[3]
    reach = max(size // 14, 1)
    padded = tf.pad(pictures, [[0, 0], [reach, reach], [reach, reach], [0, 0]], mode="REFLECT")
    at = tf.random.uniform([2], 0, 2 * reach + 1, tf.int32)
    moved = padded[:, at[0] : at[0] + size, at[1] : at[1] + size]
    moved.set_shape([None, size, size, channels])
    return moved


RECIPE = Recipe(build=build, inputs=scaled, augment=shifted, augment_below=MANY, learning_rate=3e-3, batch=128, steps=470, epochs=(5, 40))
