"""A release on its way through environments that are there: made, promoted in spite of interruptions, replaced, taken back."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud.storage import Blob

from environments import load
from environments.clients import Clients
from playbook.releasing import ReleaseError, listing
from playbook.releasing.make import release
from playbook.releasing.promote import promote
from playbook.releasing.rollback import rollback
from releases import ledger, running
from releases.commit import Commit
from releases.ledger import LedgerError
from releases.manifest import ManifestError
from serving.registry import origin, versions
from serving.rollout import canary, web
from tests.conftest import running_emulator
from tests.infra.variants import changed
from tests.releases import places

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=25)


MOMENTS = (
    "rules let",
    "images copied",
    "objects copied",
    "vision: version 1 is the champion",
    "vision: version 1 serves alone",
    "nlp: the web app shows version 1",
    "nlp: version 1 serves alone",
)
"""When a promotion is cut off, one after the other; what was done before is not said again."""


class Cut(Exception):
    """Somebody pulled the plug."""


def commit(letter: str, dirty: bool = False) -> Commit:
    return Commit(id=letter * 40, author="a@example.com", committer="a@example.com", dirty=dirty)


def until(text: str) -> Callable[[str], None]:
    """Ends what says this."""

    def say(line: str) -> None:
        if text in line:
            raise Cut(line)

    return say


def silent(line: str) -> None:
    """Nobody listens."""


def champions(clients: Clients) -> dict[str, str]:
    """Task → digest of what serves."""
    found = {task: versions.find(clients, task, versions.CHAMPION) for task in ("vision", "nlp")}
    return {
        task: next(alias.removeprefix("sha256-") for alias in one.version_aliases if alias.startswith("sha256-"))
        for task, one in found.items()
        if one is not None
    }


def answers(clients: Clients, text: str) -> str:
    """What the environment's own endpoint says."""
    endpoint = clients.vertex().Endpoint(clients.names.endpoint("nlp"))
    return str(endpoint.predict([{"text": text}]).predictions[0]["label"])


def registered(clients: Clients, task: str) -> int:
    """How many versions there are."""
    return len(clients.vertex().models.ModelRegistry(clients.names.model(task)).list_versions())


