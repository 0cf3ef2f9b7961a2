"""The report is one self-contained page whose every number is a step's own, also of a run that failed."""

import io
import json
import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from environments import Names, load, organisation
from playbook.loop.record import Record
from playbook.loop.results import Result
from playbook.report import charts, page
from playbook.report import summary as summaries
from playbook.report.evidence import LEVELS, evidence
from playbook.report.samples import thumbnail
from playbook.report.summary import summarise
from tests.playbook.results import picture, trained, whole


class Page(HTMLParser):
    """Tags that are open, that there were, and addresses that are fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [str(value) for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_needs_no_script_and_fetches_nothing(tmp_path: Path) -> None:
    written = page.write(whole(tmp_path), tmp_path / "out").read_text(encoding="utf-8")
    parsed = Page()
    parsed.feed(written)
    assert not parsed.open
    assert "script" not in parsed.tags
    assert parsed.addresses
    assert all(address.startswith(("data:image/", "#")) for address in parsed.addresses)
    assert not re.search(r"url\(|@import|https?://", written)
    assert "prefers-color-scheme: dark" in written


def test_what_users_and_steps_say_is_text_and_never_markup(tmp_path: Path) -> None:
    written = page.write(trained(tmp_path, ["<b>bold</b>", "x&y"]), tmp_path / "out").read_text(encoding="utf-8")
    assert "<script>" not in written
    assert "<b>bold</b>" not in written
    assert "shoes" not in written or "shoes &amp; hats" in written


def test_the_json_holds_the_agreed_keys_and_the_steps_own_numbers(tmp_path: Path) -> None:
    page.write(whole(tmp_path), tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    documented = re.findall(r"^    ([a-z_, ]+): ", str(summaries.__doc__), re.MULTILINE)
    assert {key for keys in documented for key in keys.split(", ")} == summary.keys()
    assert summary["steps"][0].keys() == {"name", "status", "started", "seconds", "detail"}
    assert summary["models"]["vision"]["accuracy"] == 0.9123
    assert summary["models"]["vision"]["predictions"]["accuracy"] == 0.5
    assert summary["outcome"] == "passed"
    assert any("small-model" in fallback for fallback in summary["fallbacks"])


def test_a_run_that_failed_early_is_reported_as_far_as_it_went(tmp_path: Path) -> None:
    failed = Result(Names(organisation(), load("local")), True, Record(stream=io.StringIO()), failure="no disk")
    written = page.write(failed, tmp_path).read_text(encoding="utf-8")
    assert "✗ Failed: no disk" in written
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["outcome"] == "failed"


def test_a_refused_model_makes_the_run_fail(tmp_path: Path) -> None:
    refused = trained(tmp_path, ["a", "b"])
    refused.answers.clear()
    assert not refused.passed
    assert "not asked" in page.render(refused, summarise(refused))


@pytest.mark.parametrize("count", [2, 12, 13, 40, 41, 120])
def test_a_confusion_matrix_is_drawn_for_any_number_of_classes(count: int) -> None:
    drawn = charts.confusion([f"class {i}" for i in range(count)], [[1] * count for _ in range(count)])
    assert drawn.count("<rect") == count * count


def test_a_large_photograph_becomes_a_small_image() -> None:
    for mode in ("RGB", "RGBA", "P", "L", "1", "I;16"):
        assert len(thumbnail(picture(1200, 900, mode))) < 10_000


def test_the_stand_in_never_counts_as_the_true_provider(tmp_path: Path) -> None:
    found = trained(tmp_path, ["a", "b"])
    levels = {line["result"]: line["level"] for line in summarise(found)["evidence"]}
    assert levels["Infrastructure"] == LEVELS[1]
    assert found.provisioned is not None
    found.provisioned = replace(found.provisioned, stand_in=True)
    levels = {line["result"]: line["level"] for line in summarise(found)["evidence"]}
    assert levels["Infrastructure"] == LEVELS[2]


def test_only_google_itself_earns_the_highest_level(tmp_path: Path) -> None:
    began = trained(tmp_path, ["a", "b"])
    assert not any(line["level"].startswith(LEVELS[0]) for line in summarise(began)["evidence"])
    assert any(line.level == "run on Google Cloud (2026-01-02)" for line in evidence(False, False, date(2026, 1, 2)))


def test_a_step_that_raises_is_kept_as_failed() -> None:
    record = Record(stream=io.StringIO())
    with pytest.raises(ValueError, match="broken"), record.step("train"):
        raise ValueError("broken\nsecond line")
    assert [(step.status, step.detail) for step in record.steps] == [("failed", "broken")]
