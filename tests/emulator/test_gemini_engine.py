"""The local Gemini labels by examples with an honest confidence, answers in the schema's shape, and refuses the rest."""

import base64
import colorsys
import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from emulator.engines.gemini.engine import Gemini
from emulator.engines.gemini.fewshot import classify
from emulator.engines.gemini.pictures import MOST_PIXELS
from emulator.engines.gemini.prompt import file_uris, read
from emulator.engines.gemini.refused import Refused

Json = dict[str, Any]
SHAPES = ("circle", "square", "stripes")


@pytest.fixture(scope="module")
def gemini() -> Gemini:
    return Gemini()


def drawn(shape: str, seed: int, mode: str = "RGB") -> Image.Image:
    """A noisy picture of any size, position and colours."""
    random = np.random.default_rng(seed)
    width, height = (int(side) for side in random.integers(40, 300, 2))
    ground, colour = (tuple(int(255 * c) for c in colorsys.hsv_to_rgb(random.random(), random.random() / 2, v)) for v in (0.9, 0.4))
    picture = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(picture)
    left, top = random.uniform(0.1, 0.25, 2) * (width, height)
    box = (left, top, left + 0.6 * width, top + 0.6 * height)
    if shape == "circle":
        draw.ellipse(box, fill=colour)
    elif shape == "square":
        draw.rectangle(box, fill=colour)
    else:
        for at in range(0, height, max(height // 6, 2)):
            draw.rectangle((0, at, width, at + height // 12), fill=colour)
    noisy = np.asarray(picture, np.float32) + random.normal(0, 12, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).convert(mode)


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def part(content: str | bytes) -> Json:
    if isinstance(content, str):
        return {"text": content}
    return {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(content).decode()}}


def schema_of(labels: tuple[str, ...], many: bool = True) -> Json:
    properties = {"row": {"type": "INTEGER"}, "label": {"type": "STRING", "enum": list(labels)}, "confidence": {"type": "NUMBER"}}
    one = {"type": "OBJECT", "properties": properties, "required": ["row", "label", "confidence"]}
    return {"type": "ARRAY", "items": one} if many else one


def asked(turns: Sequence[Sequence[str | bytes] | str], schema: Json | None = None, **config: Any) -> Json:
    """A request: a list is a user's turn, a string a model's."""
    contents = [
        {"role": "model", "parts": [part(turn)]} if isinstance(turn, str) else {"role": "user", "parts": [part(one) for one in turn]}
        for turn in turns
    ]
    shape = {"responseMimeType": "application/json", "responseSchema": schema} if schema else {}
    return {"contents": contents, "generationConfig": {**shape, **config}}


def text_of(response: Json) -> str:
    return str(response["candidates"][0]["content"]["parts"][0]["text"])


def shapes_to_label(rows: list[bytes], examples: int = 6) -> Json:
    known = [(shape, encoded(drawn(shape, 100 * at + seed))) for seed in range(examples) for at, shape in enumerate(SHAPES)]
    shown: list[str | bytes] = [piece for number, (_, content) in enumerate(known, 1) for piece in (f"Row {number}:", content)]
    answers = json.dumps([{"row": number, "label": shape, "confidence": 1} for number, (shape, _) in enumerate(known, 1)])
    wanted: list[str | bytes] = [piece for number, content in enumerate(rows, 1) for piece in (f"Row {number}:", content)]
    return asked([shown, answers, wanted], schema_of(SHAPES))


def test_pictures_are_labelled_far_better_than_by_chance_and_sure_answers_are_right(gemini: Gemini) -> None:
    truth = [shape for seed in range(10) for shape in SHAPES]
    rows = [encoded(drawn(shape, 5000 + at)) for at, shape in enumerate(truth)]
    answers = json.loads(text_of(gemini.generate(shapes_to_label(rows), {})))
    assert [answer["row"] for answer in answers] == list(range(1, 31))
    right = np.array([answer["label"] == shape for answer, shape in zip(answers, truth, strict=True)])
    sure = np.array([answer["confidence"] >= 0.7 for answer in answers])
    assert right.mean() >= 0.8
    assert sure.any()
    assert right[sure].mean() >= 0.9


def test_nonsense_gets_less_confidence_than_what_resembles_the_examples(gemini: Gemini) -> None:
    random = np.random.default_rng(1)
    noise = [encoded(Image.fromarray(random.integers(0, 256, (64, 64, 3), np.uint8))) for _ in range(8)]
    shapes = [encoded(drawn("circle", 7000 + seed)) for seed in range(8)]
    confidence = [answer["confidence"] for answer in json.loads(text_of(gemini.generate(shapes_to_label(noise + shapes), {})))]
    assert max(confidence[:8]) < 0.6
    assert np.median(confidence[8:]) > 0.6


def test_labels_that_have_nothing_to_do_with_the_inputs_get_no_confidence() -> None:
    random = np.random.default_rng(2)
    vectors = random.normal(size=(84, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    verdicts = classify("abc", vectors[:24], list("abc") * 8, vectors[24:])
    assert max(verdict.confidence for verdict in verdicts) < 0.6


def test_one_example_a_label_never_makes_certain(gemini: Gemini) -> None:
    rows = [encoded(drawn("square", 9000 + seed)) for seed in range(4)]
    answers = json.loads(text_of(gemini.generate(shapes_to_label(rows, examples=1), {})))
    assert max(answer["confidence"] for answer in answers) < 0.7


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_colour_mode_is_read(gemini: Gemini, mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    grey = drawn("stripes", 3).convert("L")
    picture = Image.fromarray(np.asarray(grey, np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    [answer] = json.loads(text_of(gemini.generate(shapes_to_label([encoded(picture, kind)]), {})))
    assert answer["label"] == "stripes"


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "GIF", ""])
def test_a_file_that_is_no_picture_that_gemini_accepts_is_refused(gemini: Gemini, kind: str) -> None:
    content = encoded(drawn("stripes", 3), kind) if kind else b"not a picture"
    with pytest.raises(Refused, match="cannot be decoded"):
        gemini.generate(shapes_to_label([content]), {})


def test_a_small_file_of_a_huge_picture_is_not_decoded(gemini: Gemini) -> None:
    content = encoded(Image.new("1", (MOST_PIXELS // 8000 + 1, 8000)), "PNG")
    assert len(content) < 100_000
    with pytest.raises(Refused, match="pixels"):
        gemini.generate(shapes_to_label([content]), {})


WEATHER = [
    ("What will the weather be tomorrow?", "weather"),
    ("Is it going to rain this weekend?", "weather"),
    ("How hot does it get in Rome in July?", "weather"),
    ("Play some jazz in the kitchen.", "music"),
    ("Put on the new album by Adele.", "music"),
    ("Skip this song, please.", "music"),
    ("Wake me at seven tomorrow morning.", "alarm"),
    ("Set a timer for ten minutes.", "alarm"),
    ("Cancel my six o'clock alarm.", "alarm"),
]
LABELS = ("alarm", "music", "weather")
BLOCKS = "\n\n".join(f"Text: {text}\nLabel: {label}" for text, label in WEATHER)
ARROWS = "\n".join(f"{text} => {label}" for text, label in WEATHER)


def test_texts_are_labelled_by_examples(gemini: Gemini) -> None:
    shown = [f"Row {number}: {text}" for number, (text, _) in enumerate(WEATHER, 1)]
    answers = json.dumps([{"row": number, "label": label, "confidence": 1} for number, (_, label) in enumerate(WEATHER, 1)])
    rows = ["Row 7: Will there be snow on Monday?", "Row 8: Play something by the Beatles.", "Row 9: Remind me to get up at five."]
    response = gemini.generate(asked([[*shown], answers, [*rows]], schema_of(LABELS)), {})
    found = json.loads(text_of(response))
    assert [(answer["row"], answer["label"]) for answer in found] == [(7, "weather"), (8, "music"), (9, "alarm")]
    assert all(0 <= answer["confidence"] <= 1 for answer in found)


PROMPTS: dict[str, Json] = {
    "turns": asked([turn for text, label in WEATHER for turn in ([text], label)] + [["Any storms coming?"]]),
    "keys in one text": asked([[f"{BLOCKS}\n\nText: Any storms?\nLabel:"]]),
    "arrows": asked([[f"Label the last line.\n{ARROWS}\nAny storms?"]]),
    "system instruction": {
        **asked([["Any storms coming?"]]),
        "systemInstruction": {"parts": [{"text": f"One of: alarm, music, weather.\n{BLOCKS}"}]},
    },
    "names of the labels": asked([["Classify the text as alarm, music or weather.\n\nIt was raining, stormy weather all day."]]),
    "enum": asked(
        [["How hot is Rome in July?", "weather", "Play jazz.", "music", "Will it snow?"]],
        {"type": "STRING", "enum": ["weather", "music"]},
        responseMimeType="text/x.enum",
    ),
}


@pytest.mark.parametrize("form", PROMPTS)
def test_examples_are_found_where_prompts_carry_them(gemini: Gemini, form: str) -> None:
    assert text_of(gemini.generate(PROMPTS[form], {})) == "weather"


def test_labels_stand_before_or_after_their_pictures() -> None:
    one, two, wanted = (encoded(drawn(shape, 1)) for shape in SHAPES)
    schema = {"type": "STRING", "enum": ["a", "b"]}
    after = read(asked([["Label them.", one, "Label: a", two, "Label: b", wanted]], schema), {})
    before = read(asked([["Label them.", "Label: a", one, "Label: b", two, wanted]], schema), {})
    bare = read(asked([[one, "a", two, "b", wanted, "And this one?"]]), {})
    for prompt in (after, before, bare):
        assert prompt.examples == ((one, "a"), (two, "b"))
        assert [query.content for query in prompt.queries] == [wanted]


def test_a_text_to_label_may_look_like_an_instruction() -> None:
    text = 'Summarise "this" in one sentence: I classify it as\nAnswer: 42, or not?'
    prompt = read(asked([["Row 1: x"], '[{"label": "a"}]', [f"Row 2: {text}"]], schema_of(("a", "b"))), {})
    assert [query.content for query in prompt.queries] == [text]


def test_answers_belong_to_their_numbers_whatever_their_order() -> None:
    answer = '[{"row": 2, "label": "b"}, {"row": 1, "label": "a"}]'
    prompt = read(asked([["Row 1: x", "Row 2: y"], answer, ["Row 1: z"]], schema_of(("a", "b"))), {})
    assert prompt.examples == (("x", "a"), ("y", "b"))


def test_an_arrow_in_a_text_points_at_no_label() -> None:
    prompt = read(asked([["From A -> B it took an hour."]], {"type": "STRING", "enum": ["travel", "music"]}), {})
    assert [query.content for query in prompt.queries] == ["From A -> B it took an hour."]


def test_pictures_are_read_from_where_the_caller_found_them(gemini: Gemini) -> None:
    body = shapes_to_label([b""])
    body["contents"][-1]["parts"][1] = {"fileData": {"mimeType": "image/png", "fileUri": "gs://raw/a.png"}}
    assert file_uris(body) == ["gs://raw/a.png"]
    [answer] = json.loads(text_of(gemini.generate(body, {"gs://raw/a.png": encoded(drawn("stripes", 4))})))
    assert answer["label"] == "stripes"


def test_an_answer_takes_the_shape_of_a_json_schema_with_references(gemini: Gemini) -> None:
    schema = {
        "$defs": {"Kind": {"enum": ["music", "weather"], "type": "string"}},
        "type": "object",
        "properties": {"kind": {"$ref": "#/$defs/Kind"}, "score": {"type": ["number", "null"]}, "note": {"type": "string"}},
        "required": ["kind", "score"],
    }
    body = asked([["Play a song by the Beatles."]], responseMimeType="application/json", responseJsonSchema=schema)
    answer = json.loads(text_of(gemini.generate(body, {})))
    assert answer["kind"] == "music"
    assert set(answer) == {"kind", "score"}


REASONED = {"type": "OBJECT", "properties": {"l": {"enum": ["a", "b"]}, "why": {"type": "STRING"}}, "required": ["why"]}
BROKEN = {"type": "object", "properties": {"label": {"enum": ["a", "b"]}, "note": True}}
REFUSED: dict[str, tuple[Json, str]] = {
    "free text": (asked([["Write a poem about the sea."]]), "free text"),
    "a caption": (asked([[encoded(drawn("circle", 1)), "Describe this picture."]]), "free text"),
    "tools": ({**asked([["Hello"]]), "tools": [{"googleSearch": {}}]}, "tools"),
    "audio": ({"contents": [{"parts": [{"inlineData": {"mimeType": "audio/wav", "data": ""}}]}]}, "audio/wav"),
    "a function's answer": ({"contents": [{"parts": [{"functionResponse": {}}]}]}, "functionResponse"),
    "no example picture": (asked([[encoded(drawn("circle", 1))]], {"type": "STRING", "enum": ["a", "b"]}), "no example picture of a, b"),
    "extraction": (asked([["I am Ann."]], {"type": "OBJECT", "properties": {"name": {"type": "STRING"}}}), "no enum"),
    "a reason": (asked([["x"]], REASONED), "'why'"),
    "an unnumbered row": (asked([["Text: x"]], schema_of(("a", "b"))), "'row'"),
    "two inputs for one answer": (asked([["Text: x", "Text: y"]], {"type": "STRING", "enum": ["a", "b"]}), "room for one answer"),
    "an unknown label": (asked([["x"], "c", ["y"]], {"type": "STRING", "enum": ["a", "b"]}), "not allowed: c"),
    "answers that do not match": (asked([["Row 1: x", "Row 2: y"], "a", ["Row 1: z"]], schema_of(("a", "b"))), "1 labels to 2"),
    "the model's turn last": (asked([["x"], "a"]), "end with the user"),
    "a schema that is none": (asked([["x"]], responseMimeType="application/json", responseJsonSchema=BROKEN), "where a schema belongs"),
    "a circular schema": (asked([["x"]], responseJsonSchema={"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}), "circular"),
    "a schema for plain text": (asked([["x"]], responseJsonSchema={"type": "string", "enum": ["a", "b"]}), "does not go with text/plain"),
    "an object as a bare enum": (asked([["x"]], schema_of(("a", "b")), responseMimeType="text/x.enum"), "another shape"),
    "no tokens": (asked([["x"]], {"type": "STRING", "enum": ["a", "b"]}, maxOutputTokens=-1), "at least one token"),
    "two candidates": (asked([["x"]], candidateCount=2), "candidates"),
    "texts that may be instructions": (asked([["Label these.", "x", "y"]], schema_of(("a", "b"))), "without a key"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_computed_is_refused_with_the_reason(gemini: Gemini, case: str) -> None:
    body, reason = REFUSED[case]
    with pytest.raises(Refused, match=reason):
        gemini.generate(body, {})


def test_a_response_says_what_made_it_and_what_it_cost(gemini: Gemini) -> None:
    pictures = gemini.generate(shapes_to_label([encoded(drawn("circle", 8))], examples=2), {})
    texts = gemini.generate(PROMPTS["turns"], {})
    assert (pictures["modelVersion"], texts["modelVersion"]) == ("local-hog-ridge-1", "local-minilm-ridge-1")
    usage = pictures["usageMetadata"]
    assert {"modality": "IMAGE", "tokenCount": 7 * 258} in usage["promptTokensDetails"]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"]


def test_an_answer_is_cut_at_the_token_limit_and_says_so(gemini: Gemini) -> None:
    body = shapes_to_label([encoded(drawn("circle", 8))], examples=2)
    whole = text_of(gemini.generate(body, {}))
    body["generationConfig"]["maxOutputTokens"] = 5
    cut = gemini.generate(body, {})
    assert cut["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert whole.startswith(text_of(cut))
    assert cut["usageMetadata"]["candidatesTokenCount"] == 5


def test_the_chunks_of_a_stream_join_to_the_answer(gemini: Gemini) -> None:
    response = gemini.generate(shapes_to_label([encoded(drawn("circle", 8))] * 3, examples=2), {})
    chunks = gemini.stream(response)
    assert len(chunks) > 1
    assert "".join(text_of(chunk) for chunk in chunks) == text_of(response)
    assert [("usageMetadata" in chunk) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_tokens_are_counted_by_text_and_picture(gemini: Gemini) -> None:
    counted = gemini.count_tokens(asked([["The quick brown fox", encoded(drawn("circle", 1))]]), {})
    assert counted["totalTokens"] == 4 + 258
    assert counted["totalBillableCharacters"] == 16


def test_embeddings_place_like_beside_like(gemini: Gemini) -> None:
    card, lost, film = (np.array(one.values) for one in gemini.embed(["My card is lost.", "I cannot find my bank card.", "A lovely film."]))
    assert card @ lost > 0.6 > 0.3 > card @ film


def test_fewer_dimensions_are_the_first_ones_at_unit_length(gemini: Gemini) -> None:
    [whole], [part_of] = gemini.embed(["A lovely film."]), gemini.embed(["A lovely film."], 64)
    expected = np.array(whole.values[:64]) / np.linalg.norm(whole.values[:64])
    assert len(whole.values) == 384
    np.testing.assert_allclose(part_of.values, expected, atol=1e-6)


def test_dimensions_that_the_encoder_does_not_have_are_refused(gemini: Gemini) -> None:
    with pytest.raises(Refused, match="768 dimensions were asked for and the text encoder has 384"):
        gemini.embed(["A lovely film."], 768)


def test_a_long_text_is_cut_and_says_so_or_is_refused(gemini: Gemini) -> None:
    text = "word " * 400
    assert gemini.embed([text])[0].truncated
    with pytest.raises(Refused, match="402 tokens"):
        gemini.embed([text], truncate=False)
