"""What may go on and what may not: every rule with a case that it must refuse, and images and objects that keep their digests."""

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from environments import catalogue, load
from environments.clients import Clients
from environments.gemini import Catalogue
from infra.terraform import bootstrap
from pipelines import images as built
from playbook.releasing import ReleaseError, answered
from releases import images, manifest, objects, rules
from releases.images import CopyError
from releases.manifest import File, Gate
from releases.rules import Found, refusals
from tests.infra.variants import changed
from tests.releases.cases import AT, case, code, entry, model, retrained, sha
from tests.releases.people import acting_as

IMAGE = f"sha256:{sha('1')}"


def test_a_release_against_which_nothing_speaks_goes_on() -> None:
    assert refusals(case()) == []


def retiring(days: int) -> Catalogue:
    """The catalogue, in which every model ends so many days from then."""
    known = catalogue()
    return known.model_copy(
        update={"models": [one.model_copy(update={"retires": AT.date() + timedelta(days=days)}) for one in known.models]}
    )


def gated(*gates: Gate, **more: Any) -> dict[str, Any]:
    """A release whose model of vision was asked these."""
    return {"manifest": code(models=[model("vision", gates=list(gates), **more), model("nlp")])}


EVALUATED, ROLLED = (Gate(name=name, passed=True, reasons=["better"]) for name in ("evaluation", "rollout"))
COMPARED_BADLY = Gate(name="comparison", passed=False, reasons=["worse on 200 frozen rows"])

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "skips an environment": ("path", {"target": load("prod")}, "prod takes its releases from staging"),
    "comes from where nothing is taken": ("path", {"target": load("dev"), "source": load("staging")}, "takes its releases from nowhere"),
    "does not run there": ("running", {"source_entries": []}, "dev runs no release"),
    "ran there before": (
        "running",
        {"source_entries": [entry(1, "release"), entry(2, "release", 1, release=sha("e"), code=sha("e"))]},
        "runs eeee",
    ),
    "was rolled back here": (
        "rolled-back",
        {"target_entries": [entry(1, "rollback", 9, to=1, left=sha("d"), reason="slow answers", **{"from": sha("d")})]},
        "was rolled back in staging (slow answers)",
    ),
    "is known to nobody": ("unknown", {"source_entries": [entry(1, "release", release=sha("e"))]}, "nobody answers for it"),
    "names another approver": ("unknown", {"source_entries": [entry(1, "release", by="a@example.com")]}, "a@example.com released it"),
    "is of another commit": ("commit", {"commit": "d" * 40}, "git switch --detach cccc"),
    "is of edited files": ("commit", {"commit": ""}, "this checkout is at no commit"),
    "lacks an image": ("missing", {"images": ("pipelines", "serving", "training", "serving-node")}, "digest of the image serving-node"),
    "lacks a pipeline": ("missing", {"templates": {"tuning": sha("b")}}, "pipeline for staging tuning"),
    "lacks a model": ("missing", {"manifest": code(models=[model("vision")])}, "digest of the model nlp"),
    "lost an image": (
        "missing",
        {"found": [Found(what="image serving", expected=IMAGE, digest="", fixed=True)]},
        "image serving is not at dev",
    ),
    "has another image": (
        "different",
        {"found": [Found(what="image serving", expected=IMAGE, digest=f"sha256:{sha('2')}", fixed=True)]},
        "find out who replaced it",
    ),
    "compiles to another pipeline": ("different", {"templates": {"training": sha("e")}}, "the pipeline training compiles to eeee"),
    "could be replaced": (
        "mutable",
        {"found": [Found(what="image serving", expected=IMAGE, digest=IMAGE, fixed=False)]},
        "can be replaced",
    ),
    "was tried elsewhere otherwise": ("parity", {"target": changed("staging", gemini_location="global")}, "differ in gemini_location"),
    "is too fresh": ("soaking", {"source_entries": [entry(1, "release", 23.9)]}, "wants 24 hours of that"),
    "was away meanwhile": (
        "soaking",
        {
            "source_entries": [
                entry(1, "release", 90),
                entry(2, "release", 50, release=sha("e"), code=sha("e")),
                entry(3, "rollback", 5, to=1, left=sha("e"), reason="slow", **{"from": sha("e")}),
            ]
        },
        "it runs in dev since 2026-11-01 07:00 UTC",
    ),
    "was never evaluated": ("gate", gated(ROLLED), "the gate evaluation was never asked"),
    "never met a canary": ("gate", gated(EVALUATED), "the gate rollout was never asked"),
    "failed a gate": ("gate", gated(EVALUATED, Gate(name="rollout", passed=False, reasons=["slow"])), "the gate rollout refused"),
    "was retrained and never compared": ("gate", gated(EVALUATED, ROLLED, pipeline="retraining"), "comparison was never asked"),
    "was retrained and is worse": ("gate", gated(EVALUATED, ROLLED, COMPARED_BADLY, pipeline="retraining"), "worse on 200 frozen rows"),
    "has no figure": ("gate", gated(EVALUATED, ROLLED, metrics=[]), "comes without a figure"),
    "labels with what ends soon": ("retiring", {"catalogue": retiring(60)}, "retires on 2026-12-31, within 60 days of 2026-11-01"),
    "labels with what is unknown": (
        "retiring",
        {"manifest": code(models=[model("vision", labeller="gemini-0"), model("nlp")])},
        "gemini-0",
    ),
    "has no approved plan": ("not-approved", {"unapproved": "nobody approved the plan of staging-serving"}, "nobody approved the plan"),
}
"""What is wrong → the rule that must refuse, how the case is made, and what must be said."""