@pytest.fixture
def empty_cloud(google_cloud: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A local Google Cloud of its own: what other tests have made in these projects would be promoted, too."""
    state = tmp_path / "google-cloud"
    state.mkdir()
    # gRPC reads the certificate authority once a process, so that both clouds have the same.
    for name in ("ca.pem", "ca.key"):
        shutil.copy2(Path(google_cloud["ca"]).with_name(name), state)
    with running_emulator(state) as described:
        for variable, value in described["environment"].items():
            monkeypatch.setenv(variable, value)
        yield


def test_a_release_is_made_promoted_replaced_and_taken_back(empty_cloud: None, tmp_path: Path) -> None:
    # Its plans are not what this is about, so that here people may apply to staging without a review.
    dev, staging = places.place(load("dev")), places.place(changed("staging", protected=False))
    with pytest.raises(ReleaseError, match="dev runs no release"):
        promote(dev, staging, commit("c"), NOW, silent)
    places.trained(dev, tmp_path)
    with pytest.raises(ReleaseError, match="holds changes that commit cccccccccccc does not"):
        release(dev, commit("c", dirty=True), NOW, silent)

    first = release(dev, commit("c"), NOW, silent)
    assert release(dev, commit("c"), NOW, silent) == first, "nothing new, so that nothing was written"
    assert first.models == champions(dev)
    with pytest.raises(ReleaseError, match="soaking: it runs in dev"):
        promote(dev, staging, commit("c"), NOW, silent)
    assert list(staging.storage().list_blobs(staging.names.bucket("models"))) == [], "a refused promotion copies nothing"

    an_edited_manifest_is_refused(dev, staging, first)
    a_promotion_that_is_cut_off_anywhere_is_finished_by_the_next(dev, staging)
    assert champions(staging) == champions(dev)
    assert [registered(staging, task) for task in first.models] == [1, 1]
    what_staging_reads_is_its_own(dev, staging)

    retrained = models_that_are_born_in_staging_are_released_on_top(staging, tmp_path)
    with pytest.raises(Cut):
        rollback(staging, "answers are slow", LATER + timedelta(hours=1), until("is the champion again"))
    back = rollback(staging, "answers are slow", LATER + timedelta(hours=1), silent)
    assert (back.release, champions(staging)) == (first.release, first.models)
    shows_what_serves(staging)
    assert running.taken_back(ledger.entries(staging)) == {retrained.release: "answers are slow"}
    with pytest.raises(ReleaseError, match="has no release to return to"):
        rollback(staging, "again", LATER, silent)

    a_release_whose_canary_is_refused_changes_nothing(dev, staging, tmp_path)
    a_broken_ledger_stops_everything(staging)


def an_edited_manifest_is_refused(dev: Clients, staging: Clients, first: running.Running) -> None:
    kept = dev.storage().bucket(dev.names.release_bucket).blob(f"releases/{first.release}.json")
    content = kept.download_as_bytes()
    kept.upload_from_string(content.replace(b'"passed": true', b'"passed":  true', 1))
    with pytest.raises(ManifestError, match="was changed after it was written"):
        promote(dev, staging, commit("c"), LATER, silent)
    kept.upload_from_string(content)


def a_promotion_that_is_cut_off_anywhere_is_finished_by_the_next(dev: Clients, staging: Clients) -> None:
    for text in MOMENTS:
        with pytest.raises(Cut):
            promote(dev, staging, commit("c"), LATER, until(text))
        assert running.now(ledger.entries(staging)) is None, "what is not done is not written down"
    promoted = promote(dev, staging, commit("c"), LATER, silent)
    assert [entry.kind for entry in ledger.entries(staging)] == ["promotion"]
    assert promote(dev, staging, commit("c"), LATER, silent) == promoted, "it is there already"


def what_staging_reads_is_its_own(dev: Clients, staging: Clients) -> None:
    before = answers(staging, "please topic1")
    assert before == "class 1"
    for task in ("vision", "nlp"):
        version = versions.find(staging, task, versions.CHAMPION)
        assert version is not None
        assert version.uri.startswith(f"gs://{staging.names.bucket('models')}/{task}/")
        assert version.container_spec.image_uri.startswith(f"{staging.names.image('serving')}@sha256:")
        learned = origin.read(staging, version.uri)
        assert learned is not None
        assert learned.rows.startswith(f"gs://{staging.names.bucket('raw')}/{task}/")
    shown = web.current(staging)
    assert shown is not None
    assert set(shown.models) == {"vision", "nlp"}


def shows_what_serves(staging: Clients) -> None:
    """The page shows the champions, and nobody else answers."""
    shown = web.current(staging)
    assert shown is not None
    for task in ("vision", "nlp"):
        champion = versions.find(staging, task, versions.CHAMPION)
        assert champion is not None
        converted = Blob.from_uri(f"{champion.uri}/web/web.json", client=staging.storage()).download_as_bytes()
        assert shown.models[task] == hashlib.sha256(converted).hexdigest()
        endpoint = staging.vertex().Endpoint(staging.names.endpoint(task))
        assert [one.model_version_id for one in endpoint.list_models()] == [champion.version_id]


def models_that_are_born_in_staging_are_released_on_top(staging: Clients, tmp_path: Path) -> running.Running:
    with pytest.raises(ReleaseError, match="there is nothing to release"):
        release(staging, commit("c"), LATER, silent)
    # By the promoted pipeline, on data that is there alone.
    places.trained(staging, tmp_path, seed=3, tasks=("nlp",))
    made = release(staging, commit("c"), LATER, silent)
    assert (made.kind, made.models) == ("model", champions(staging))
    line = listing.listed("staging")[0]
    assert (line["kind"], line["commit"], line["code_since"]) == ("model", "c" * 40, LATER.isoformat())
    return made


def a_release_whose_canary_is_refused_changes_nothing(dev: Clients, staging: Clients, tmp_path: Path) -> None:
    places.trained(dev, tmp_path, seed=5)
    second = release(dev, commit("d"), LATER, silent)
    before = champions(staging)
    assert second.models["nlp"] != before["nlp"]
    # What a canary has refused once in staging, it refuses again.
    promoted_before = running.now(ledger.entries(staging))
    adopted: list[str] = []

    def condemn(line: str) -> None:
        found = versions.find(staging, "nlp", versions.by_digest(second.models["nlp"]))
        if found is not None and not adopted:
            adopted.append(found.version_id)
            canary.condemn(staging, "nlp", found.version_id, "worse-answers")

    with pytest.raises(ReleaseError, match="the canary of nlp refused version"):
        promote(dev, staging, commit("d"), LATER + timedelta(hours=30), condemn)
    assert adopted
    assert champions(staging) == before, "all or nothing"
    assert running.now(ledger.entries(staging)) == promoted_before


def a_broken_ledger_stops_everything(staging: Clients) -> None:
    blob = staging.storage().bucket(staging.names.release_bucket).blob("ledger/staging/000001.json")
    blob.upload_from_string(blob.download_as_bytes().replace(b"promotion", b"release"))
    with pytest.raises(LedgerError, match="was changed after it was written"):
        rollback(staging, "a reason", LATER, silent)
    assert "was changed after it was written" in listing.listed("staging")[0]["problem"]
