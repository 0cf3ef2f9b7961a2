"""Serves the converted model by the Node server, as a second deployed model of the endpoint, and holds it against the first."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from environments.clients import TIMEOUT_SECONDS, Clients
from playbook import PlaybookError
from playbook.loop.memory import Memory
from playbook.loop.predict import ROWS_PER_REQUEST, Answer, Answers
from playbook.loop.record import Record
from serving.instances import batches, instance

IMAGE = "serving-node"
SHARE = 50
"""Percent of the traffic while both serve."""
ROWS = 200
ROUNDS = 20
"""Times that the rows are sent before it is strange that one of the two never answers."""


class NodeFailed(PlaybookError):
    """The Node server does not answer as the Python server does."""


@dataclass(frozen=True)
class Shared:
    """Traffic that two servers shared."""

    version: str
    """Of the converted model."""
    requests: dict[str, int]
    """Server → requests that it answered."""
    rows: int
    """Rows that the Node server has answered."""
    same: int
    """Of these, with the Python server's label."""


def serve(clients: Clients, task: str, trained: str, said: Answers, address: str, memory: Memory, record: Record) -> Shared:
    """Deploy the converted model beside the one that serves, let them share the traffic, and take it away again.

    Args:
        clients: clients of the environment.
        task: name of the task.
        trained: version that the training pipeline registered.
        said: what the first has answered.
        address: `gs://` address of the converted model.
        memory: where a rerun finds what was answered.
        record: where the step is kept.

    Raises:
        NodeFailed: when the Node server is never asked, or answers otherwise.
    """
    from pipelines import images
    from serving.registry import versions
    from serving.rollout import deployment

    with record.step(f"{task} · Node server") as outcome, tempfile.TemporaryDirectory(prefix="loop-") as scratch:
        page = memory.page("node", task, trained)
        if (before := page.read()) is not None:
            outcome.status, outcome.detail = "cached", f"{before['same']} of {before['rows']} labels the same"
            return Shared(**before)
        _download(clients, address, Path(scratch))
        image = f"{clients.names.image(IMAGE)}@{images.built(clients)[IMAGE]}"
        version = versions.register(clients, task, Path(scratch), image).version
        endpoint = deployment.endpoint(clients, task)
        second = deployment.deployed(endpoint, clients.names.model_id(task), version) or deployment.start(clients, task, endpoint, version)
        try:
            endpoint.update(traffic_split={said.deployed_model: 100 - SHARE, second.id: SHARE})
            shared = _share(endpoint, said, second.id, version)
        finally:
            endpoint.update(traffic_split={said.deployed_model: 100})
            endpoint.undeploy(second.id)
        if shared.rows == 0 or shared.same < shared.rows:
            raise NodeFailed(
                f"the Node server of {task} gave the Python server's label to {shared.same} of {shared.rows} rows. The Python server "
                "has all traffic again. Compare the two: python -m bench.serving"
            )
        page.write(asdict(shared))
        outcome.detail = (
            f"{shared.requests['Node']} of {sum(shared.requests.values())} requests, {shared.same} of {shared.rows} labels the same"
        )
    return shared


def _share(endpoint: Any, said: Answers, second: str, version: str) -> Shared:
    requests, labels = {"Python": 0, "Node": 0}, dict[str, str]()
    first = {answer.id: answer for answer in said.answers[:ROWS]}
    asked = batches(first.values(), ROWS_PER_REQUEST, lambda answer: instance(answer.content))
    for _ in range(ROUNDS):
        for batch in asked:
            prediction = endpoint.predict(instances=[instance(answer.content) for answer in batch], timeout=TIMEOUT_SECONDS)
            by_node = str(prediction.deployed_model_id) == second
            requests["Node" if by_node else "Python"] += 1
            if by_node:
                labels |= {answer.id: one["label"] for answer, one in zip(batch, prediction.predictions, strict=True)}
        if all(requests.values()):
            break
    return Shared(version, requests, len(labels), sum(_same(first[row], label) for row, label in labels.items()))


def _same(answer: Answer, label: str) -> bool:
    """Whether the label is the first server's, or one that it found as probable but for rounding."""
    return label == answer.label or answer.scores[answer.label] - answer.scores[label] < 1e-3


def _download(clients: Clients, address: str, folder: Path) -> None:
    bucket, _, prefix = address.removeprefix("gs://").partition("/")
    for blob in clients.storage().list_blobs(bucket, prefix=f"{prefix}/"):
        path = folder / blob.name.removeprefix(f"{prefix}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        blob.download_to_filename(str(path))
