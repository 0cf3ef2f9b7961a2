"""Canaries against the local Google Cloud: real servers, real traffic, and challengers that must not get it."""

import base64
import json
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from environments.clients import Clients
from ml.evaluation.classification import predictions
from serving.instances import batches
from serving.registry import artifact, versions
from serving.rollout import canary, deployment, promotion
from serving.rollout.deployment import RolloutError
from serving.rollout.gates import Criteria, Window, against, judge
from serving.rollout.probing import Answer, Probe
from tests.serving.conftest import CLASSES, TASK
from tests.serving.test_process import png_of

QUICK = Criteria(minimum_requests=3, minimum_rows=20)


# The gates, without a network


def answered(window: Window, requests: int, right: bool = True, milliseconds: float = 5, fault: str = "") -> Window:
    """`window` after some requests of eight rows, which are numbered on."""
    for _ in range(requests):
        first = len(window.right)
        rows = {} if fault else {str(row): right for row in range(first, first + 8)}
        window.add(Answer(window.deployed_model, fault, milliseconds, rows))
    return window


def test_a_challenger_like_the_champion_advances_once_enough_was_asked() -> None:
    champion, challenger = answered(Window("1", "1"), 40), answered(Window("2", "2"), 14)
    assert judge(champion, challenger, 400, Criteria()).verdict == "go on"
    assert judge(champion, answered(challenger, 1), 400, Criteria()).verdict == "advance"


@pytest.mark.parametrize(
    ("challenger", "reason"),
    [
        (answered(Window("2", "2"), 2, fault="status 500"), "failed-requests"),
        (answered(Window("2", "2"), 10, milliseconds=60), "slow-answers"),
        (answered(Window("2", "2"), 2, right=False), "worse-answers"),
        (answered(Window("2", "2"), 5), "too-few-answers"),
        (Window("2", "2"), "too-few-answers"),
    ],
)
def test_each_gate_refuses_what_it_is_for(challenger: Window, reason: str) -> None:
    decision = judge(
        answered(Window("1", "1"), 795 if reason == "too-few-answers" else 40), challenger, 400, Criteria(maximum_requests=795)
    )
    assert (decision.verdict, decision.reason) == ("refuse", reason)


def test_a_busy_machine_makes_no_challenger_slow() -> None:
    draw = random.Random(2)
    champion, challenger = Window("1", "1"), Window("2", "2")
    for _ in range(60):
        # Heavy tails: every fifth answer of either takes ten times as long.
        for window in (champion, challenger):
            answered(window, 1, milliseconds=draw.uniform(30, 60) * (10 if draw.random() < 0.2 else 1))
        assert judge(champion, challenger, 400, Criteria()).verdict != "refuse"


def test_rows_that_the_champion_cannot_answer_are_no_fault_of_the_challenger() -> None:
    champion = answered(answered(Window("1", "1"), 30), 10, fault="status 400")
    challenger = answered(answered(Window("2", "2"), 30), 8, fault="status 400")
    assert judge(champion, challenger, 400, Criteria()).verdict == "advance"


def test_an_answer_that_turns_wrong_counts_as_wrong() -> None:
    window = answered(Window("2", "2"), 1)
    window.add(Answer("2", "", 5, {"0": False}))
    window.add(Answer("2", "", 5, {"0": True}))
    assert window.right["0"] is False


def test_the_odds_are_a_likelihood_ratio_and_rarely_high_without_cause() -> None:
    assert against(0, 0) == 1
    # By hand: twice the integral of (1 - q) from 0 to 1/2, over 1/2.
    assert against(0, 1) == pytest.approx(1.5)
    draw = random.Random(1)
    alarms = 0
    for _ in range(500):
        wins = losses = 0
        highest = 0.0
        for _ in range(150):
            won = draw.random() < 0.5
            wins, losses = wins + won, losses + (not won)
            highest = max(highest, against(wins, losses))
        alarms += highest >= 100
    # At most one in a hundred by Ville's inequality.
    assert alarms <= 5


