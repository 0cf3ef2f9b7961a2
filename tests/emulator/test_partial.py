"""Partial responses: an answer holds what was asked for, and a mask that names nothing is refused."""

from typing import TYPE_CHECKING, Any

import pytest

from emulator.behaviours import Refusal
from emulator.partial import parsed, selected

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

HOST = "storage.googleapis.com"
LISTED = {"kind": "k", "nextPageToken": "t", "items": [{"name": "a", "size": "1", "metadata": {"x": "1", "y": "2"}}, {"name": "b"}]}


@pytest.mark.parametrize(
    ("mask", "kept"),
    [
        ("kind", {"kind": "k"}),
        ("items/name,kind", {"items": [{"name": "a"}, {"name": "b"}], "kind": "k"}),
        ("items(name,size),nextPageToken", {"items": [{"name": "a", "size": "1"}, {"name": "b"}], "nextPageToken": "t"}),
        ("items(name,metadata/x)", {"items": [{"name": "a", "metadata": {"x": "1"}}, {"name": "b"}]}),
        ("items/name,items/size", {"items": [{"name": "a", "size": "1"}, {"name": "b"}]}),
        ("items/name,items", {"items": LISTED["items"]}),
        ("items,items/name", {"items": LISTED["items"]}),
        ("*", LISTED),
        ("items/*/x", {"items": [{"name": "a", "size": "1", "metadata": {"x": "1"}}, {"name": "b"}]}),
        (" kind , nextPageToken ", {"kind": "k", "nextPageToken": "t"}),
    ],
)
def test_a_mask_keeps_what_it_names(mask: str, kept: Any) -> None:
    assert selected(LISTED, parsed(mask)) == kept


@pytest.mark.parametrize("mask", [",", "a,", "a(", "a(b", "a)", "a/", "/a", "a()", "a b?", "a(b))", "a(" * 2000])
def test_what_is_no_mask_is_refused(mask: str) -> None:
    with pytest.raises(Refusal, match="Invalid field selection"):
        parsed(mask)


def test_an_answer_of_any_api_is_cut_to_its_mask(local: "Local") -> None:
    assert local.call("GET", f"/storage/v1/b/{local.bucket}?fields=name,iamConfiguration/publicAccessPrevention", host=HOST) == (
        200,
        {"name": local.bucket, "iamConfiguration": {"publicAccessPrevention": "inherited"}},
    )
    made = local.call("POST", f"/upload/storage/v1/b/{local.bucket}/o?uploadType=media&name=o&fields=name", host=HOST)
    assert made == (200, {"name": "o"})
    assert local.call("GET", f"/storage/v1/b/{local.bucket}/o?fields=items/name", host=HOST) == (200, {"items": [{"name": "o"}]})
    status, answer = local.call("GET", f"/storage/v1/b/{local.bucket}/o?fields=items/colour", host=HOST)
    assert status == 400
    assert "colour" in answer["error"]["message"]
