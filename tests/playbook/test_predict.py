"""Rows that no request can hold are left out, and said so where none is left."""

import pytest

from playbook.loop.predict import PredictionError, fitting
from serving.instances import REQUEST_BYTES


def test_a_picture_larger_than_a_request_is_not_asked_about() -> None:
    small, large = {"content": b"small"}, {"content": bytes(REQUEST_BYTES)}
    assert fitting([small, large], "vision") == [small]
    with pytest.raises(PredictionError, match="Make the pictures smaller"):
        fitting([large], "vision")
