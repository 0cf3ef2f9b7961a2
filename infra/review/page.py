"""`review.html`: the review on one self-contained page. Nothing is fetched, and the page's own policy forbids it; without its script,
which filters and moves by keys, everything is there to be read.
"""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from pathlib import Path

from infra.review import chapters, glance
from infra.review.chapters import Places
from infra.review.glance import Line, quantity
from infra.review.markup import MARKS, Html, attributes, code, facts, fold, level, prose, table, text
from infra.review.report import LEVELS, Finding, Report, digest

FOLDER = Path(__file__).parent
KEYS = (
    ("/", "search"),
    ("j k", "next and previous finding or change that is shown"),
    ("Enter", "open or close what is marked"),
    ("x", "open or close every change"),
    ("b", "only what blocks"),
    ("Esc", "show everything again"),
    ("t", "light or dark"),
    ("?", "these keys"),
)


def render(report: Report) -> str:
    """The page of a report."""
    style, script = ((FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    places = Places.of(report)
    lines = glance.lines(report)
    policy = (
        f"default-src 'none'; style-src 'sha256-{_hash(style)}'; script-src 'sha256-{_hash(script)}'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    title = f"{report.verdict.level} · {text(glance.name(report))}"
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">',
            f"<title>{title}</title><style>{style}</style></head><body>",
            f'<main>{_head(report)}<div class="first">{_decisive(report, places)}{_glance(lines)}</div></main>',
            _bar(report, lines),
            f'<main id="sections">{"".join(chapters.chapters(report, places))}{_subject(report)}</main>',
            _keys(),
            f"<script>{script}</script></body></html>\n",
        )
    )


def _hash(content: str) -> str:
    """What the page's policy knows its own style and script by."""
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


# The first screen


def _head(report: Report) -> str:
    word = report.verdict.level
    subject = report.subject
    made = [
        f"commit {code(subject.commit[:12])}{' <b class=bad>and what is not committed</b>' if subject.dirty else ''}"
        if subject.commit
        else "",
        f"against {code(subject.base)}" if subject.base else "",
        f"planned by {code(subject.made_by)}" if subject.made_by else "",
        f"plan digest {code(report.verdict.digest[:12])}" if report.verdict.digest else "",
    ]
    partial = [stack.id for stack in subject.stacks if not stack.complete]
    judged = f"{', '.join(map(code, partial))} could not be planned to the end: what is missing has been judged by nobody."
    unplanned = f'<p class="warning">{judged}</p>' if partial else ""
    return (
        f'<header class="{word.lower()}"><p class="word"><span aria-hidden="true">{MARKS[word]}</span> {word}</p>'
        f"<div><h1>{text(glance.name(report))} {escape(glance.headline(report))}</h1>"
        f"<p><b>{escape(glance.tally(report))}</b></p><p class=soft>{' · '.join(filter(None, made))}</p></div></header>{unplanned}"
    )


def _decisive(report: Report, places: Places) -> str:
    told, more = glance.first_screen(report)
    items = [_short(finding, others, places) for finding, others in told] or [
        f"<li>{prose(reason)}</li>" for reason in report.verdict.reasons
    ]
    if more:
        items.append(
            f"<li class=soft>… and {quantity(more, 'finding')} more that {'asks' if more == 1 else 'ask'} for something, below</li>"
        )
    return f'<ol class="decisive">{"".join(items)}</ol>' if items else ""


def _short(finding: Finding, others: int, places: Places) -> str:
    where = finding.address or finding.stack
    alike = f" <b>(and {others:,} more of this kind)</b>" if others else ""
    return (
        f'<li class="{finding.level}"><a href="#{places.anchor(finding)}">{level(finding.level)} <b>{finding.id}</b></a> '
        f"{code(where) if where else ''}<br>{prose(finding.text)}{alike}</li>"
    )


def _glance(lines: list[Line]) -> str:
    cells = (
        f'<a class="{line.level or ("fine" if line.looked else "unseen")}" href="#{line.anchor}">'
        f"<b>{_mark(line)} {escape(line.title)}</b><span>{text(line.text)}</span></a>"
        for line in lines
    )
    return f'<nav class="glance" aria-label="Sections in short">{"".join(cells)}</nav>'


def _mark(line: Line) -> str:
    return MARKS[line.level] if line.level else line.sign


# Between the first screen and the sections


def _bar(report: Report, lines: list[Line]) -> str:
    """Links to the sections, and the filters, which the script shows."""
    links = "".join(f'<a href="#{line.anchor}">{_mark(line)} {escape(line.title.partition(" and ")[0])}</a>' for line in lines)
    stacks = sorted({change.stack for change in report.changes} | {finding.stack for finding in report.findings if finding.stack})
    types = sorted({change.type for change in report.changes})
    actions = [action for action in chapters.SIGNS if any(change.action == action for change in report.changes)]
    levels = [found for found in LEVELS if any(finding.level == found for finding in report.findings)]
    return (
        f'<div class="bar"><nav aria-label="Sections">{links}<a href="#changes">Changes</a></nav>'
        '<form id="filters" hidden><input id="search" type="search" placeholder="Search, or press /" aria-label="Search">'
        f"{_choice('stack', stacks)}{_choice('type', types)}{_boxes('action', actions)}{_boxes('level', levels)}"
        '<button type="reset">Everything</button>'
        '<button type="button" id="theme" aria-label="Light or dark" title="light or dark">◐</button>'
        '<button type="button" id="help" aria-label="Keys" title="keys">?</button><output id="shown"></output></form></div>'
    )


def _choice(name: str, values: list[str]) -> str:
    options = "".join(f"<option>{text(value)}</option>" for value in values)
    return f'<select name="{name}" aria-label="{name}"><option value="">every {name}</option>{options}</select>' if len(values) > 1 else ""


def _boxes(name: str, values: Sequence[str]) -> str:
    boxes = "".join(f'<label><input type="checkbox" name="{name}" value="{value}">{value}</label>' for value in values)
    return f'<span class="boxes" role="group" aria-label="{name}">{boxes}</span>' if len(values) > 1 else ""


def _keys() -> str:
    keys = facts((key, escape(what)) for key, what in KEYS)
    return f'<dialog id="keys"><h2>Keys</h2>{keys}<form method="dialog"><button>Close</button></form></dialog>'


# After the sections


def _subject(report: Report) -> Html:
    """What the plans were made from; who approves compares it."""
    subject = report.subject
    known = facts(
        {
            "plans": code(report.verdict.digest) if report.verdict.digest else "",
            "this report as JSON": code(digest(report)),
            "commit": code(subject.commit) if subject.commit else "",
            "provider": text(subject.provider),
        }
    )
    heads = ("stack", "plan", "configuration", "lock file", "state", "Terraform", "changes")
    rows = [
        (
            attributes(None, (stack.id, "")),
            [
                code(stack.id),
                *(code(found[:12]) if found else "" for found in (stack.plan, stack.configuration, stack.lock_file)),
                f"{stack.lineage[:8]} {'' if stack.serial is None else stack.serial}",
                stack.terraform,
                ", ".join(f"{count} {action}" for action, count in stack.tally.model_dump().items() if count and action != "unchanged"),
            ],
        )
        for stack in subject.stacks
    ]
    return Html(f'<section id="digests"><h2>Digests</h2>{fold("What was reviewed, by SHA-256", known, table(heads, rows))}</section>')
