"""The section on promotion: what the other environment runs and since when, and where the two differ, with the reason or without."""

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence

from environments import Environment
from environments.parity import Parity, flatten
from infra.policies.subject import SynthesisedStack
from infra.review.report import ConfigurationDifference, ConstructDifference, Finding, FindingId, Level, PromotionDelta, ordered
from releases import running
from releases.ledger import Entry
from releases.running import Running

SECTIONS = {
    "data": "data",
    "delivery": "delivery",
    "features": "features",
    "monitoring": "monitoring",
    "network": "network",
    "serving": "serving",
    "training": "training",
    "web": "serving",
    "workbench": "workbench",
}
"""Section of an environment's file → the stack that it is about; any other is about the foundation."""


def promotion(
    here: Environment,
    there: Environment,
    entries: Sequence[Entry],
    commit: str,
    at: datetime.datetime,
    parity: Parity,
    stacks: Iterable[SynthesisedStack] = (),
) -> PromotionDelta:
    """What another environment runs, compared with what is reviewed here.

    Args:
        here: the environment that is reviewed.
        there: the other one.
        entries: its ledger, oldest first.
        commit: that is reviewed.
        at: when the review is made.
        parity: where the two may differ.
        stacks: the synthesised stacks of both.
    """
    runs = running.now(entries)
    since = running.code_since(entries, runs.code) if runs else None
    ran = (at - since).total_seconds() / 3600 if since else None
    before = here.promotion.source == there.name
    differences = list(_differences(here, there, parity))
    found = [
        *(_refused(difference, here, there) for difference in differences if not difference.allowed),
        *(_soaking(here, there, runs, ran, commit) if before else ()),
    ]
    return PromotionDelta(
        findings=ordered(found),
        against=there.name,
        release=runs.release if runs else "",
        commit=runs.commit if runs else "",
        since=since,
        soak_hours=here.promotion.soak_hours if before else None,
        ran_hours=round(ran, 1) if ran is not None else None,
        differences=tuple(differences),
        constructs=tuple(_constructs(here, there, list(stacks), differences)),
    )


def _differences(here: Environment, there: Environment, parity: Parity) -> Iterator[ConfigurationDifference]:
    ours, theirs = (flatten(environment.model_dump(mode="json")) for environment in (here, there))
    for path in sorted(ours.keys() | theirs.keys()):
        if ours.get(path) != theirs.get(path):
            reason = parity.reason(path)
            yield ConfigurationDifference(
                path=path, here=ours.get(path), there=theirs.get(path), allowed=reason is not None, reason=reason or ""
            )


def _refused(difference: ConfigurationDifference, here: Environment, there: Environment) -> Finding:
    return _about_all(
        "difference-not-allowed",
        "block",
        f"{difference.path} is {difference.here!r} in {here.name} and {difference.there!r} in {there.name}, and nothing allows that: "
        f"what runs in {there.name} says nothing of {here.name}",
        "Make the two equal, or add the path to environments/parity.yaml with the reason.",
        difference.path,
    )


def _soaking(here: Environment, there: Environment, runs: Running | None, ran: float | None, commit: str) -> Iterator[Finding]:
    """Whether what is reviewed has run where it has to run first, and for how long."""
    asked = here.promotion.soak_hours
    if runs is None or runs.commit != commit:
        what = f"commit {runs.commit[:12]}" if runs else "no release"
        yield _about_all(
            "not-promoted",
            "sign-off",
            f"{there.name} runs {what}, not commit {commit[:12] or '(none)'}, which is reviewed: it would run in {here.name} first",
            f"Release it there first: make release ENV={there.name}, or make promote FROM=… TO={there.name}.",
        )
    elif ran is not None and ran < asked:
        yield _about_all(
            "soaking",
            "sign-off",
            f"{there.name} has run commit {commit[:12]} for {ran:.1f} hours of the {asked} that {here.name} asks for",
            f"Wait {asked - ran:.1f} hours, or say in the approval why not.",
        )


def _about_all(id_: FindingId, level: Level, text: str, remedy: str, attribute: str = "") -> Finding:
    return Finding(id=id_, level=level, stack="", address="", text=text, remedy=remedy, attribute=attribute)


def _constructs(
    here: Environment, there: Environment, stacks: Sequence[SynthesisedStack], differences: Sequence[ConfigurationDifference]
) -> Iterator[ConstructDifference]:
    """What only one of the two declares, with the differences of the files that speak of it."""
    ours, theirs = (_declared(environment, stacks) for environment in (here, there))
    for path, type_ in sorted(ours ^ theirs):
        yield ConstructDifference(
            construct_path=path, type=type_, only="here" if (path, type_) in ours else "there", reason=_reason(path, differences)
        )


def _reason(construct_path: str, differences: Sequence[ConfigurationDifference]) -> str:
    """The reasons of the sections that a construct names, or else of those that are about its stack."""
    words = set(re.split(r"[/-]", construct_path))
    stack = construct_path.partition("/")[0]
    sections = {difference.path.partition(".")[0] for difference in differences if difference.allowed}
    speak = (sections & (words - {stack})) or {section for section in sections if SECTIONS.get(section, "foundation") == stack}
    reasons: dict[str, list[str]] = {}
    for difference in differences:
        if difference.allowed and difference.path.partition(".")[0] in speak:
            reasons.setdefault(difference.reason, []).append(difference.path)
    return "; ".join(f"{', '.join(paths)}: {reason}" for reason, paths in reasons.items())


def _declared(environment: Environment, stacks: Iterable[SynthesisedStack]) -> set[tuple[str, str]]:
    """The constructs of an environment by their path without its name, and their types."""
    return {
        (resource.construct.removeprefix(f"{environment.name}-"), resource.type)
        for stack in stacks
        if stack.environment.name == environment.name
        for resource in stack.resources
    }
