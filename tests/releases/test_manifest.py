"""A manifest is what was written, and nothing else; a ledger tells what runs."""

import json
from datetime import timedelta

import pytest

from releases import manifest, running, schemas
from releases.manifest import ManifestError
from tests.releases.cases import AT, code, entry, retrained, sha


def test_the_same_release_has_the_same_bytes_and_is_read_back_as_it_was() -> None:
    for release in (code(), retrained()):
        content = manifest.written(release)
        assert content == manifest.written(release.model_copy(deep=True))
        assert manifest.read(content, manifest.digest(content)) == release


def test_two_releases_that_differ_anywhere_have_two_digests() -> None:
    digests = {manifest.digest(manifest.written(release)) for release in (code(), code(commit="d" * 40), code(models=[]), retrained())}
    assert len(digests) == 4


@pytest.mark.parametrize(("old", "new"), [(b'"cccc', b'"dccc'), (b"true", b"false"), (b"\n", b"")])
def test_an_edited_manifest_is_refused_with_what_to_do(old: bytes, new: bytes) -> None:
    content = manifest.written(code())
    assert old in content
    with pytest.raises(ManifestError, match=r"was changed after it was written.*Nothing.*was copied.*make release"):
        manifest.read(content.replace(old, new, 1), manifest.digest(content))


@pytest.mark.parametrize(
    "change",
    [
        {"commit": "main"},
        {"images": [{"name": "serving", "digest": "latest", "tag": "f" * 40}]},
        {"images": [{"name": "serving", "digest": f"sha256:{sha('1')}"}]},
        {"kind": "hotfix"},
        {"note": "nobody asked for this key"},
        {"models": [{"task": "vision"}]},
        {"schema_version": 2},
    ],
)
def test_what_is_no_manifest_is_refused_although_its_digest_fits(change: dict[str, object]) -> None:
    content = json.dumps({**json.loads(manifest.written(code())), **change}).encode()
    with pytest.raises(ManifestError, match="is no release manifest"):
        manifest.read(content, manifest.digest(content))


def test_a_metric_without_an_interval_is_no_metric() -> None:
    said = json.loads(manifest.written(code()))
    del said["models"][0]["metrics"][0]["interval"]
    content = json.dumps(said).encode()
    with pytest.raises(ManifestError, match=r"metrics\.0\.interval"):
        manifest.read(content, manifest.digest(content))


def test_the_published_schemas_are_those_of_the_models() -> None:
    from environments.schemas import stale

    assert stale(schemas.FOLDER, schemas.MODELS) == []


def test_an_environment_without_a_release_runs_none() -> None:
    assert running.now([]) is None
    assert running.last_good([entry(1, "release")]) is None
    assert running.now([entry(1, "plan"), entry(2, "apply")]) is None


def test_a_rollback_returns_to_the_release_before_and_counts_from_then() -> None:
    entries = [
        entry(1, "release", 90, release=sha("1"), code=sha("1")),
        entry(2, "promotion", 60, release=sha("2"), code=sha("2")),
        entry(
            3, "rollback", 30, "a@example.com", release=sha("1"), code=sha("1"), to=1, left=sha("2"), reason="slow", **{"from": sha("2")}
        ),
    ]
    runs = running.now(entries)
    assert runs is not None
    assert (runs.release, runs.since, runs.by) == (sha("1"), AT - timedelta(hours=30), "a@example.com")
    assert running.code_since(entries, sha("1")) == AT - timedelta(hours=30)
    assert running.code_since(entries, sha("2")) is None
    assert running.taken_back(entries) == {sha("2"): "slow"}
    assert running.last_good(entries) is None, "there is nothing below it"


def test_a_model_release_lies_on_its_code_release_and_interrupts_it_not() -> None:
    entries = [
        entry(1, "promotion", 90, release=sha("1"), code=sha("1")),
        entry(2, "release", 60, release=sha("3"), code=sha("1"), of="model", models={"vision": sha("b"), "nlp": sha("a")}),
    ]
    runs, good = running.now(entries), running.last_good(entries)
    assert runs is not None
    assert good is not None
    assert (runs.kind, runs.models["vision"], good.models["vision"]) == ("model", sha("b"), sha("a"))
    assert running.code_since(entries, sha("1")) == AT - timedelta(hours=90)
    back = [*entries, entry(3, "rollback", 30, release=sha("1"), code=sha("1"), to=1, left=sha("1"), reason="drift", **{"from": sha("3")})]
    assert running.code_since(back, sha("1")) == AT - timedelta(hours=90)
