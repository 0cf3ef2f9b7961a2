"""Whether a release may enter an environment: every rule that can refuse it, each alone, and all of them asked.

Pure: what the rules look at was read by whoever asks (`playbook/releasing`), and comes in as one `Case`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from environments import Environment
from environments.gemini import NOTICE, Catalogue
from environments.parity import Parity
from environments.tasks import Tasks
from releases import running
from releases.ledger import Entry
from releases.manifest import CodeRelease, Model, ModelRelease

GATES = ("evaluation", "rollout")
"""What every model must have been asked."""
COMPARED = "comparison"
"""What a retrained one must have been asked beside."""
RETRAINING = "retraining"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a release may not go on; the text is complete and meant for people."""

    rule: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies at an artifact's address where a release comes from."""

    what: str
    expected: str
    """Digest that the manifest says."""
    digest: str
    """Digest of what lies there; empty where nothing does."""
    fixed: bool
    """Whether nobody can put something else in its place."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A release on its way, and all that the rules look at.

    Attributes:
        digest: of the manifest.
        manifest: of a code release.
        source: where it comes from.
        target: where it is to go.
        source_entries: ledger of the source.
        target_entries: ledger of the target.
        parity: where the two may differ.
        tasks: that must have a model.
        catalogue: Gemini models, with the days on which they retire.
        images: names of the images that must be there.
        templates: pipeline → digest of what this checkout compiles for the target.
        found: every artifact of the release, as it lies at the source.
        commit: of this checkout.
        unapproved: what the target's infrastructure lacks to be that of the commit, reviewed and applied; empty when nothing.
        at: the moment that counts.
    """

    digest: str
    manifest: CodeRelease
    source: Environment
    target: Environment
    source_entries: Sequence[Entry]
    target_entries: Sequence[Entry]
    parity: Parity
    tasks: Tasks
    catalogue: Catalogue
    images: Sequence[str]
    templates: Mapping[str, str]
    found: Sequence[Found]
    commit: str
    unapproved: str
    at: datetime


def refusals(case: Case) -> list[Refusal]:
    """Everything that speaks against it, so that all can be mended at once; nothing when it may go on."""
    return [Refusal(rule=rule, text=text) for rule, judge in RULES.items() for text in judge(case)]


def of_models(release: CodeRelease | ModelRelease, catalogue: Catalogue, at: datetime) -> list[Refusal]:
    """The same as far as it is about models alone: for what is released where it was made."""
    found = [Refusal(rule="gate", text=text) for model in release.models for text in _judged(model)]
    return [*found, *(Refusal(rule="retiring", text=text) for text in _retiring(release.models, catalogue, at))]


def _comes_from_the_source(case: Case) -> Iterator[str]:
    if case.target.promotion.source != case.source.name:
        wanted = case.target.promotion.source
        mend = f"promote from there: make promote FROM={wanted} TO={case.target.name}" if wanted else "build it there: make release"
        yield (
            f"{case.target.name} takes its releases from {wanted or 'nowhere'}, and not from {case.source.name}: a release would skip "
            f"what it is to be tried in; {mend}"
        )


def _runs_at_the_source(case: Case) -> Iterator[str]:
    runs = running.now(case.source_entries)
    if runs is None or runs.code != case.digest:
        what = f"runs {runs.code[:12]}…" if runs else "runs no release"
        yield f"{case.source.name} {what}, not {case.digest[:12]}…: only what runs there goes on; promote what it runs, or bring this back"


def _was_not_taken_back(case: Case) -> Iterator[str]:
    for name, entries in ((case.source.name, case.source_entries), (case.target.name, case.target_entries)):
        if reason := running.taken_back(entries).get(case.digest):
            yield f"{case.digest[:12]}… was rolled back in {name} ({reason}): it would fail again; mend the cause and build another release"


def _answered_for(case: Case) -> Iterator[str]:
    written = next((entry for entry in case.source_entries if entry.kind in ("release", "promotion") and _is(entry, case)), None)
    if written is None:
        yield (
            f"the ledger of {case.source.name} does not know {case.digest[:12]}…: nobody answers for it; build it there: "
            f"make release ENV={case.source.name}"
        )
    elif written.kind == "release" and written.by != case.manifest.approver:
        yield (
            f"the manifest names {case.manifest.approver}, and the ledger of {case.source.name} says that {written.by} released it: one of "
            "them was changed; find out which, and build it anew"
        )


def _is(entry: Entry, case: Case) -> bool:
    return bool(entry.body["release"] == case.digest)


def _is_this_commit(case: Case) -> Iterator[str]:
    if case.commit != case.manifest.commit:
        yield (
            f"this checkout is at {case.commit[:12] or 'no commit'}, and the release at {case.manifest.commit[:12]}: configuration and "
            f"infrastructure would be others than were built; git switch --detach {case.manifest.commit}"
        )