def test_a_step_that_was_cut_off_is_done_again_and_the_last_one_only_after_one_with_a_champion() -> None:
    assert [list(canary._remaining(canary.PLAN, share)) for share in (0, 10, 50, 100)] == [
        [10, 50, 100],
        [10, 50, 100],
        [50, 100],
        [50, 100],
    ]
    assert list(canary._remaining((100,), 100)) == [100]


def test_a_request_never_grows_too_large() -> None:
    probe = [Probe(str(at), {"text": "x" * size}, "a") for at, size in enumerate((10, 700_000, 800_000, 2_000_000, 10))]
    assert [[one.id for one in batch] for batch in batches(probe, 8, lambda one: one.instance)] == [["0", "1"], ["2", "4"]]


# The rollout, on an endpoint


@pytest.fixture(scope="session")
def probe(exported: Path) -> list[Probe]:
    """Pictures labelled as the exported model sees them: that model is always right."""
    draw = np.random.default_rng(3)
    encoded = [png_of(draw.integers(0, 256, (8, 8), dtype=np.uint8) * (draw.random((8, 8)) < draw.random())) for _ in range(160)]
    labels = [CLASSES[at] for at in predictions(exported, encoded).argmax(1)]
    assert min(map(labels.count, (CLASSES[0], CLASSES[2]))) > 20
    return [
        Probe(str(at), {"b64": base64.b64encode(one).decode()}, label) for at, (one, label) in enumerate(zip(encoded, labels, strict=True))
    ]


def variant(exported: Path, folder: Path, **changes: Any) -> Path:
    """The exported model with another preprocessing.json, which makes it another artifact."""
    shutil.copytree(exported, folder)
    content = json.loads((folder / "preprocessing.json").read_text())
    (folder / "preprocessing.json").write_text(json.dumps({**content, **changes}, indent=2))
    return folder


def registered(clients: Clients, folder: Path) -> str:
    return versions.register(clients, TASK, folder, clients.names.image("serving")).version


def with_faulty_server(clients: Clients, folder: Path, fault: str) -> str:
    """A version of the same model whose container is broken."""
    uploaded = clients.vertex().Model.upload(
        parent_model=clients.names.model(TASK),
        artifact_uri=artifact.publish(clients, TASK, folder),
        serving_container_image_uri=clients.names.image("serving"),
        serving_container_command=["python", str(Path(__file__).with_name("faulty_server.py")), fault],
        serving_container_ports=[versions.PORT],
        serving_container_predict_route=versions.PREDICT_ROUTE,
        serving_container_health_route=versions.HEALTH_ROUTE,
        version_aliases=[versions.CHALLENGER],
    )
    return str(uploaded.version_id)


@pytest.fixture
def champion(clients: Clients, exported: Path, probe: list[Probe]) -> str:
    """The first version, which serves without a canary."""
    version = registered(clients, exported)
    done = promotion.release(clients, TASK, version, probe)
    assert (done.outcome, done.steps, done.former) == ("serving", (), "")
    return version


def labels(clients: Clients, version: str) -> dict[str, str]:
    found = versions.find(clients, TASK, version)
    assert found is not None
    return dict(found.labels)


def crowned(clients: Clients, alias: str = versions.CHAMPION) -> str:
    found = versions.find(clients, TASK, alias)
    assert found is not None
    return str(found.version_id)


def served(clients: Clients) -> dict[str, int]:
    """Version → percent of the traffic, of everything that is deployed."""
    endpoint = deployment.endpoint(clients, TASK)
    split = endpoint.traffic_split
    return {one.model_version_id: split.get(one.id, 0) for one in endpoint.list_models()}


