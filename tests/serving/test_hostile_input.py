"""Whatever is sent, the answer is a prediction or a refusal, never a failure of the server."""

import base64
import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.export.pictures import InstanceError
from serving.python.model import Model
from tests.serving.test_process import png
from tests.serving.test_server import post

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["b64", "text", "instances"]), inner, max_size=3),
    max_leaves=8,
)
PNG = base64.b64decode(png())


@st.composite
def damaged_pictures(draw: st.DrawFn) -> dict[str, str]:
    """A PNG with some bytes replaced, and perhaps cut off."""
    content = bytearray(PNG)
    for position, value in draw(st.lists(st.tuples(st.integers(0, len(PNG) - 1), st.integers(0, 255)), max_size=8)):
        content[position] = value
    return {"b64": base64.b64encode(content[: draw(st.integers(0, len(PNG)))]).decode()}


@pytest.fixture(scope="module")
def model(exported: Path) -> Model:
    return Model(exported)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(instance=json_values | damaged_pictures())
def test_any_instance_is_predicted_or_refused(model: Model, instance: Any) -> None:
    with contextlib.suppress(InstanceError):
        [prediction] = model.predict([instance])
        assert prediction["label"] in prediction["scores"]


@settings(max_examples=100, derandomize=True, deadline=None)
@given(body=st.binary(max_size=200))
def test_any_body_is_answered_with_what_the_caller_can_mend(body: bytes) -> None:
    answer = post(body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}