@pytest.mark.parametrize("what", REFUSED)
def test_a_release_is_refused_that(what: str) -> None:
    rule, change, said = REFUSED[what]
    found = refusals(case(**change))
    assert [one for one in found if one.rule == rule and said in one.text], [*map(str, found)]


def test_every_rule_has_a_case_that_it_must_refuse() -> None:
    assert {rule for rule, _, _ in REFUSED.values()} == rules.RULES.keys()


def test_each_refusal_comes_alone_where_one_thing_is_wrong() -> None:
    # A release that is not the one that runs there is also unknown; anything else is told once.
    several = {"skips an environment", "comes from where nothing is taken", "does not run there", "is known to nobody"}
    for what, (rule, change, _) in REFUSED.items():
        if what not in several:
            assert {one.rule for one in refusals(case(**change))} == {rule}, what


def test_every_fault_is_told_at_once() -> None:
    found = refusals(case(commit="d" * 40, unapproved="nobody approved the plan", catalogue=retiring(3)))
    assert {one.rule for one in found} == {"commit", "not-approved", "retiring"}


@pytest.mark.parametrize(("days", "refused"), [(60, True), (61, False)])
def test_sixty_days_before_the_end_of_a_model_are_too_few(days: int, refused: bool) -> None:
    assert bool(refusals(case(catalogue=retiring(days)))) is refused


def test_the_soak_time_ends_to_the_minute() -> None:
    entries = [entry(1, "release", 24)]
    assert refusals(case(source_entries=entries)) == []
    assert [one.rule for one in refusals(case(source_entries=entries, at=AT - timedelta(minutes=1)))] == ["soaking"]


def test_a_model_release_is_held_to_the_gates_of_its_models() -> None:
    release = retrained(models=[model("vision", gates=[EVALUATED])])
    assert [one.rule for one in rules.of_models(release, catalogue(), AT)] == ["gate"]
    assert rules.of_models(code(), catalogue(), AT) == []
    assert [one.rule for one in rules.of_models(code(), retiring(1), AT)] == ["retiring", "retiring"]


@pytest.fixture
def registries(google_cloud: dict[str, Any]) -> Iterator[tuple[Clients, Clients]]:
    """Two environments with an image repository each, of which the first has this source's images."""
    both = Clients.of("dev"), Clients.of("staging")
    for clients in both:
        names = clients.names
        for bucket in (names.bucket("pipelines"), names.bucket("models"), names.release_bucket):
            if not clients.storage().bucket(bucket).exists():
                clients.storage().create_bucket(bucket)
        made = clients.session().post(
            f"{images.ARTIFACTS}/{names.location}/repositories",
            params={"repositoryId": names.repository},
            json={"format": "DOCKER", "dockerConfig": {"immutableTags": True}},
        )
        assert made.status_code in (200, 409)
    yield both
    for clients in both:
        names = clients.names
        clients.session().delete(f"{images.ARTIFACTS}/{names.location}/repositories/{names.repository}").raise_for_status()


def test_an_image_arrives_byte_for_byte_and_is_copied_once(registries: tuple[Clients, Clients]) -> None:
    dev, staging = registries
    digests, _ = built.build(dev)
    session, here, there = staging.session(), dev.names.image("serving"), staging.names.image("serving")
    digest, tag = digests["serving"], built.tags()["serving"]
    assert images.found(session, here, digest) == digest
    assert images.found(session, there, digest) == ""
    assert images.copy(session, here, there, digest, tag)
    assert images.found(session, there, digest) == images.found(session, there, tag) == digest
    assert not images.copy(session, here, there, digest, tag)
    assert images.fixed(session, f"{dev.names.location}/repositories/{dev.names.repository}")

    # Whole: what the manifest names is there too, and is what it says.
    parts = session.get(f"https://{there.replace('/', '/v2/', 1)}/manifests/{digest}").json()
    for part in (parts["config"], *parts["layers"]):
        content = session.get(f"https://{there.replace('/', '/v2/', 1)}/blobs/{part['digest']}").content
        assert (f"sha256:{hashlib.sha256(content).hexdigest()}", len(content)) == (part["digest"], part["size"])


