"""What answers each method of each API: a behaviour, the generic rule, or a refusal; and who of this repository calls it.

    python -m emulator.coverage                           # one line for each API
    python -m emulator.coverage --api storage             # one line for each of its methods
    python -m emulator.coverage --markdown                # the page of the documentation
    python -m emulator.coverage --record loop=STATE ...   # writes `called.yaml` anew, from the calls that state folders have logged

`called.yaml` is the reason for each behaviour: one that no client of this repository has called is deleted.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emulator import behaviours, discovery
from emulator.dispatch import REQUESTS
from emulator.resources import rule_of

CALLED = Path(__file__).with_name("called.yaml")
EVIDENCE = Path(__file__).parents[1] / "evidence"
SOURCES = {
    "clients": "unmodified client libraries, and our own code by them, in tests that reach it through its gateway",
    "loop": "`make loop`",
    "terraform": "the google provider, as recorded from `make deploy` and `make destroy`",
}
METHODS = """
select distinct json_extract(line, '$.method') from logs
where resource = ? and json_valid(line) and (json_extract(line, '$.status') < 400 or json_extract(line, '$.status') = 499)
"""
"""A client that gives an upload up is answered 499, and content with it."""
BEHAVES, BY_RULE, REFUSED = "behaves", "by rule", "not emulated"
LEVELS = {
    BEHAVES: "has code of its own, which computes what the method promises",
    BY_RULE: "creates, reads, lists, changes or deletes a resource by the rule that all APIs share, held to Google's schema",
    REFUSED: "answered with status 400 and the words *not emulated*",
}


@dataclass(frozen=True)
class Answered:
    """One method, and what answers it."""

    api: str
    method: str
    """Id in the discovery document; of a path that no document describes, the name of what answers it."""
    level: str
    called_by: tuple[str, ...] = ()
    verified: str = ""
    """The day on which the same call passed on Google Cloud; empty where nobody has tried."""

    @property
    def evidence(self) -> str:
        """What stands for the answer being Google's."""
        if self.verified:
            return f"run on Google Cloud, {self.verified}"
        return "accepted by the true provider or client" if self.called_by else "valid by the published schema"


def methods(called: Mapping[str, Mapping[str, Sequence[str]]], api: str = "", verified: Mapping[str, str] = {}) -> Iterator[Answered]:
    """Every method of every API that is called or has a behaviour, in order; with `api` of that one alone.

    Args:
        called: API → method → who calls it.
        api: Name of an API: `aiplatform`.
        verified: `API.METHOD` → the day on which it passed on Google Cloud.
    """
    behaviours.load()
    routed = {(answered.api, answered.method) for answered in _routes(called)}
    known = {service for service, _ in behaviours.METHODS} | set(called)
    for service in sorted(known & {api} if api else known):
        here = called.get(service, {})
        documented = {id_ for document in discovery.documents(service) for id_ in document.by_id}
        for method in sorted(documented):
            yield Answered(service, method, level(service, method), tuple(here.get(method, ())), verified.get(f"{service}.{method}", ""))
        for method in sorted(method for named, method in routed if named == service and method not in documented):
            yield Answered(service, method, BEHAVES, tuple(here.get(method, ())))