@contextmanager
def watched(clients: Clients) -> Iterator[list[dict[str, int]]]:
    """Every traffic split that a second caller sees meanwhile; each must be whole and name deployed models only."""
    service = deployment.endpoint(clients, TASK).api_client
    seen: list[dict[str, int]] = []
    faults: list[str] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            resource = service.get_endpoint(name=clients.names.endpoint(TASK))
            split = dict(resource.traffic_split)
            if sum(split.values()) != 100 or not set(split) <= {one.id for one in resource.deployed_models}:
                faults.append(str(resource))
            if not seen or seen[-1] != split:
                seen.append(split)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()
    assert seen
    assert faults == []


def test_a_good_challenger_takes_over_by_steps_and_a_rollback_returns(
    clients: Clients, exported: Path, champion: str, probe: list[Probe], tmp_path: Path
) -> None:
    challenger = registered(clients, variant(exported, tmp_path / "again"))
    shown: list[str] = []
    with watched(clients) as seen:
        done = promotion.release(clients, TASK, challenger, probe, shown.append, criteria=QUICK)
    assert (done.outcome, done.version, done.former, done.changed) == ("serving", challenger, champion, True)
    assert [(step.share, step.decision.verdict) for step in done.steps] == [(10, "advance"), (50, "advance"), (100, "advance")]
    assert [sorted(split.values()) for split in seen] == [[100], [10, 90], [50, 50], [100]]
    for step in done.steps:
        assert step.challenger.requests >= QUICK.minimum_requests
        assert (step.challenger.accuracy, step.champion.accuracy, step.challenger.failures) == (1.0, 1.0, 0)
    assert done.steps[-1].champion.requests == 0
    assert (served(clients), crowned(clients), crowned(clients, promotion.PREVIOUS)) == ({challenger: 100}, challenger, champion)
    again = promotion.release(clients, TASK, challenger, probe, shown.append, criteria=QUICK)
    assert (again.changed, again.outcome, again.undeployed) == (False, "serving", ())
    json.dumps(asdict(done))

    with watched(clients) as seen:
        back = promotion.rollback(clients, TASK, "Complaints about bags!", shown.append)
    assert (back.outcome, back.version, back.former) == ("rolled back", champion, challenger)
    assert len(seen) == 2
    assert (served(clients), crowned(clients)) == ({champion: 100}, champion)
    assert labels(clients, challenger)[canary.REASON] == "complaints-about-bags"
    assert shown == [challenger, challenger, champion]


LONG = pytest.mark.long


@pytest.mark.parametrize(
    "fault", ["permuted classes", pytest.param("slow", marks=LONG), pytest.param("failing", marks=LONG), "corrupt model"]
)
def test_a_challenger_that_fails_under_traffic_is_rolled_back_and_not_tried_again(
    clients: Clients, exported: Path, champion: str, probe: list[Probe], tmp_path: Path, fault: str
) -> None:
    reason = {"permuted classes": "worse-answers", "slow": "slow-answers", "failing": "failed-requests", "corrupt model": "did-not-start"}
    folder = variant(exported, tmp_path / "tampered", **({"classes": CLASSES[::-1]} if fault == "permuted classes" else {}))
    if fault == "corrupt model":
        (folder / "model.tflite").write_bytes(b"TFL3 cut short")
    challenger = with_faulty_server(clients, folder, fault) if fault in ("slow", "failing") else registered(clients, folder)
    with watched(clients) as seen:
        done = promotion.release(clients, TASK, challenger, probe, criteria=Criteria(minimum_requests=10, minimum_rows=20))
    assert (done.outcome, done.version) == ("rolled back", champion), done.text
    assert [step.decision.verdict for step in done.steps] == ([] if fault == "corrupt model" else ["refuse"])
    assert (served(clients), crowned(clients)) == ({champion: 100}, champion)
    assert labels(clients, challenger).items() >= {canary.VERDICT: canary.ROLLED_BACK, canary.REASON: reason[fault]}.items()
    assert all(max(split.values()) >= 90 for split in seen)
    again = promotion.release(clients, TASK, challenger, probe, criteria=QUICK)
    assert (again.outcome, again.steps) == ("rolled back", ())
    assert served(clients) == {champion: 100}