def test_an_image_that_is_not_there_is_said_with_what_mends_it(registries: tuple[Clients, Clients]) -> None:
    dev, staging = registries
    with pytest.raises(CopyError, match=r"refused \(404\).*promotion\.target"):
        images.copy(staging.session(), dev.names.image("serving"), staging.names.image("serving"), f"sha256:{sha('0')}")


def test_a_tag_never_moves_to_another_image(registries: tuple[Clients, Clients]) -> None:
    dev, _ = registries
    digests, _ = built.build(dev)
    session, serving = dev.session(), dev.names.image("serving").replace("/", "/v2/", 1)
    manifest = session.get(f"https://{serving}/manifests/{digests['serving']}").json()
    other = json.dumps({**manifest, "annotations": {"edited": "yes"}}).encode()
    answer = session.put(f"https://{serving}/manifests/{built.tags()['serving']}", data=other)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "TAG_INVALID")
    assert images.found(session, dev.names.image("serving"), built.tags()["serving"]) == digests["serving"]


def test_a_layer_that_is_not_its_digest_is_not_kept(registries: tuple[Clients, Clients]) -> None:
    dev, _ = registries
    uploads = f"https://{dev.names.image('serving').replace('/', '/v2/', 1)}/blobs/uploads/"
    begun = dev.session().post(uploads)
    assert begun.status_code == 202
    end = f"https://{dev.names.image_repository.partition('/')[0]}{begun.headers['Location']}"
    assert dev.session().put(end, params={"digest": f"sha256:{sha('0')}"}, data=b"something else").status_code == 400


def test_an_object_is_copied_by_its_digest_and_never_replaces_another(registries: tuple[Clients, Clients]) -> None:
    dev, staging = registries
    source, target = dev.storage().bucket(dev.names.bucket("models")), staging.storage().bucket(staging.names.bucket("models"))
    for name in ("vision/a/model.tflite", "vision/a/preprocessing.json"):
        source.blob(name).upload_from_string(name)
    files = objects.described(source, objects.below(source, "vision/a"))
    assert [file.digest for file in files] == [hashlib.sha256(file.name.encode()).hexdigest() for file in files]
    assert (objects.copy(source, target, files), objects.copy(source, target, files)) == (2, 0)
    assert objects.described(target, [file.name for file in files]) == files

    target.blob(files[0].name).upload_from_string("somebody else's")
    with pytest.raises(CopyError, match="was left as it is, and nothing of the release runs"):
        objects.copy(source, target, files)
    assert target.blob(files[0].name).download_as_bytes() == b"somebody else's"


def test_an_object_that_was_replaced_at_the_source_is_not_copied(registries: tuple[Clients, Clients]) -> None:
    dev, staging = registries
    source, target = dev.storage().bucket(dev.names.bucket("models")), staging.storage().bucket(staging.names.bucket("models"))
    source.blob("vision/b/model.tflite").upload_from_string("as it was tried")
    files = objects.described(source, ["vision/b/model.tflite"])
    source.blob("vision/b/model.tflite").upload_from_string("as somebody likes it better")
    for wanted in (files, [File(name="vision/b/gone", digest=sha("1"), bytes=1)]):
        with pytest.raises(CopyError, match=r"It was not copied.*make release"):
            objects.copy(source, target, wanted)
    assert not target.blob("vision/b/model.tflite").exists()


def test_in_a_protected_environment_an_approver_signs_for_what_is_born_there(google_cloud: dict[str, Any]) -> None:
    bootstrap("staging", lambda _: None)
    content, person = manifest.written(retrained()), "ml-lead@example.com"
    with acting_as(person, "staging") as clients:
        said: dict[str, Any] = {**answered.sign(clients, clients.principal(), content)}
        with pytest.raises(ReleaseError, match=r"a@example.com is not among the approvers.*Ask one of them"):
            answered.sign(clients, "a@example.com", content)
    clients = Clients.of("staging")
    answered.verify(clients, entry(1, "release", by=person, **said), content)
    with pytest.raises(ReleaseError, match="was signed over something else"):
        answered.verify(clients, entry(1, "release", by=person, **said), content + b" ")
    with pytest.raises(ReleaseError, match=r"was not signed with the key of platform-lead@example\.com"):
        answered.verify(clients, entry(1, "release", by="platform-lead@example.com", **said), content)
    with pytest.raises(ReleaseError, match="was not signed with the key of"):
        answered.verify(clients, entry(1, "release", by=person), content)
    assert answered.sign(Clients.of("dev"), "a@example.com", content) == {}
