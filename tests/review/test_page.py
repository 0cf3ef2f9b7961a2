"""The page of a review is one file that asks nobody for anything, says everything, and runs nothing that a plan brings along."""

import base64
import hashlib
import itertools
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from infra.review import page, picture
from infra.review.picture import HEIGHT, MOST, ROW
from infra.review.report import HIDDEN, AttributeChange, BlastEdge, BlastNode, BlastRadius, Report, from_json, to_json
from playbook.report.page import STYLE
from serving.javascript.engines import CHROMIUM
from tests.review.reports import hostile, large, rich, routine

INJECTED = "\"><script>alert(1)</script>' onload=alert(1) </style></pre></details><!-- `x` \u202e\u200b\n"
VOID = {"meta", "input", "br", "path", "rect", "line"}
BROWSER = next(filter(None, map(shutil.which, CHROMIUM)), None)


class Parsed(HTMLParser):
    """The page's elements, and what is open at its end."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return "".join(self.texts)


@pytest.mark.parametrize("make", [rich, routine, lambda: large(50), lambda: hostile(INJECTED)], ids=["rich", "routine", "large", "hostile"])
def test_the_page_is_whole_and_fetches_nothing(make: object) -> None:
    assert callable(make)
    found = Parsed(page.render(make()))
    assert found.open == []
    for tag, attributes in found.elements:
        assert not attributes.keys() & {"src", "srcset", "style", "background", "action", "formaction", "ping"}, (tag, attributes)
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        assert attributes.get("href", "#").startswith("#")
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "image", "use", "foreignobject")
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"][1:] for attributes in found.all("a")} <= set(ids), "every link leads somewhere"


def test_only_the_page_s_own_style_and_script_may_run() -> None:
    written = page.render(rich())
    found = Parsed(written)
    (policy,) = (attributes["content"] for attributes in found.all("meta") if attributes.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for name in ("style", "script"):
        (content,) = re.findall(rf"<{name}>(.*?)</{name}>", written, re.DOTALL)
        hashed = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{name}-src"] == f"'sha256-{hashed}'"


def test_what_a_plan_brings_along_is_text() -> None:
    ours, theirs = Parsed(page.render(rich())), Parsed(page.render(hostile(INJECTED)))
    assert {tag for tag, _ in theirs.elements} <= {tag for tag, _ in ours.elements}
    for tag in ("script", "style", "section", "article", "details", "form"):
        assert len(ours.all(tag)) == len(theirs.all(tag))
    assert "<script>alert(1)</script>" in theirs.text


def test_characters_that_nobody_sees_are_written_out() -> None:
    written = page.render(hostile(INJECTED))
    assert not set(written) & set("\u202e\u200b")
    assert "\\u202e\\u200b\\n" in written


def test_everything_of_the_report_is_said() -> None:
    report = rich()
    text = Parsed(page.render(report)).text
    for finding in report.findings:
        for said in (finding.id, finding.address, finding.text, finding.remedy, finding.construct_path, *finding.source):
            assert said in text
    for change in (*report.changes, *report.outside):
        for said in (change.address, change.construct_path, *change.source, change.moved_from, change.imported, *change.forced_by):
            assert said in text
        for attribute in change.attributes:
            assert attribute.path in text
    assert report.promotion
    assert report.policy
    for said in (
        *(grant.member for grant in report.access.grants),
        *(grant.condition for grant in report.access.grants),
        *(edge.identity for edge in report.access.edges),
        *(row.reason for row in report.policy.rows),
        *(use.source for use in report.blast.code),
        *(difference.path for difference in report.promotion.differences),
        *report.blast.people,
        *report.sign_off.approvers,
        *(stack.id for stack in report.subject.stacks),
        "87 days ago",
        report.verdict.digest,
        report.subject.commit,
        report.sign_off.command,
    ):
        assert said in text, said


def test_the_verdict_comes_first_and_then_what_decides_it() -> None:
    text = Parsed(page.render(rich())).text
    places = [text.index(said) for said in ("BLOCK", "stateful-replace", "admin-role", "public-member", "every stack")]
    assert places == sorted(places)
    routine_text = Parsed(page.render(routine())).text
    assert "ROUTINE" in routine_text
    assert "✗" not in routine_text


def test_the_same_report_gives_the_same_bytes() -> None:
    assert page.render(rich()) == page.render(from_json(to_json(rich())))


def test_a_sensitive_value_is_never_written_even_if_the_report_holds_it() -> None:
    secret = "c0rrect-h0rse"
    attributes = (
        AttributeChange(path="secret_data", before=f"{secret}-old", after=f"{secret}-new", sensitive=True),
        AttributeChange(path="document", before=f'{{"password": "{secret}"}}', after=None, sensitive=True),
    )
    changes = tuple(
        routine().changes[0].model_copy(update={"attributes": attributes, "action": action}) for action in ("update", "create", "delete")
    )
    written = page.render(routine().model_copy(update={"changes": changes}))
    assert secret not in written
    assert HIDDEN in written


def test_an_old_and_a_new_value_that_look_alike_are_told_apart() -> None:
    change = routine().changes[0].model_copy(update={"attributes": (AttributeChange(path="port", before="1", after=1),)})
    written = page.render(routine().model_copy(update={"changes": (change,)}))
    assert "<del>&quot;1&quot;</del>" in written
    assert "<ins>1</ins>" in written


def test_the_page_has_the_colours_of_the_loop_s_report() -> None:
    ours = dict(re.findall(r"--(\w+): light-dark\((#\w+), #\w+\)", (page.FOLDER / "page.css").read_text(encoding="utf-8")))
    theirs = dict(re.findall(r"--(\w+): (#\w+);", STYLE.read_text(encoding="utf-8").partition("@media")[0]))
    shared = ours.keys() & theirs.keys()
    assert shared >= {"ground", "panel", "ink", "soft", "line", "good", "bad", "note"}
    assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}


def test_every_key_that_is_explained_does_something() -> None:
    script = (page.FOLDER / "page.js").read_text(encoding="utf-8")
    for key in (key for keys, _ in page.KEYS for key in keys.split()):
        handled = re.search(rf'^  "?{re.escape(key)}"?: |event\.key === "{key}', script, re.MULTILINE)
        assert handled or key == "Enter", "which the browser itself knows"


def _reached(count: int) -> Report:
    """A change that reaches `count` files and people."""
    change = BlastNode(id="it", kind="change", label="google_pubsub_topic.it", level="block", action="replace")
    nodes = [BlastNode(id=f"code:{number:03}", kind="code", label=f"pipelines/step_{number}.py") for number in range(count)]
    nodes += [BlastNode(id=f"person:{number:03}", kind="person", label=f"person-{number}@example.com") for number in range(count)]
    nodes.append(BlastNode(id="quiet", kind="change", label="google_pubsub_topic.quiet", action="update"))
    edges = [BlastEdge(origin="it", target=node.id, why="uses it") for node in nodes if node.id != "quiet"]
    return routine().model_copy(update={"blast": BlastRadius(nodes=(change, *nodes), edges=tuple(edges))})


@pytest.mark.parametrize("count", [1, MOST, MOST + 1, MOST + 2, 300])
def test_the_picture_holds_what_it_can_and_says_how_many_more_there_are(count: int) -> None:
    report = _reached(count)
    drawn = picture.drawing(report)
    assert drawn.alone == 1
    shown = {node.label for group in drawn.groups for node in group}
    more = [int(found[1]) for label in shown if (found := re.fullmatch(r"and (\d+) more", label))]
    assert sum(label.endswith(".py") for label in shown) + (more[0] if more else 0) == count
    assert bool(more) == (count > MOST + 1)
    boxes = re.findall(r'<rect x="(\d+)" y="([\d.]+)" width="(\d+)"', picture.svg(report))
    placed = sorted((int(x), float(y)) for x, y, _ in boxes)
    assert len(placed) == sum(map(len, drawn.groups))
    for (x, y), (next_x, next_y) in itertools.pairwise(placed):
        assert x != next_x or next_y - y >= ROW > HEIGHT, "no two nodes lie on each other"


def test_nothing_is_drawn_where_nothing_is_reached() -> None:
    assert picture.svg(routine()) == picture.mermaid(routine()) == picture.costs(routine()) == ""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: make doctor")
@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        ("#?level=block", {"level": {"block"}}),
        ("#?stack=dev-training&action=replace", {"stack": {"dev-training"}, "action": {"replace"}}),
        ("#?search=ROLES/editor+viewer", {"stack": {"dev-training"}}),
    ],
)
def test_in_a_browser_the_filters_show_what_was_asked_for(tmp_path: Path, filters: str, shown: dict[str, set[str]]) -> None:
    (tmp_path / "review.html").write_text(page.render(rich()), encoding="utf-8")
    assert BROWSER
    # Containers forbid the user namespaces that its sandbox is made of; the only page it opens is ours.
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    address = (tmp_path / "review.html").as_uri() + filters
    written = subprocess.run([*command, address], capture_output=True, text=True, timeout=60, check=True).stdout
    found = Parsed(written)
    items = [(tag, attributes) for tag, attributes in found.elements if "item" in attributes.get("class", "").split()]
    left = [attributes for _, attributes in items if "hidden" not in attributes["class"].split()]
    assert 0 < len(left) < len(items)
    assert f"{len(left)} of {len(items)} shown" in found.text
    for name, values in shown.items():
        assert {attributes.get(f"data-{name}") for attributes in left} == values
