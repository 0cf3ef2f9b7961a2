"""Every implementation of the preprocessing is held to the same numbers."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator, ValidationError

from ml.export import golden, pictures
from ml.export.pictures import InstanceError, resize, with_channels
from ml.export.preprocessing import ImagePreprocessor, Preprocessor, TextPreprocessor

GOLDEN: dict[str, Any] = json.loads(golden.FILE.read_text("utf-8"))
SCHEMA = Draft202012Validator(json.loads(golden.FILE.with_name("preprocessing.schema.json").read_text("utf-8")))


def test_this_implementation_gives_the_golden_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert golden.main(["--check"]) == 0, capsys.readouterr().err


def test_other_numbers_fail_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "golden.json"
    assert golden.main(["--check"], file) == 1
    assert golden.main([], file) == 0
    assert golden.main(["--check"], file) == 0
    monkeypatch.setattr(pictures, "LUMA", (19000, 39065, 7471))
    assert golden.main(["--check"], file) == 1


@pytest.mark.parametrize("vector", GOLDEN["pictures"], ids=lambda vector: vector["name"])
def test_decoded_pictures_lead_to_the_expected_bytes(vector: dict[str, Any]) -> None:
    decoded = vector["decoded"]
    shape = decoded["height"], decoded["width"], decoded["channels"]
    pixels = np.frombuffer(base64.b64decode(decoded["bytes"]), np.uint8).reshape(shape)
    size, channels = vector["preprocessing"]["size"], vector["preprocessing"]["channels"]
    assert resize(with_channels(pixels, channels), size).ravel().tolist() == vector["expected"]


def test_what_must_be_refused_is_refused() -> None:
    for preprocessor in (ImagePreprocessor(["a", "b"], 4, 1), TextPreprocessor(["a", "b"], ["good"], 4)):
        for instance in GOLDEN["refused"][preprocessor.document()["kind"]]:
            with pytest.raises(InstanceError):
                preprocessor.batch([instance])


def test_documents_fit_their_schema(tmp_path: Path) -> None:
    for document in [vector["preprocessing"] for vector in GOLDEN["pictures"]] + [GOLDEN["texts"]["preprocessing"]]:
        SCHEMA.validate(document)
        (tmp_path / "preprocessing.json").write_text(json.dumps(document))
        assert Preprocessor.load(tmp_path / "preprocessing.json").document() == document


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"channels": 4}, {"size": 0}, {"classes": ["one"]}, {"mean": 0.5}, {"kind": "object_detection"}]
)
def test_the_schema_refuses_what_no_reader_knows(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SCHEMA.validate({**GOLDEN["pictures"][0]["preprocessing"], **change})
