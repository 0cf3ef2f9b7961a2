"""A secret in a plan is in nothing that a review writes or says, wherever in the plan it stands."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from infra.review.__main__ import main
from tests.review.risks import Change, plan
from tests.review.secret_places import KNOWN, SECRET, places

PLACES = list(places())
FORMS = {SECRET.lower(), base64.b64encode(SECRET.encode()).decode().rstrip("=").lower()}
"""How a secret may be written; letters are compared as small ones, since labels have no others."""


def written(document: Any, folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Everything that the command leaves behind: file → content, and what it says."""
    file, out = folder / "plan.json", folder / "out"
    file.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    main(["--plan", str(file), "--out", str(out)])
    said = capsys.readouterr()
    return {"said": said.out, "complained": said.err, **{path.name: path.read_text(encoding="utf-8") for path in sorted(out.glob("*"))}}


def leaks(contents: dict[str, str]) -> list[str]:
    """The outputs with the secret in them, and what stands around it."""
    found = []
    for name, content in contents.items():
        text = content.lower()
        found += [f"{name}: {text[max(0, text.index(form) - 80) : text.index(form) + 80]}" for form in FORMS if form in text]
    return found


def test_there_are_many_places_and_a_secret_in_each() -> None:
    assert len(PLACES) >= 100
    assert len({name for name, _ in PLACES}) == len(PLACES)
    assert [name for name, document in PLACES if SECRET.lower() not in json.dumps(document).lower()] == []


@pytest.mark.parametrize(("name", "document"), PLACES, ids=[name.replace(" ", "-") for name, _ in PLACES])
def test_no_output_holds_it(name: str, document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contents = written(document, tmp_path, capsys)
    assert {"review.md", "review.json", "review.html"} <= contents.keys(), contents["complained"]
    assert leaks(contents) == []


def test_what_is_no_secret_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change = Change(type="google_service_account", after={"description": f"its name is {SECRET}"})
    assert len(leaks(written(plan([change]), tmp_path, capsys))) >= 3


@pytest.mark.parametrize("place", KNOWN)
def test_what_looks_like_a_secret_leaves_the_rest_of_the_text(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change = Change(type="google_service_account", after={"description": f"the shop at night: {KNOWN[place]} and by day"})
    contents = written(plan([change]), tmp_path, capsys)
    assert "the shop at night: " in contents["review.json"]
    assert " and by day" in contents["review.json"]


def test_a_damaged_plan_is_refused_without_its_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = plan([Change(type="google_sql_user", after={"password": SECRET})])
    halves = json.dumps(whole)[: json.dumps(whole).index(SECRET) + len(SECRET)]
    strange = json.loads(json.dumps(whole))
    strange["resource_changes"][0] |= {"address": f'google_sql_user.case["{SECRET}"]'}
    strange["resource_changes"][0]["change"]["actions"] = ["rename"]
    reason = json.loads(json.dumps(whole))
    reason["resource_changes"][0] |= {"type": [SECRET]}
    lists = json.loads(json.dumps(whole))
    lists["resource_changes"] = {SECRET: lists["resource_changes"]}
    values = json.loads(json.dumps(whole))
    values["resource_changes"][0]["change"] = SECRET
    for number, document in enumerate((halves, strange, reason, lists, values)):
        (folder := tmp_path / str(number)).mkdir()
        contents = written(document, folder, capsys)
        assert "review.json" not in contents
        assert "Nothing was reviewed" in contents["complained"] or "nothing was reviewed" in contents["complained"]
        assert leaks(contents) == []