def test_a_canary_without_rows_or_champion_is_refused(clients: Clients, champion: str, probe: list[Probe]) -> None:
    with pytest.raises(RolloutError, match="no labelled rows"):
        canary.roll(clients, TASK, "2", [])
    with pytest.raises(RolloutError, match="needs a champion"):
        canary.roll(clients, TASK, champion, probe)
    with pytest.raises(RolloutError, match="nothing to return to"):
        promotion.rollback(clients, TASK, "no reason")


def test_a_rollout_stops_when_someone_else_moves_the_traffic(
    clients: Clients, exported: Path, champion: str, probe: list[Probe], tmp_path: Path
) -> None:
    challenger = registered(clients, variant(exported, tmp_path / "again"))

    def interfere(line: str) -> None:
        if line.startswith("at 10 %"):
            endpoint = deployment.endpoint(clients, TASK)
            ids = {one.model_version_id: one.id for one in endpoint.list_models()}
            endpoint.update(traffic_split={ids[champion]: 100})

    with pytest.raises(RolloutError, match="someone else moves it"):
        promotion.release(clients, TASK, challenger, probe, criteria=QUICK, report=interfere)
    assert served(clients) == {champion: 100, challenger: 0}
    assert crowned(clients) == champion


def killed(probe: list[Probe], web: Path, do: str, version: str, killed_at: list[str]) -> dict[str, Any]:
    """A rollout whose process is killed at each of these lines of its report; what the last run, which is not, came to."""
    order = {"do": do, "task": TASK, "version": version, "web": str(web), "killed_at": killed_at, "probe": [asdict(one) for one in probe]}
    command = [sys.executable, "-m", "tests.serving.killed_rollout"]
    finished = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return dict(json.loads(finished.stdout.splitlines()[-1]))


@pytest.mark.long
def test_a_release_and_a_rollback_that_are_killed_after_every_change_end_the_same(
    clients: Clients, exported: Path, champion: str, probe: list[Probe], tmp_path: Path
) -> None:
    challenger, web = registered(clients, variant(exported, tmp_path / "again")), tmp_path / "shown"
    points = ["deployed beside", "has 10 %", "at 10 %", "has 50 %", "at 50 %", "has 100 %", "at 100 %", "is the champion", "web app shows"]
    with watched(clients):
        done = killed(probe, web, "release", challenger, points)
    assert (done["outcome"], served(clients), crowned(clients), web.read_text()) == ("serving", {challenger: 100}, challenger, challenger)
    assert crowned(clients, promotion.PREVIOUS) == champion

    with watched(clients):
        back = killed(probe, web, "rollback", "", ["deployed again", "traffic is back", "champion again", "web app shows"])
    assert (back["version"], served(clients), crowned(clients), web.read_text()) == (champion, {champion: 100}, champion, champion)
    assert labels(clients, challenger)[canary.VERDICT] == canary.ROLLED_BACK


@pytest.mark.long
def test_a_bad_challenger_whose_rollout_is_killed_after_every_change_is_still_rolled_back(
    clients: Clients, exported: Path, champion: str, probe: list[Probe], tmp_path: Path
) -> None:
    challenger = registered(clients, variant(exported, tmp_path / "tampered", classes=CLASSES[::-1]))
    with watched(clients):
        points = ["deployed beside", "has 10 %", "at 10 %: refuse", "traffic is back", "is labelled"]
        done = killed(probe, tmp_path / "shown", "release", challenger, points)
    assert (done["outcome"], served(clients), crowned(clients)) == ("rolled back", {champion: 100}, champion)
    assert labels(clients, challenger)[canary.REASON] == "worse-answers"
    assert not (tmp_path / "shown").exists()