def _routes(called: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[Answered]:
    names = {known.behaviour.__name__ for known in behaviours.ROUTES}
    for service, here in called.items():
        for method, sources in here.items():
            if method in names:
                yield Answered(service, method, BEHAVES, tuple(sources))


def level(service: str, method: str) -> str:
    """What answers a method of a discovery document."""
    if (service, method) in behaviours.METHODS:
        return REFUSED if (service, method) in behaviours.REFUSED else BEHAVES
    return BY_RULE if rule_of(service, method) else REFUSED


def days(folder: Path) -> dict[str, str]:
    """`API.METHOD` → the last day on which it passed on Google Cloud, from what `make verify` has written into `folder`."""
    found: dict[str, str] = {}
    for file in sorted(folder.glob("*.json")):
        evidence = json.loads(file.read_text(encoding="utf-8"))
        if evidence["address"] == "google":
            failed = {call["method"] for call in evidence["calls"] if call["outcome"] == "failed"}
            passed = {call["method"] for call in evidence["calls"] if call["outcome"] == "passed"} - failed
            found |= dict.fromkeys(passed, evidence["started"][:10])
    return found


def uncalled(called: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
    """The behaviours of which nobody calls any method, each by the first of its methods or by its name."""
    behaviours.load()
    methods_of: dict[behaviours.Behaviour, list[tuple[str, str]]] = {}
    for (service, method), behaviour in behaviours.METHODS.items():
        if (service, method) not in behaviours.REFUSED:
            methods_of.setdefault(behaviour, []).append((service, method))
    alone = [named[0] for named in methods_of.values() if not any(method in called.get(service, {}) for service, method in named)]
    here = {method for methods in called.values() for method in methods}
    return [*sorted(".".join(named) for named in alone), *sorted({known.behaviour.__name__ for known in behaviours.ROUTES} - here)]


def read() -> dict[str, dict[str, list[str]]]:
    """`called.yaml`."""
    import yaml

    content: dict[str, dict[str, list[str]]] = yaml.safe_load(CALLED.read_text(encoding="utf-8"))
    return content


def logged(folder: Path) -> Iterator[tuple[str, str]]:
    """API and method of every call that was answered by a local Google Cloud whose state lies in or below `folder`."""
    for file in sorted(folder.rglob("state.db")):
        database = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            answered = database.execute(METHODS, (REQUESTS,)).fetchall()
        finally:
            database.close()
        for (called,) in answered:
            service, _, method = called.partition(".")
            if method:
                yield service, method


def record(folders: Mapping[str, Sequence[Path]]) -> dict[str, dict[str, list[str]]]:
    """API → method → who calls it, from the logs of state folders by who called."""
    found: dict[str, dict[str, set[str]]] = {}
    for source, places in folders.items():
        for folder in places:
            for service, method in logged(folder):
                found.setdefault(service, {}).setdefault(method, set()).add(source)
    return {service: {method: sorted(who) for method, who in sorted(here.items())} for service, here in sorted(found.items())}


def table(rows: Sequence[Answered]) -> str:
    """One line for each API."""
    lines = [f"{'API':24}{BEHAVES:>10}{BY_RULE:>10}{REFUSED:>14}{'called':>10}"]
    for api in sorted({row.api for row in rows}):
        here = [row for row in rows if row.api == api]
        counts = [sum(row.level == wanted for row in here) for wanted in LEVELS]
        lines.append(f"{api:24}{counts[0]:>10}{counts[1]:>10}{counts[2]:>14}{sum(bool(row.called_by) for row in here):>10}")
    return "\n".join(lines)


def listing(rows: Sequence[Answered]) -> str:
    """One line for each method."""
    return "\n".join(f"{row.level:14}{row.api}.{row.method}  {', '.join(row.called_by)}".rstrip() + f"  ({row.evidence})" for row in rows)


def page(rows: Sequence[Answered]) -> str:
    """The page of the documentation: the APIs, and of each the methods that are called or behave."""
    parts = [
        "# What the local Google Cloud answers",
        "Generated by `python -m emulator.coverage --markdown`. A method",
        "\n".join(f"* **{name}**: {text}." for name, text in LEVELS.items()),
        "The evidence is the strongest that there is: the same call on a real project (`make verify ENV=dev` writes it into "
        "`evidence/`), the true client or provider against the local Google Cloud, or Google's published schema alone.",
        "A call counts when it was answered: " + "; ".join(f"**{name}**: {text}" for name, text in SOURCES.items()) + ".",
        "| API | behaves | by rule | not emulated | called |\n|---|--:|--:|--:|--:|\n"
        + "\n".join("| " + " | ".join(line.split()) + " |" for line in table(rows).splitlines()[1:]),
        "Methods that are neither called nor have a behaviour are left out below: `playbook emulator coverage --api NAME` has them all.",
    ]
    for api in sorted({row.api for row in rows}):
        shown = [row for row in rows if row.api == api and (row.called_by or row.level == BEHAVES)]
        lines = [f"| `{row.method}` | {row.level} | {', '.join(row.called_by)} | {row.evidence} |" for row in shown]
        parts.append("\n".join([f"## {api}", "", "| method | answer | called by | evidence |", "|---|---|---|---|", *lines]))
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Prints what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m emulator.coverage", description="What the local Google Cloud answers.")
    parser.add_argument("--api", default="", help="every method of one API, e.g. storage")
    parser.add_argument("--markdown", action="store_true", help="the page of the documentation")
    parser.add_argument("--record", nargs="+", metavar="SOURCE=FOLDER", help=f"write {CALLED.name} anew; sources: {', '.join(SOURCES)}")
    arguments = parser.parse_args()
    if arguments.record:
        return _record(arguments.record)
    rows = list(methods(read(), arguments.api, days(EVIDENCE)))
    if not rows:
        print(f"No API {arguments.api!r} is called here or has a behaviour: leave --api out to see which are.", file=sys.stderr)
        return 2
    print(page(rows) if arguments.markdown else listing(rows) if arguments.api else table(rows), end="" if arguments.markdown else "\n")
    return 0


def _record(given: Sequence[str]) -> int:
    import yaml

    folders: dict[str, list[Path]] = {}
    for one in given:
        source, _, folder = one.partition("=")
        if source not in SOURCES or not any(Path(folder).rglob("state.db")):
            print(
                f"{one}: no source of calls, so {CALLED.name} would lose some and was left as it is. Give SOURCE=FOLDER with a source of "
                f"{', '.join(SOURCES)} and a folder that holds a state.db.",
                file=sys.stderr,
            )
            return 2
        folders.setdefault(source, []).append(Path(folder))
    head = "# Written by: python -m emulator.coverage --record " + " ".join(f"{source}=FOLDER" for source in sorted(folders)) + "\n"
    CALLED.write_text(head + yaml.safe_dump(record(folders), default_flow_style=None, width=140), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
