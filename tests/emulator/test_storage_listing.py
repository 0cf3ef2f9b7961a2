"""Listings: in order, page by page, whatever the number of objects, with folders by their names alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.engines.objects import LISTED

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

HOST = "storage.googleapis.com"
NAMES = ["a", *(f"many/{number:05}" for number in range(LISTED + 5)), "many0", "z"]


@pytest.fixture(scope="module")
def filled(local: Local) -> Local:
    for name in NAMES:
        local.cloud.objects.put(local.bucket, name, b"")
    return local


def listed(local: Local, query: str = "") -> dict[str, Any]:
    status, answer = local.call("GET", f"/storage/v1/b/{local.bucket}/o?{query}", host=HOST)
    assert status == 200
    return dict(answer)


def names(page: dict[str, Any]) -> list[str]:
    return [one["name"] for one in page.get("items", [])]


@pytest.mark.parametrize("query", ["", "prefix=many/", "startOffset=many/00999&endOffset=many0", "versions=true", "matchGlob=many/*7"])
def test_pages_of_any_size_hold_every_object_once_and_in_order(filled: Local, query: str) -> None:
    whole = {
        "": NAMES,
        "prefix=many/": [name for name in NAMES if "/" in name],
        "startOffset=many/00999&endOffset=many0": [name for name in NAMES if "many/00999" <= name < "many0"],
        "versions=true": NAMES,
        "matchGlob=many/*7": [name for name in NAMES if name.startswith("many/") and name.endswith("7")],
    }[query]
    for size in (997, 5000):
        found, token = [], ""
        while True:
            page = listed(filled, f"{query}&maxResults={size}&pageToken={token}")
            assert len(names(page)) <= size
            found += names(page)
            token = page.get("nextPageToken", "")
            if not token:
                break
        assert found == whole


def test_a_folder_of_many_objects_is_one_entry_also_where_a_page_ends_at_it(filled: Local) -> None:
    page = listed(filled, "delimiter=/")
    assert (names(page), page["prefixes"]) == (["a", "many0", "z"], ["many/"])
    first = listed(filled, "delimiter=/&maxResults=2")
    assert (names(first), first["prefixes"], first["nextPageToken"]) == (["a"], ["many/"], "many/")
    second = listed(filled, f"delimiter=/&pageToken={first['nextPageToken']}")
    assert (names(second), second.get("prefixes")) == (["many0", "z"], None)


def test_a_folder_whose_first_file_is_gone_is_named_by_the_next(filled: Local) -> None:
    (filled.cloud.objects.folder / filled.bucket / "many" / "00000").unlink()
    assert listed(filled, "delimiter=/")["prefixes"] == ["many/"]
