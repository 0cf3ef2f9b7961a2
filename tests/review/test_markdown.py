"""The Markdown of a review says what decides first, says everything, and nothing of a plan becomes markup."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from infra.review import markdown, picture
from infra.review.gfm import code, prose, wrapped
from infra.review.glance import first_screen
from infra.review.parts import FOOT, LIMIT, MARK, Block, digest, main, split, verify
from infra.review.report import HIDDEN, AttributeChange, Change, PolicyChanges, Report, from_json, to_json
from tests.review.reports import hostile, large, rich, routine

SCREEN = 32
"""Lines of Markdown that stand on the first screen."""
INJECTED = (
    "`x` ``` ~~~~\n# h\n- l\n<script>alert(1)</script></details><!-- @team #1 GH-1 | ![i](http://e) [l](http://e) http://e www.e.com "
    ":+1: $x$ *b* _e_ ~s~ \u202e"
)
OURS = re.compile(r"</?details>(<summary>[^<]*</summary>)?|<!-- playbook-review [A-Za-z0-9:._ -]+ -->")
"""The only HTML that a review writes."""
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def whole(report: Report) -> str:
    (text,) = markdown.render(report, 10**9)
    return text


def body(part: str) -> str:
    mark = MARK.match(part)
    assert mark
    return part[mark.end() : part.rindex(FOOT)]


def tokens(text: str) -> Iterator[Token]:
    for token in MARKDOWN.parse(text):
        yield token
        yield from token.children or ()


def plain(text: str) -> str:
    """What a reader sees of Markdown, without what marks it."""
    return "\n".join(token.content for token in tokens(text) if token.type in ("text", "code_inline", "fence", "html_block"))


def test_the_verdict_and_what_decides_it_are_on_the_first_screen() -> None:
    screen = "\n".join(whole(rich()).splitlines()[:SCREEN])
    assert "⛔ BLOCK · dev" in screen
    blocking = [finding for finding in rich().findings if finding.level == "block"]
    assert len(blocking) == 5
    for finding in blocking:
        assert f"⛔ **{finding.id}**" in screen
        assert finding.address in screen
    for said in (
        "1 replaced with its data",
        "+2,410",
        "budget of 500",
        "1 difference not allowed",
        "not given yet",
        "could not be planned to the end",
    ):
        assert said in screen


def test_a_kind_that_is_found_hundreds_of_times_hides_no_other() -> None:
    many = large(300)
    other = rich().access.findings
    report = many.model_copy(update={"access": rich().access})
    screen = whole(report).split("| section |")[0]
    assert screen.count("retention-shortened") == 3
    assert "97 more of this kind" in screen
    for finding in other:
        assert finding.id in screen


def test_everything_of_the_report_is_said() -> None:
    report = rich()
    assert report.promotion
    text = plain(whole(report))
    for finding in report.findings:
        for said in (finding.id, finding.address, finding.construct_path, *finding.source[:1]):
            assert said in text
    for change in (*report.changes, *report.outside):
        for said in (change.address, change.construct_path, change.source[0], change.moved_from, change.imported):
            assert said in text
    flat = text.replace("\n", "")
    for finding in report.findings:
        assert re.sub(r"\s+", "", finding.text) in re.sub(r"\s+", "", flat)
        assert re.sub(r"\s+", "", finding.remedy) in re.sub(r"\s+", "", flat)
    for said in (
        *(grant.member for grant in report.access.grants),
        *(edge.identity for edge in report.access.edges),
        *(use.source for use in report.blast.code),
        *(difference.path for difference in report.promotion.differences),
        *report.blast.people,
        *report.sign_off.approvers,
        "until 2026-11-27 02:00 UTC",
        "2027-03-01",
        "87 days ago",
        report.verdict.digest,
        "former@example.com",
    ):
        assert said in text, said


def test_the_old_and_the_new_value_of_what_changes_stand_beside_each_other() -> None:
    text = whole(rich())
    assert "-   location = EUROPE-WEST4\n+   location = US   forces the replacement" in text
    assert '-         "type": "FLOAT"\n+         "type": "NUMERIC"' in text, "a document is compared line by line"
    assert "-   self_link = https://www.googleapis.com/storage/v1/b/acme-ml-dev-raw\n+   self_link = (known after apply)" in text


def test_what_a_policy_says_of_a_place_that_was_told_of_comes_last() -> None:
    said = [finding for finding, _ in first_screen(rich())[0]]
    places = [(finding.stack, finding.address) for finding in said if finding.id not in ("policy-new", "consumed-elsewhere")]
    assert len(set(places)) == len(places)
    assert [finding.level for finding in said[:5]] == ["block"] * 5
    assert said[-1].id in ("policy-new", "consumed-elsewhere"), "on a bucket of which the sections before have told"


def test_the_same_report_gives_the_same_bytes() -> None:
    assert markdown.render(rich()) == markdown.render(from_json(to_json(rich())))


def test_a_routine_change_asks_for_nothing() -> None:
    text = whole(routine())
    assert "✅ ROUTINE · dev" in text
    assert "⛔" not in text
    assert "✋" not in text


def test_what_nobody_looked_at_is_not_called_fine() -> None:
    text = whole(routine())
    assert "| – | **Policy** |" in text
    assert "| – | **Promotion** |" in text
    looked = routine().model_copy(update={"policy": PolicyChanges(rules=61, resources=128)})
    assert "| ✓ | **Policy** | 0 new, 0 fixed, 0 waived; 61 rules over 128 resources |" in whole(looked)


@pytest.mark.parametrize("limit", [LIMIT, 30_000, 20_000])
def test_a_long_review_is_parted_and_nothing_of_it_is_lost(limit: int) -> None:
    report = large(1000)
    parts = markdown.render(report, limit)
    assert len(parts) > 1
    assert verify(parts) == []
    assert max(len(part.encode()) for part in parts) <= limit
    assert set(body(whole(report)).splitlines()) <= {line for part in parts for line in body(part).splitlines()}
    for number, part in enumerate(parts, 1):
        assert f"Part {number} of {len(parts)} of this review" in part
        assert part.count("<details>") == part.count("</details>")
        assert part.count("~~~~") % 2 == 0
        assert all(OURS.fullmatch(token.content.strip()) for token in tokens(part) if token.type.startswith("html"))


def test_parts_that_are_changed_missing_or_of_another_review_are_found() -> None:
    parts = markdown.render(large(1000))
    assert verify(parts) == verify(parts[::-1]) == []
    (changed,) = verify([parts[0].replace("topic_00003", "topic_00004"), *parts[1:]])
    assert "part 1 was changed" in changed
    assert verify(parts[:-1]) == [f"part {len(parts)} of {len(parts)} is missing."]
    others = markdown.render(large(1001))
    assert "the parts are of different reviews" in " ".join(verify([others[0], *parts[1:]]))
    assert "no whole part" in verify([parts[0][:40_000], *parts[1:]])[0]
    # Whoever changes a text and the digest beside it has to change every other part as well.
    forged = parts[0].replace("topic_00003", "topic_00004")
    forged = forged.replace(digest(body(parts[0])), digest(body(forged)))
    assert verify([forged, *parts[1:]])


def test_posted_parts_can_be_checked_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / f"{number}.md" for number in range(4)]
    for file, part in zip(files, markdown.render(large(1000)), strict=True):
        file.write_text(part, encoding="utf-8")
    assert main(list(map(str, files))) == 0
    assert main(list(map(str, files[1:]))) == 1
    assert "part 1 of 4 is missing." in capsys.readouterr().err
    assert main([str(tmp_path / "none.md")]) == 2
    assert "Nothing was checked" in capsys.readouterr().err


def test_a_line_that_no_part_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        split("plan", [Block(head="h", lines=["x" * 2_000])], 1_000)


def test_a_value_of_any_length_is_there_as_a_whole() -> None:
    value = "".join(f"{number:07}" for number in range(30_000))
    change = routine().changes[0].model_copy(update={"attributes": (AttributeChange(path="user_data", before="", after=value),)})
    parts = markdown.render(routine().model_copy(update={"changes": (change,)}))
    assert len(parts) > 3
    assert verify(parts) == []
    lines = [line for part in parts for line in body(part).splitlines()]
    start = next(number for number, line in enumerate(lines) if line.startswith("+   user_data = "))
    shown = lines[start].removeprefix("+   user_data = ")
    for line in lines[start + 1 :]:
        shown += line.removeprefix("↪ ") if line.startswith("↪ ") else ""
    assert shown == value


@pytest.mark.parametrize("make", [rich, lambda: hostile(INJECTED)], ids=["rich", "hostile"])
def test_nothing_of_a_plan_becomes_markup(make: object) -> None:
    assert callable(make)
    text = whole(make())
    found = list(tokens(text))
    headings = [found[place + 1].content for place, token in enumerate(found) if token.type == "heading_open"]
    ours = [token for token in tokens(whole(rich())) if token.type == "heading_open"]
    assert len(headings) == len(ours)
    for token in found:
        assert token.type not in ("link_open", "image", "em_open", "s_open", "blockquote_open" if "partial" in text else "hr"), token
        if token.type.startswith("html"):
            assert OURS.fullmatch(re.sub("<summary>.*</summary>", "", token.content.strip())), token.content
            assert "<script" not in token.content
        if token.type == "text":
            assert not re.search(r"(?<!\w)@\w|(?<!\w)#\d|GH-\d|https?://|www\.|:\w+:|\$\w", token.content), token.content
    assert "\u202e" not in text
    assert sum(token.type == "fence" for token in found) == sum(token.type == "fence" for token in tokens(whole(rich())))


@pytest.mark.parametrize("text", ["`", "``", " ` ", "a`b``c", "", "\n", "\\", "a|b", "`|`"])
def test_a_code_span_holds_any_text(text: str) -> None:
    spans = [token.content for token in tokens(code(text)) if token.type == "code_inline"]
    assert len(spans) == 1
    assert spans[0].strip() == text.replace("\n", "\\n").strip()
    cells = [
        token for token in tokens(f"| a | b |\n|---|---|\n| {code(text).replace('|', chr(92) + '|')} | 1 |") if token.type == "td_open"
    ]
    assert len(cells) == 2


@pytest.mark.parametrize("text", ["- x", "+ x", "1. x", "12) x", "===", "--- x"])
def test_a_sentence_begins_no_list_and_no_heading(text: str) -> None:
    kinds = {token.type for token in tokens(f"- {prose(text)}")}
    assert "heading_open" not in kinds
    assert sum(token.type == "list_item_open" for token in tokens(f"- {prose(text)}")) == 1
    assert "hr" not in kinds


def test_words_stay_words_and_names_stand_out() -> None:
    assert prose("The bucket (raw) loses 3 objects, and/or more.") == "The bucket (raw) loses 3 objects, and/or more."
    assert prose("allow_global_access of user:a@b.org, (see x_y).") == "`allow_global_access` of `user:a@b.org`, (see `x_y`)."


def test_a_wrapped_line_is_cut_nowhere() -> None:
    line = "".join(map(chr, range(0x4E00, 0x4E00 + 9_001)))
    first, *rest = wrapped(line)
    assert first + "".join(part.removeprefix("↪ ") for part in rest) == line
    assert wrapped("short") == ["short"]


def test_a_sensitive_value_is_never_written_even_if_the_report_holds_it() -> None:
    secret = "c0rrect-h0rse"
    attributes = (
        AttributeChange(path="secret_data", before=f"{secret}-old", after=f"{secret}-new", sensitive=True),
        AttributeChange(path="document", before=f'{{"password": "{secret}"}}', after=f'{{"password": "{secret}2"}}', sensitive=True),
    )
    change = routine().changes[0].model_copy(update={"attributes": attributes})
    text = whole(routine().model_copy(update={"changes": (change,)}))
    assert secret not in text
    assert text.count(f"= {HIDDEN}") == 4


def test_attributes_of_what_is_made_are_shown_where_somebody_has_to_judge_them() -> None:
    text = whole(rich())
    assert "+   cron = 0 3 * * *" in text, "of a type that the rules know nothing of"
    attribute = AttributeChange(path="name", after="quiet")
    quiet = Change(
        stack="dev-data", address="google_pubsub_topic.quiet", type="google_pubsub_topic", action="create", attributes=(attribute,)
    )
    text = whole(routine().model_copy(update={"changes": (quiet,)}))
    assert "name = quiet" not in text
    assert "1 attribute: on the page and in the JSON" in text


@pytest.mark.parametrize("make", [rich, lambda: hostile('"]; click n0 "http://e" %%{init}%% \n end')], ids=["rich", "hostile"])
def test_the_mermaid_drawing_names_what_is_reached_and_holds_no_syntax_of_others(make: object) -> None:
    assert callable(make)
    lines = picture.mermaid(make()).splitlines()
    node = re.compile(r'    n\d+\["[\w _\-./…·#;]+"\]')
    edge = re.compile(r'  n\d+ -->(\|"[\w _\-./…#;]+"\|)? n\d+')
    known = re.compile(r'flowchart LR|  end|  subgraph g\d\["[a-z ]+"\]|  classDef \w+ stroke:#\w+,stroke-width:3px|  class [n\d,]+ \w+')
    assert all(node.fullmatch(line) or edge.fullmatch(line) or known.fullmatch(line) for line in lines), lines
    assert sum(bool(node.fullmatch(line)) for line in lines) == len(rich().blast.nodes)
    assert sum(bool(edge.fullmatch(line)) for line in lines) == len(rich().blast.edges)