def _is_whole(case: Case) -> Iterator[str]:
    release = case.manifest
    yield from _lacking("image", case.images, [image.name for image in release.images])
    compiled = [template.pipeline for template in release.templates if template.environment == case.target.name]
    yield from _lacking(f"pipeline for {case.target.name}", case.templates, compiled)
    yield from _lacking("model", [task.name for task in case.tasks.tasks], [model.task for model in release.models])
    for one in case.found:
        if not one.digest:
            yield f"{one.what} is not at {case.source.name} any more: nothing could be copied; build the release anew"


def _lacking(what: str, wanted: Sequence[str] | Mapping[str, str], there: Sequence[str]) -> Iterator[str]:
    for name in sorted(set(wanted) - set(there)):
        yield f"the manifest has no digest of the {what} {name}: a code release is all or nothing; build it anew: make release"


def _is_what_was_built(case: Case) -> Iterator[str]:
    for one in case.found:
        if one.digest and one.digest != one.expected:
            yield (
                f"{one.what} is {one.digest[:19]}… at {case.source.name}, and was {one.expected[:19]}… when it was built: something else "
                "would run than was tried; find out who replaced it, and build the release anew"
            )
    for template in case.manifest.templates:
        here = case.templates.get(template.pipeline)
        if template.environment == case.target.name and here is not None and here != template.digest:
            yield (
                f"the pipeline {template.pipeline} compiles to {here[:12]}… for {case.target.name} here, and to {template.digest[:12]}… "
                "when it was built: files of this checkout differ from the commit; remove the changes, or build the release anew"
            )


def _cannot_move(case: Case) -> Iterator[str]:
    for one in case.found:
        if one.digest and not one.fixed:
            yield (
                f"{one.what} can be replaced by another under the same name: what was tried and what runs could differ; name it by its "
                "digest, with tags that never move, and objects in a folder that is named by its content"
            )


def _differs_where_it_may(case: Case) -> Iterator[str]:
    for path in case.parity.violations([case.source, case.target]):
        yield (
            f"{case.source.name} and {case.target.name} differ in {path}, which environments/parity.yaml does not list: what was tried "
            "there says nothing about here; make them equal, or list the path with a reason"
        )


def _has_soaked(case: Case) -> Iterator[str]:
    since, hours = running.code_since(case.source_entries, case.digest), case.target.promotion.soak_hours
    if since is not None and (over := since + timedelta(hours=hours)) > case.at:
        yield (
            f"it runs in {case.source.name} since {since:%Y-%m-%d %H:%M} UTC, and {case.target.name} wants {hours} hours of that: faults "
            f"that show with time would be met here first; run it again after {over:%Y-%m-%d %H:%M} UTC"
        )


def _passed_its_gates(case: Case) -> Iterator[str]:
    for model in case.manifest.models:
        yield from _judged(model)


def _judged(model: Model) -> Iterator[str]:
    asked = {gate.name: gate for gate in model.gates}
    for name in (*GATES, COMPARED) if model.pipeline == RETRAINING else GATES:
        if name not in asked:
            yield f"the gate {name} was never asked about the model of {model.task}: nothing is known of it; run its pipeline to the end"
        elif not asked[name].passed:
            yield f"the gate {name} refused the model of {model.task} ({'; '.join(asked[name].reasons)}); train one that passes"
    if not model.metrics:
        yield f"the model of {model.task} comes without a figure: a gate that saw none could not refuse; run its pipeline to the end"


def _models_stay(case: Case) -> Iterator[str]:
    yield from _retiring(case.manifest.models, case.catalogue, case.at)


def _retiring(models: Sequence[Model], catalogue: Catalogue, at: datetime) -> Iterator[str]:
    known = {model.id: model for model in catalogue.models}
    for model in models:
        labeller = known.get(model.labeller)
        if model.labeller and labeller is None:
            yield (
                f"{model.labeller}, which labels for {model.task}, is not in environments/models.yaml any more: nobody watches when it "
                "ends; build a release that labels with one of those"
            )
        elif labeller is not None and labeller.expires_within_notice(at.date()):
            yield (
                f"{labeller.id}, which labels for {model.task}, retires on {labeller.retires}, within {NOTICE.days} days of "
                f"{at:%Y-%m-%d}: its pipeline would soon stop; choose its successor in environments/tasks.yaml and build another release"
            )


def _is_approved(case: Case) -> Iterator[str]:
    if case.unapproved:
        yield case.unapproved


RULES: dict[str, Callable[[Case], Iterator[str]]] = {
    "path": _comes_from_the_source,
    "running": _runs_at_the_source,
    "rolled-back": _was_not_taken_back,
    "unknown": _answered_for,
    "commit": _is_this_commit,
    "missing": _is_whole,
    "different": _is_what_was_built,
    "mutable": _cannot_move,
    "parity": _differs_where_it_may,
    "soaking": _has_soaked,
    "gate": _passed_its_gates,
    "retiring": _models_stay,
    "not-approved": _is_approved,
}
"""Name → rule. Each yields a text for every fault, and nothing when there is none."""
