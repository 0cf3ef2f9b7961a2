"""Google's responses, computed: generateContent, countTokens and embeddings over the small models of this package."""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emulator.engines.gemini import prompt as prompts
from emulator.engines.gemini.fewshot import classify
from emulator.engines.gemini.minilm import DIMENSIONS, MAX_TOKENS, Floats, MiniLM, normalised
from emulator.engines.gemini.pictures import UnreadablePicture, features
from emulator.engines.gemini.pieces import Content, parts_of, picture
from emulator.engines.gemini.refused import Refused
from emulator.engines.gemini.schema import Answer, fill

Json = dict[str, Any]

PICTURE_TOKENS = 258
"""What Google's documentation counts for a small picture."""
PICTURE_MODEL = "local-hog-ridge-1"
TEXT_MODEL = "local-minilm-ridge-1"
EMBEDDING_MODEL = "local-minilm-1"


@dataclass(frozen=True)
class Embedding:
    """A unit vector, and how it came about."""

    values: list[float]
    tokens: int
    truncated: bool


class Gemini:
    """The methods. The models are loaded when first needed, once; every method may be called from several threads."""

    embedding_model = EMBEDDING_MODEL

    def __init__(self) -> None:
        self._loading = threading.Lock()

    @cached_property
    def _loaded(self) -> MiniLM:
        return MiniLM()

    @property
    def _minilm(self) -> MiniLM:
        with self._loading:
            return self._loaded

    def generate(self, body: Mapping[str, Any], files: Mapping[str, bytes]) -> Json:
        """A GenerateContentResponse.

        Args:
            body: GenerateContentRequest, its keys in camelCase.
            files: Content of every address in `prompt.file_uris(body)`.

        Raises:
            Refused: when the request asks for what cannot be computed here.
        """
        prompt = prompts.read(body, files)
        answers, model = self._label(prompt)
        config = body.get("generationConfig", {})
        if prompt.schema is not None:
            answer: Any = fill(prompt.schema, answers)
        elif len(answers) == 1:
            answer = answers[0].label
        else:
            raise Refused(f"there are {len(answers)} inputs to label and one answer", "Give a response schema that is an array.")
        text = json.dumps(answer, ensure_ascii=False) if prompt.quoted or not isinstance(answer, str) else answer
        text, finish = self._ended(text, config)
        return {
            "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, "finishReason": finish}],
            "modelVersion": model,
            "usageMetadata": self._usage(body, files, text),
        }

    def _label(self, prompt: prompts.Prompt) -> tuple[list[Answer], str]:
        """An answer for each query, and the model that made them."""
        contents: list[Content] = [*(content for content, _ in prompt.examples), *(query.content for query in prompt.queries)]
        known = [label for _, label in prompt.examples]
        pictures = [content for content in contents if isinstance(content, bytes)]
        texts = [content for content in contents if isinstance(content, str)]
        if pictures and texts:
            raise Refused("examples are of another kind than the inputs", "Give pictures as examples for pictures, and texts for texts.")
        missing = [label for label in prompt.labels if label not in known]
        if pictures:
            if missing:
                raise Refused(
                    f"there is no example picture of {', '.join(missing)[:200]}, and pictures are known by examples only",
                    "Give at least one labelled example picture for every label (four or more are worth it).",
                )
            vectors, model = np.stack([_features(content) for content in pictures]), PICTURE_MODEL
        else:
            # A label without an example is known by its name.
            texts[len(known) : len(known)] = [label.replace("_", " ") for label in missing]
            known += missing
            vectors, model = self._minilm.embed(texts), TEXT_MODEL
        verdicts = classify(prompt.labels, vectors[: len(known)], known, vectors[len(known) :])
        numbered = zip(verdicts, prompt.queries, strict=True)
        return [Answer(verdict.label, verdict.confidence, query.number) for verdict, query in numbered], model

    def _ended(self, text: str, config: Mapping[str, Any]) -> tuple[str, str]:
        """The text cut at the first stop sequence and at `maxOutputTokens`, and why it ended."""
        stops = [text.index(stop) for stop in config.get("stopSequences", ()) if stop and stop in text]
        text = text[: min(stops, default=len(text))]
        pieces = self._minilm.pieces(text)
        limit = int(config.get("maxOutputTokens", 0)) or len(pieces)
        return ("".join(pieces[:limit]), "MAX_TOKENS") if len(pieces) > limit else (text, "STOP")

    def _usage(self, body: Mapping[str, Any], files: Mapping[str, bytes], text: str) -> Json:
        details = self._counted(body, files)
        prompt, answer = sum(detail["tokenCount"] for detail in details), self._minilm.count(text)
        return {
            "promptTokenCount": prompt,
            "candidatesTokenCount": answer,
            "totalTokenCount": prompt + answer,
            "promptTokensDetails": details,
            "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": answer}],
        }

    def stream(self, response: Json, size: int = 16) -> list[Json]:
        """The response as the chunks of a stream, `size` tokens each; the last one says why it ended and what it cost."""
        candidate = response["candidates"][0]
        pieces = self._minilm.pieces(candidate["content"]["parts"][0]["text"])
        texts = ["".join(pieces[at : at + size]) for at in range(0, len(pieces), size)] or [""]
        chunks: list[Json] = [
            {
                "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}],
                "modelVersion": response["modelVersion"],
            }
            for text in texts
        ]
        chunks[-1]["candidates"][0]["finishReason"] = candidate["finishReason"]
        chunks[-1]["usageMetadata"] = response["usageMetadata"]
        return chunks

    def count_tokens(self, body: Mapping[str, Any], files: Mapping[str, bytes]) -> Json:
        """A CountTokensResponse, in the word pieces of MiniLM: near Gemini's count for English, above it for other scripts.

        Raises:
            Refused: when there is content other than text and pictures, or tools.
        """
        if body.get("tools"):
            raise Refused("the tokens of tools are not known", "Leave 'tools' out.")
        details = self._counted(body, files)
        characters = sum(len("".join(part["text"].split())) for part in _parts(body) if "text" in part)
        return {
            "totalTokens": sum(detail["tokenCount"] for detail in details),
            "totalBillableCharacters": characters,
            "promptTokensDetails": details,
        }

    def _counted(self, body: Mapping[str, Any], files: Mapping[str, bytes]) -> list[Json]:
        parts = _parts(body)
        pictures = sum(picture(part, files) is not None for part in parts)
        words = sum(self._minilm.count(part["text"]) for part in parts if "text" in part)
        counts = {"TEXT": words, "IMAGE": PICTURE_TOKENS * pictures}
        return [{"modality": modality, "tokenCount": count} for modality, count in counts.items() if count]

    def embed(self, texts: Sequence[str], dimensions: int | None = None, truncate: bool = True) -> list[Embedding]:
        """Embeddings of MiniLM, which has 384 dimensions; fewer are the first ones, scaled to unit length again.

        Args:
            texts: What to embed.
            dimensions: How many numbers were asked for; None: all 384.
            truncate: Whether a text of more than 256 tokens may be cut.

        Raises:
            Refused: when more dimensions are asked for than there are, a text is empty, or one is too long to be left whole.
        """
        if dimensions is not None and not 1 <= dimensions <= DIMENSIONS:
            raise Refused(
                f"{dimensions} dimensions were asked for and the text encoder has {DIMENSIONS}; padding would be made up",
                f"Ask for outputDimensionality {DIMENSIONS} or less, or leave it out.",
            )
        if any(not text.strip() for text in texts):
            raise Refused("a text to embed is empty", "Leave empty texts out.")
        tokens = [self._minilm.count(text) + 2 for text in texts]
        if not truncate and max(tokens, default=0) > MAX_TOKENS:
            raise Refused(f"a text has {max(tokens)} tokens and {MAX_TOKENS} can be read", "Shorten it, or allow autoTruncate.")
        vectors = normalised(self._minilm.embed(texts)[:, :dimensions])
        return [
            Embedding(vector.tolist(), min(count, MAX_TOKENS), count > MAX_TOKENS) for vector, count in zip(vectors, tokens, strict=True)
        ]


def _features(content: bytes) -> Floats:
    try:
        return features(content)
    except UnreadablePicture as error:
        raise Refused(f"a picture cannot be decoded ({error})", "Send a complete PNG, JPEG or WebP file.") from None


def _parts(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    turns = [body.get("systemInstruction") or {}, *body.get("contents", [])]
    return [part for turn in turns for part in parts_of(turn)]
