"""Google's responses, computed: generateContent, countTokens and embeddings over the small models of this package."""

import json
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emulator.engines.gemini import logprobs, safety
from emulator.engines.gemini import prompt as prompts
from emulator.engines.gemini.fewshot import classify
from emulator.engines.gemini.head import Head, Kind
from emulator.engines.gemini.minilm import DIMENSIONS, MAX_TOKENS, Floats, MiniLM, normalised
from emulator.engines.gemini.pictures import UnreadablePicture, features
from emulator.engines.gemini.pieces import Content, parts_of, picture
from emulator.engines.gemini.refused import Refused
from emulator.engines.gemini.schema import Answer, fill

Json = dict[str, Any]

PICTURE_TOKENS = 258
"""What Google's documentation counts for a small picture."""
TEXT_MODEL = "local-minilm-ridge-1"
MODEL: dict[Kind, str] = {"text": TEXT_MODEL, "picture": "local-hog-ridge-1"}
TUNED_MODEL: dict[Kind, str] = {"text": "local-minilm-ridge-tuned-1", "picture": "local-hog-ridge-tuned-1"}
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
        self._loading = threading.RLock()

    @cached_property
    def _loaded(self) -> MiniLM:
        return MiniLM()

    @property
    def _minilm(self) -> MiniLM:
        with self._loading:
            return self._loaded

    @cached_property
    def _rater(self) -> safety.Rater:
        return safety.Rater(self._minilm)

    @property
    def _safety(self) -> safety.Rater:
        with self._loading:
            return self._rater

    def generate(self, body: Mapping[str, Any], files: Mapping[str, bytes], head: Head | None = None) -> Json:
        """A GenerateContentResponse.

        Args:
            body: GenerateContentRequest, its keys in camelCase.
            files: Content of every address in `prompt.file_uris(body)`.
            head: What a tuned model has learnt; none for a base model.

        Raises:
            Refused: when the request asks for what cannot be computed here.
        """
        thresholds = safety.thresholds(body.get("safetySettings", ()))
        model = TUNED_MODEL[head.kind] if head else ""
        asked = [part["text"] for part in parts_of((body.get("contents") or [{}])[-1]) if "text" in part]
        about_prompt = self._rated(asked, thresholds)
        if any(rating["blocked"] for rating in about_prompt):
            feedback = {"blockReason": "SAFETY", "safetyRatings": about_prompt}
            return {"promptFeedback": feedback, "modelVersion": model or TEXT_MODEL, "usageMetadata": self._usage(body, files)}
        prompt = prompts.read(body, files, head.labels if head else ())
        answers, by_examples = self._tuned(prompt, head) if head else self._label(prompt)
        config = body.get("generationConfig", {})
        whole = _written(prompt, answers)
        text, finish = self._ended(whole, config)
        candidate: Json = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, "finishReason": finish}
        tokens = len(self._minilm.pieces(text))
        candidate["avgLogprobs"] = sum(math.log(max(answer.confidence, 1e-12)) for answer in answers) / max(tokens, 1)
        if config.get("responseLogprobs"):
            candidate["logprobsResult"] = self._logprobs(whole, answers, int(config.get("logprobs", 0)), tokens)
        if about_answer := self._rated([text], thresholds):
            candidate["safetyRatings"] = about_answer
        if any(rating["blocked"] for rating in about_answer):
            candidate = {"index": 0, "finishReason": "SAFETY", "safetyRatings": about_answer}
            text = ""
        return {
            "candidates": [candidate],
            "modelVersion": model or by_examples,
            "usageMetadata": self._usage(body, files, text),
        }

    def vectors(self, contents: Sequence[Content]) -> tuple[Kind, Floats]:
        """What the contents are, and a unit vector for each.

        Raises:
            Refused: They are of two kinds, or a picture cannot be decoded.
        """
        pictures = [content for content in contents if isinstance(content, bytes)]
        texts = [content for content in contents if isinstance(content, str)]
        if pictures and texts:
            raise Refused("examples are of another kind than the inputs", "Give pictures as examples for pictures, and texts for texts.")
        return ("picture", np.stack([_features(content) for content in pictures])) if pictures else ("text", self._minilm.embed(texts))

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return self._minilm.count(text)

    def _label(self, prompt: prompts.Prompt) -> tuple[list[Answer], str]:
        """An answer for each query by the examples, and the model that made them."""
        contents: list[Content] = [content for content, _ in prompt.examples]
        known = [label for _, label in prompt.examples]
        missing = [label for label in prompt.labels if label not in known]
        if missing and any(isinstance(query.content, bytes) for query in prompt.queries):
            raise Refused(
                f"there is no example picture of {', '.join(missing)[:200]}, and pictures are known by examples only",
                "Give at least one labelled example picture for every label (four or more are worth it).",
            )
        # A label without an example is known by its name.
        contents += [label.replace("_", " ") for label in missing]
        known += missing
        kind, vectors = self.vectors([*contents, *(query.content for query in prompt.queries)])
        verdicts = classify(prompt.labels, vectors[: len(known)], known, vectors[len(known) :])
        numbered = zip(verdicts, prompt.queries, strict=True)
        return [Answer(verdict.label, verdict.probabilities, query.number) for verdict, query in numbered], MODEL[kind]

    def _tuned(self, prompt: prompts.Prompt, head: Head) -> tuple[list[Answer], str]:
        """An answer for each query by a tuned head, which is held to the labels that the response schema allows."""
        spelling = {label.lower(): label for label in prompt.labels}
        allowed: dict[str, list[int]] = {}
        for at, learnt in enumerate(head.labels):
            found = [learnt] if prompt.schema is None else [label for label, _ in prompts.answers_in(learnt, prompt.schema)]
            if len(found) == 1 and (label := spelling.get(found[0].lower())):
                allowed.setdefault(label, []).append(at)
        if not allowed:
            raise Refused(
                f"the response schema allows none of the labels that the model was tuned to ({', '.join(head.labels)[:200]})",
                "Name these in its enum, or leave it out.",
            )
        kind, vectors = self.vectors([query.content for query in prompt.queries])
        if kind != head.kind:
            raise Refused(f"the model was tuned on {head.kind}s and is asked about a {kind}", f"Send a {head.kind}.")
        answers = []
        for query, row in zip(prompt.queries, head.probabilities(vectors), strict=True):
            shares = {label: float(row[places].sum()) for label, places in allowed.items()}
            whole = max(sum(shares.values()), 1e-12)
            probabilities = {label: share / whole for label, share in shares.items()}
            answers.append(Answer(max(probabilities, key=lambda label: probabilities[label]), probabilities, query.number))
        return answers, TUNED_MODEL[kind]

    def _logprobs(self, text: str, answers: Sequence[Answer], alternatives: int, tokens: int) -> Json:
        """The `LogprobsResult` of a bare label, cut to `tokens`."""
        [answer, *others] = answers
        if others or text != answer.label:
            raise Refused("only a bare label has token probabilities", "Ask for text/x.enum, or for a number 'confidence' in JSON.")
        result = logprobs.of_label(answer.label, answer.probabilities, self._minilm.pieces, alternatives)
        return {name: steps[:tokens] for name, steps in result.items()}

    def _rated(self, texts: Sequence[str], thresholds: Mapping[str, str]) -> list[Json]:
        """`SafetyRating`s of the texts together, for the categories that have a threshold."""
        if not thresholds:
            return []
        scores = self._safety.scores([line for text in texts for line in safety.lines(text)])
        return safety.ratings(scores, thresholds)

    def _ended(self, text: str, config: Mapping[str, Any]) -> tuple[str, str]:
        """The text cut at the first stop sequence and at `maxOutputTokens`, and why it ended."""
        stops = [text.index(stop) for stop in config.get("stopSequences", ()) if stop and stop in text]
        text = text[: min(stops, default=len(text))]
        pieces = self._minilm.pieces(text)
        limit = int(config.get("maxOutputTokens", 0)) or len(pieces)
        return ("".join(pieces[:limit]), "MAX_TOKENS") if len(pieces) > limit else (text, "STOP")

    def _usage(self, body: Mapping[str, Any], files: Mapping[str, bytes], text: str | None = None) -> Json:
        """`UsageMetadata`; without a text nothing was answered."""
        details = self._counted(body, files)
        prompt = sum(detail["tokenCount"] for detail in details)
        if text is None:
            return {"promptTokenCount": prompt, "totalTokenCount": prompt, "promptTokensDetails": details}
        answer = self._minilm.count(text)
        return {
            "promptTokenCount": prompt,
            "candidatesTokenCount": answer,
            "totalTokenCount": prompt + answer,
            "promptTokensDetails": details,
            "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": answer}],
        }

    def stream(self, response: Json, size: int = 16) -> list[Json]:
        """The response as the chunks of a stream, `size` tokens each; the last one says why it ended and what it cost."""
        candidates = response.get("candidates")
        if not candidates or "content" not in candidates[0]:
            return [response]
        [candidate] = candidates
        pieces = self._minilm.pieces(candidate["content"]["parts"][0]["text"])
        texts = ["".join(pieces[at : at + size]) for at in range(0, len(pieces), size)] or [""]
        chunks: list[Json] = [
            {
                "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}],
                "modelVersion": response["modelVersion"],
            }
            for text in texts
        ]
        chunks[-1]["candidates"][0] |= {name: value for name, value in candidate.items() if name not in ("index", "content")}
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


def _written(prompt: prompts.Prompt, answers: Sequence[Answer]) -> str:
    """The answers as text, in the shape that was asked for."""
    if prompt.schema is not None:
        answer: Any = fill(prompt.schema, answers)
    elif len(answers) == 1:
        answer = answers[0].label
    else:
        raise Refused(f"there are {len(answers)} inputs to label and one answer", "Give a response schema that is an array.")
    if isinstance(answer, str) and (not prompt.quoted or (prompt.schema is None and _is_json(answer))):
        return answer
    return json.dumps(answer, ensure_ascii=False)


def _is_json(text: str) -> bool:
    """Whether a label that was learnt is JSON already."""
    try:
        return isinstance(json.loads(text), (dict, list))
    except ValueError:
        return False


def _features(content: bytes) -> Floats:
    try:
        return features(content)
    except UnreadablePicture as error:
        raise Refused(f"a picture cannot be decoded ({error})", "Send a complete PNG, JPEG or WebP file.") from None


def _parts(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    turns = [body.get("systemInstruction") or {}, *body.get("contents", [])]
    return [part for turn in turns for part in parts_of(turn)]
