"""The console shows what there is, escapes it, needs no script and nothing from elsewhere, and changes nothing but by its three actions."""

import asyncio
import html
import html.parser
import json
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from emulator.behaviours import Response
from emulator.behaviours.tensorboards import SERIES
from emulator.cloud import Cloud
from emulator.console import answer
from emulator.console.curves import chart
from emulator.console.forms import TOKEN
from emulator.console.frame import VIEWS
from emulator.console.graph import drawn
from emulator.console.markup import ago
from emulator.dispatch import REQUESTS, Request
from emulator.engines.alerts import NOTIFICATIONS
from emulator.engines.datasets.items import ITEMS
from emulator.engines.metadata import Metadata
from emulator.store import Store
from tests.emulator.conftest import Local, started

HOSTILE = '<script>alert("x")</script>'
LOCATION = "projects/p/locations/europe-west4"
RUN = f"{LOCATION}/pipelineJobs/run-1"
MODEL = f"{LOCATION}/models/vision"
ENDPOINT = f"{LOCATION}/endpoints/1"
DATASET = f"{LOCATION}/datasets/1"
EXPERIMENT = f"{LOCATION}/metadataStores/default/contexts/trials"
ARTIFACT = f"{LOCATION}/metadataStores/default/artifacts/77"
BOARD = f"{LOCATION}/tensorboards/9/experiments/trials"
TABLE = "projects/acme-test/datasets/examples/tables/rows"
TOPIC = "projects/acme-test/topics/alerts"
MESSAGE = "projects/p/alerts/1/OPENED/2"
PAYLOAD = "cGF5bG9hZA=="
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001"
    "a5f645400000000049454e44ae426082"
)


class Parser(html.parser.HTMLParser):
    """Collects tags and addresses, and fails where elements do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.controls: set[str] = set()
        self.labelled: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        if tag in ("h1", "h2"):
            self.headings.append(tag)
        if tag in ("input", "select", "textarea") and given.get("type") != "hidden":
            self.controls.add(given.get("id") or "none")
        if tag == "label":
            self.labelled.add(given.get("for") or "")
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in ("meta", "link", "br", "img", "input"):
            self.open.append(tag)

        if tag == "img":
            assert any(name == "alt" and value for name, value in attrs), "a picture without a text"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


SPECIFICATION = {
    "root": {
        "dag": {
            "tasks": {
                "deploy": {"componentRef": {"name": "step"}, "dependentTasks": ["evaluate", "train"]},
                "evaluate": {
                    "componentRef": {"name": "step"},
                    "inputs": {"artifacts": {"model": {"taskOutputArtifact": {"producerTask": "train", "outputArtifactKey": "model"}}}},
                },
                "train": {"componentRef": {"name": "nested"}},
                HOSTILE: {"componentRef": {"name": "loop"}, "parameterIterator": {}, "dependentTasks": ["train"]},
            }
        }
    },
    "components": {
        "step": {},
        "nested": {"dag": {"tasks": {"fit": {"componentRef": {"name": "step"}}}}},
        "loop": {"dag": {"tasks": {"convert": {"componentRef": {"name": "step"}}}}},
    },
}


def step(name: str, parent: str, start: int, state: str = "SUCCEEDED", **more: Any) -> dict[str, Any]:
    begun, ended = (f"2026-11-25T09:00:{second:02}.000000Z" for second in (start, start + 5))
    times = {"startTime": begun, "endTime": ended} if state != "PENDING" else {}
    return {"taskId": f"id-{name}", "parentTaskId": parent, "taskName": name, "state": state, **times, **more}


@pytest.fixture(scope="module")
def cloud(local: Local) -> Cloud:
    """State as the engines and the clients leave it."""
    store = local.cloud.store
    ai = store.of("aiplatform")
    tasks = [
        step("run-1", "", 0, taskId="root"),
        step("evaluate", "root", 20, "FAILED", error={"message": f"accuracy {HOSTILE}"}),
        step(
            "train",
            "root",
            10,
            outputs={"model": {"artifacts": [{"name": ARTIFACT, "uri": "gs://raw/a/facts.json", "schemaTitle": HOSTILE}]}},
        ),
        step("fit", "id-train", 11, "SKIPPED", execution={"metadata": {"input:rows": 5, "output:uri": "gs://raw/a/", "usage:peakMb": 391}}),
        step("deploy", "root", 25, "NOT_TRIGGERED"),
        step(HOSTILE, "root", 26, taskId="loop"),
        *(step(f"{HOSTILE}-{turn}", "loop", 26 + turn, taskId=f"turn-{turn}") for turn in range(2)),
        *(step("convert", f"turn-{turn}", 28, ("SUCCEEDED", "FAILED")[turn], taskId=f"convert-{turn}") for turn in range(2)),
    ]
    for number, state in (("run-1", "PIPELINE_STATE_FAILED"), ("run-2", "PIPELINE_STATE_RUNNING")):
        name = RUN.replace("run-1", number)
        times = {"createTime": f"2026-11-25T09:00:0{number[-1]}.000000Z", "startTime": "2026-11-25T09:00:00.000000Z"}
        detail = {"jobDetail": {"taskDetails": tasks if number == "run-1" else []}}
        given = {"runtimeConfig": {"parameterValues": {"task": HOSTILE, "rows": 5}}, "pipelineSpec": SPECIFICATION}
        ai.put(name, "PipelineJob", {"name": name, "displayName": f"training {number}", "state": state, **times, **detail, **given})
    deployed = {"id": "7", "model": MODEL, "modelVersionId": "2", "displayName": "champion", "createTime": "2026-11-25T09:00:00Z"}
    challenger = {**deployed, "id": "8", "displayName": HOSTILE}
    serving = {"deployedModels": [deployed, challenger], "trafficSplit": {"7": 90, "8": 10}}
    ai.put(ENDPOINT, "Endpoint", {"name": ENDPOINT, "displayName": "vision", **serving})
    version = {"name": MODEL, "versionId": "2", "versionAliases": ["default", "champion"], "artifactUri": "gs://raw/a/facts.json"}
    store.of("model-versions").put(f"{MODEL}/versions/2", "Model", {**version, "createTime": "2026-11-25T09:00:00Z"})
    ai.put(MODEL, "Model", {**version, "displayName": "vision model", "createTime": "2026-11-25T09:00:00Z"})
    metrics = {
        "auPrc": 0.75,
        "confusionMatrix": {"annotationSpecs": [{"displayName": "cat"}, {"displayName": "dog"}], "rows": [[3, 1], [0, 4]]},
    }
    ai.put(f"{MODEL}/evaluations/1", "ModelEvaluation", {"name": f"{MODEL}/evaluations/1", "displayName": "frozen", "metrics": metrics})
    store.of("model-versions").put(f"{MODEL}/versions/2/evaluations/1", "Evaluation", {"name": f"{MODEL}/evaluations/1"})
    store.of("operations").put("operations/good", "Operation", {"name": "operations/good", "done": True})
    store.of("operations").put("operations/bad", "Operation", {"name": "operations/bad", "done": True, "error": {"message": HOSTILE}})
    store.of("storage").put("b/raw", "Bucket", {"name": "raw", "location": "EU"})
    objects = local.cloud.objects
    for name, content in (
        ("a/one.png", PICTURE),
        ("a/b/two.txt", b"x" * 2048),
        ("read me.txt", HOSTILE.encode()),
        ("a/facts.json", b'{"rows": 5}'),
    ):
        objects.put("raw", name, content)
    objects.put("raw", "a/false.png", HOSTILE.encode(), {"contentType": "image/png"})
    for at in range(3):
        store.log(RUN, f"[fit] line {at} {HOSTILE}")
    policy = {"name": "projects/p/alertPolicies/3", "displayName": f"drift {HOSTILE}"}
    store.of("monitoring").put(policy["name"], "AlertPolicy", policy)
    about = {"metric": {"type": "custom.googleapis.com/drift", "labels": {"task": HOSTILE}}, "resource": {"type": "global"}}
    alert = {"state": "OPEN", "openTime": "2026-11-25T09:00:00Z", "policy": policy, **about}
    store.of("monitoring").put("projects/p/alerts/1", "Alert", alert)
    mail = {"type": "email", "to": HOSTILE, "subject": f"[ALERT] {HOSTILE}", "body": HOSTILE, "policy": policy}
    sent = {"alert": "projects/p/alerts/1", "value": 0.75, "threshold": 0.5, "time": "2026-11-25T09:00:00Z", "problem": HOSTILE}
    store.of(NOTIFICATIONS).put(MESSAGE, "Notification", {**mail, **sent})
    experiments(local.cloud)
    datasets(local.cloud)
    jobs(local.cloud)
    security(local.cloud)
    clients(local)
    local.run(predictions(local.cloud))
    return local.cloud


def experiments(cloud: Cloud) -> None:
    """An experiment with two runs, their curves, and an execution that made an artifact."""
    ai, metadata = cloud.store.of("aiplatform"), Metadata(cloud.store)
    metadata.put(EXPERIMENT, "Context", {"displayName": HOSTILE, "schemaTitle": "system.Experiment"})
    board = f"{LOCATION}/tensorboards/9/experiments/trials"
    ai.put(board, "TensorboardExperiment", {"name": board, "createTime": "2026-11-25T09:00:00Z"})
    for run, accuracy in (("first", 0.5), ("second", 0.875)):
        logged = {"metadata": {"_params": {"rate": 0.01, "text": HOSTILE}, "_metrics": {"accuracy": accuracy}, "_state": "COMPLETE"}}
        context = EXPERIMENT.replace("contexts/trials", f"contexts/trials-{run}")
        metadata.put(
            context, "Context", {"displayName": run, "schemaTitle": "system.ExperimentRun", "parentContexts": [EXPERIMENT], **logged}
        )
        name = f"{board}/runs/{run}/timeSeries/1"
        ai.put(f"{board}/runs/{run}", "TensorboardRun", {"displayName": f"{run} {HOSTILE}"})
        ai.put(name, "TensorboardTimeSeries", {"name": name, "displayName": "loss"})
        points = [{"step": str(at), "scalar": {"value": accuracy / (at + 1)}} for at in range(3)] + [
            {"step": "3", "scalar": {"value": math.nan}}
        ]
        cloud.store.of(SERIES).put(name, "Series", {"values": points})
    execution = ARTIFACT.replace("artifacts", "executions")
    metadata.put(execution, "Execution", {"displayName": f"trainer {HOSTILE}", "state": "COMPLETE"})
    metadata.put(ARTIFACT, "Artifact", {"displayName": "model", "uri": "gs://raw/a/facts.json", "schemaTitle": "system.Model"})
    metadata.link(execution, [{"artifact": ARTIFACT, "type": "OUTPUT"}])


def datasets(cloud: Cloud) -> None:
    """A dataset of a picture that is annotated, a text, and a picture that is none."""
    described = {"displayName": "pictures", "metadataSchemaUri": "gs://x/image_1.0.0.yaml", "metadata": None, "dataItemCount": "3"}
    cloud.store.of("aiplatform").put(DATASET, "Dataset", {"name": DATASET, **described})
    kept = cloud.store.of(ITEMS)
    for number, payload in enumerate([{"gcsUri": "gs://raw/a/one.png"}, {"textContent": HOSTILE}, {"gcsUri": "gs://raw/a/false.png"}]):
        name = f"{DATASET}/dataItems/{number}"
        kept.put(name, "DataItem", {"name": name, "payload": payload})
        kept.put(f"{name}/annotations/1", "Annotation", {"payload": {"displayName": f"cat {HOSTILE}"}})


def jobs(cloud: Cloud) -> None:
    """Jobs of the kinds that have something of their own."""
    ai = cloud.store.of("aiplatform")
    study = {
        "maxTrialCount": 4,
        "trials": [
            {
                "id": str(at),
                "state": "SUCCEEDED",
                "customJob": f"{LOCATION}/batchPredictionJobs/1",
                "parameters": [{"parameterId": "rate", "value": at / 10}],
                "finalMeasurement": {"metrics": [{"metricId": "accuracy", "value": 0.25 * at}]},
            }
            for at in (1, 2)
        ],
    }
    ai.put(
        f"{LOCATION}/hyperparameterTuningJobs/1",
        "HyperparameterTuningJob",
        {"displayName": "study", "state": "JOB_STATE_SUCCEEDED", **study},
    )
    counted = {"completionStats": {"successfulCount": "8", "failedCount": "2", "incompleteCount": "-1"}}
    failed = {"displayName": HOSTILE, "state": "JOB_STATE_FAILED", "error": {"code": 3, "message": HOSTILE}, **counted}
    ai.put(f"{LOCATION}/batchPredictionJobs/1", "BatchPredictionJob", failed)


def security(cloud: Cloud) -> None:
    """A secret with a payload, a policy, and calls of both kinds."""
    cloud.store.of("secretmanager").put("projects/p/secrets/token", "Secret", {"name": "projects/p/secrets/token"})
    cloud.store.of("secretmanager").put("projects/p/secrets/token/versions/1", "SecretVersion", {"state": "ENABLED"})
    cloud.store.of("secret-payloads").put("projects/p/secrets/token/versions/1", "Payload", {"data": PAYLOAD})
    cloud.store.of("compute").put("projects/p/global/sslCertificates/c", "SslCertificate", {"privateKey": PAYLOAD})
    binding = {"role": "roles/storage.admin", "members": [f"user:{HOSTILE}"], "condition": {"title": "day", "expression": "true"}}
    cloud.store.of("iam-policies").put("storage/b/raw", "Policy", {"bindings": [binding]})
    common = {"http": "GET", "address": f"storage.googleapis.com/{HOSTILE}", "identity": f"{HOSTILE}@p"}
    allowed = {"permission": "storage.objects.get", "resource": "b/raw", "granted": "roles/storage.admin on b/raw"}
    problem = json.dumps({"error": {"code": 404, "message": f"No such object {HOSTILE}"}})
    for line in (
        {"status": 200, "method": "storage.objects.get", "permissions": [allowed], "seconds": 0.25, **common},
        {"status": 404, "method": "storage.objects.get", "permissions": [{**allowed, "granted": ""}], "problem": problem, **common},
        {"status": 500, "method": "bigquery.jobs.insert", "problem": HOSTILE, **common},
        {"status": None, "permissions": ["odd"], "seconds": "odd"},
        ["odd"],
    ):
        cloud.store.log(REQUESTS, json.dumps(line))
    cloud.store.log(REQUESTS, f"no JSON {HOSTILE}")


def clients(local: Local) -> None:
    """What has rows and messages, made by requests."""
    host = "bigquery.googleapis.com"
    made = {"datasetReference": {"projectId": "acme-test", "datasetId": "examples"}}
    assert local.call("POST", "/bigquery/v2/projects/acme-test/datasets", made, host=host)[0] == 200
    fields = [{"name": "label", "type": "STRING"}, {"name": "scores", "type": "FLOAT", "mode": "REPEATED"}]
    table = {"tableReference": {"projectId": "acme-test", "datasetId": "examples", "tableId": "rows"}, "schema": {"fields": fields}}
    assert local.call("POST", "/bigquery/v2/projects/acme-test/datasets/examples/tables", table, host=host)[0] == 200
    rows = {"rows": [{"json": {"label": HOSTILE, "scores": [0.25, 0.5]}}]}
    assert local.call("POST", "/bigquery/v2/projects/acme-test/datasets/examples/tables/rows/insertAll", rows, host=host)[0] == 200
    for kind, body in (("topics/alerts", {}), ("subscriptions/inbox", {"topic": TOPIC})):
        assert local.call("PUT", f"/v1/projects/acme-test/{kind}", body, host="pubsub.googleapis.com")[0] == 200


async def predictions(cloud: Cloud) -> None:
    """Eight answers of the champion, two of the challenger, one of a model that is gone."""
    for deployed, code in [("7", 200)] * 8 + [("8", 200), ("8", 500), ("6", 200)]:
        cloud.traffic.count(ENDPOINT, deployed, code, 10.0)


@contextmanager
def other(state: Path) -> Iterator[Local]:
    """A cloud of its own, for a test that fills or empties it."""
    with asyncio.Runner() as runner:
        own = Local(state, runner, runner.run(started(state)))
        try:
            yield own
        finally:
            runner.run(own.cloud.close())


def get(local: Local, path: str, **query: str) -> tuple[int, Response]:
    request = Request("GET", "127.0.0.1", path, urlencode(query), {"host": "127.0.0.1:8080"}, b"")
    answered: Response = local.run(answer(request, local.cloud))
    return answered.status, answered


def post(local: Local, path: str, origin: str = "http://127.0.0.1:8080", **form: str) -> tuple[int, str]:
    headers = {"host": "127.0.0.1:8080", "content-type": "application/x-www-form-urlencoded", **({"origin": origin} if origin else {})}
    answered: Response = local.run(answer(Request("POST", "127.0.0.1", path, "", headers, urlencode(form).encode()), local.cloud))
    assert isinstance(answered.body, bytes)
    return answered.status, answered.body.decode()


def shown(local: Local, path: str, **query: str) -> tuple[str, Parser]:
    status, answered = get(local, path, **query)
    assert (status, answered.content_type) == (200, "text/html; charset=utf-8")
    assert isinstance(answered.body, bytes)
    parser = Parser()
    parser.feed(answered.body.decode())
    assert parser.open == []
    return answered.body.decode(), parser


def words(text: str) -> str:
    """What a reader sees of a page, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text[text.index("<main") :])).split())


PAGES: list[tuple[str, dict[str, str]]] = [
    *((path, {}) for path in VIEWS if path not in ("/lineage", "/send")),
    ("/runs", {"name": RUN}),
    ("/runs", {"name": RUN, "task": "id-train"}),
    ("/runs", {"name": RUN, "task": "id-fit"}),
    ("/jobs", {"kind": "BatchPredictionJob"}),
    ("/jobs", {"name": f"{LOCATION}/hyperparameterTuningJobs/1"}),
    ("/jobs", {"name": f"{LOCATION}/batchPredictionJobs/1"}),
    ("/models", {"name": MODEL}),
    ("/lineage", {"name": ARTIFACT}),
    ("/endpoints", {"name": ENDPOINT}),
    ("/datasets", {"name": DATASET}),
    ("/experiments", {"name": EXPERIMENT}),
    ("/experiments", {"name": BOARD}),
    ("/inbox", {"name": MESSAGE}),
    ("/storage", {"bucket": "raw", "prefix": "a/"}),
    ("/storage", {"bucket": "raw", "object": "read me.txt"}),
    ("/bigquery", {"name": "projects/acme-test/datasets/examples"}),
    ("/bigquery", {"name": TABLE}),
    ("/pubsub", {"name": TOPIC}),
    ("/pubsub", {"name": "projects/acme-test/subscriptions/inbox"}),
    ("/send", {"topic": TOPIC}),
    ("/send", {"endpoint": ENDPOINT}),
    ("/reset", {"api": "pubsub"}),
    ("/calls", {"errors": "1", "text": HOSTILE}),
    ("/operations", {"name": "operations/bad"}),
    ("/logs", {"resource": RUN}),
    ("/logs", {"resource": HOSTILE}),
    ("/resources", {"text": HOSTILE}),
    ("/resources", {"service": "aiplatform", "kind": "PipelineJob"}),
    ("/resources", {"service": "aiplatform", "name": RUN}),
]


@pytest.mark.parametrize(("path", "query"), PAGES)
def test_every_page_is_whole_escaped_and_needs_nothing_from_elsewhere(local: Local, cloud: Cloud, path: str, query: dict[str, str]) -> None:
    text, parser = shown(local, path, **query)
    assert "<script" not in text
    assert not parser.tags & {"script", "iframe", "object", "embed"}
    assert all(address.startswith(("/", "#")) or address == "data:," for address in parser.addresses)
    assert {address[1:] for address in parser.addresses if address.startswith("#")} <= set(parser.ids)
    assert len(parser.ids) == len(set(parser.ids))
    assert parser.headings[0] == "h1"
    assert not parser.controls - parser.labelled, "a control without a label"


def test_every_link_leads_to_a_page(local: Local, cloud: Cloud) -> None:
    waiting, seen = ["/"], set()
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        split = urlsplit(address)
        status, answered = get(local, split.path, **{name: values[-1] for name, values in parse_qs(split.query).items()})
        assert status == 200, address
        if answered.content_type.startswith("text/html"):
            assert isinstance(answered.body, bytes)
            parser = Parser()
            parser.feed(answered.body.decode())
            waiting += [found for found in parser.addresses if found.startswith("/")]
    assert len(seen) > 60


def test_a_browser_may_run_nothing_and_show_the_pages_in_no_other(local: Local, cloud: Cloud) -> None:
    headers = get(local, "/")[1].headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


def test_reading_every_page_changes_nothing(local: Local, cloud: Cloud) -> None:
    def kept() -> list[Any]:
        return [(kind, cloud.store.of(kind[0]).items(kind=kind[1])) for kind in cloud.store.services()] + [cloud.store.log_names()]

    before = kept()
    for path, query in PAGES:
        get(local, path, **query)
    assert kept() == before


class TestRuns:
    def test_a_run_shows_its_steps_below_their_parents_with_states_times_and_errors(self, local: Local, cloud: Cloud) -> None:
        text, _ = shown(local, "/runs", name=RUN)
        steps = text[text.index("<h2>Steps</h2>") : text.index("<h2>Parameters</h2>")]
        places = [steps.index(f">{name}</a>") for name in ("train", "fit", "evaluate")]
        assert places == sorted(places)
        assert re.search(r'padding-left: 1.25rem"><a href="[^"]*task=id-fit">fit<', steps)
        assert "accuracy &lt;script&gt;" in steps
        assert "5.0 s" in steps
        assert 'class="state good">cached' in text
        assert steps.count("<time") == 8, "a step that was never triggered has no time"

    def test_a_step_shows_what_went_in_what_came_out_and_what_it_wrote(self, local: Local, cloud: Cloud) -> None:
        fit = words(shown(local, "/runs", name=RUN, task="id-fit")[0])
        assert "rows 5" in fit
        assert "Memory at most 391 MB" in fit
        assert "it ran before with the same inputs" in fit
        assert "line 2 <script>" in fit
        train, _ = shown(local, "/runs", name=RUN, task="id-train")
        assert "/storage?bucket=raw&amp;object=a%2Ffacts.json" in train
        assert "&quot;rows&quot;: 5" in train, "what the artifact holds"
        assert "line 2" not in train, "the log of another step"

    def test_runs_are_listed_newest_first_with_progress(self, local: Local, cloud: Cloud) -> None:
        text, _ = shown(local, "/runs")
        assert text.index("training run-2") < text.index("training run-1")
        assert "6 of 9, 1 from the cache" in text

    def test_a_page_on_which_something_moves_asks_again_unless_it_is_told_to_stand_still(self, local: Local, cloud: Cloud) -> None:
        assert 'http-equiv="refresh"' in shown(local, "/runs")[0]
        assert 'http-equiv="refresh"' not in shown(local, "/runs", live="0")[0]
        assert 'href="/runs">Follow' in shown(local, "/runs", live="0")[0]
        assert 'http-equiv="refresh"' not in shown(local, "/runs", name=RUN)[0]

    def test_a_run_is_drawn_with_its_groups_its_loops_and_the_edges_that_do_not_follow_from_others(
        self, local: Local, cloud: Cloud
    ) -> None:
        text, _ = shown(local, "/runs", name=RUN)
        graph = text[text.index("<svg") : text.index("</svg>")]
        assert [graph.count(f'class="{kind}"') for kind in ("step good", "step bad", "group good", "step", "edge")] == [1, 2, 2, 1, 3]
        assert "convert: failed · 1 of 2" in graph
        assert "2 turns" in graph
        assert "deploy: not triggered" in graph
        assert '<a href="#task-id-evaluate">' in graph
        places = {name: re.search(rf'<title>{name}: [^<]*</title><rect x="(\d+)"', graph) for name in ("train", "evaluate", "deploy")}
        columns = {name: int(found[1]) for name, found in places.items() if found}
        assert columns["train"] < columns["evaluate"] < columns["deploy"]

    def test_a_run_that_waits_is_drawn_before_its_first_step_has_begun(self, local: Local, cloud: Cloud) -> None:
        text, _ = shown(local, "/runs", name=RUN.replace("run-1", "run-2"))
        graph = text[text.index("<svg") : text.index("</svg>")]
        assert graph.count("○ waiting") == 6
        assert "<a " not in graph

    def test_a_graph_whose_tasks_wait_for_each_other_is_drawn_all_the_same(self) -> None:
        tasks = {"a": {"dependentTasks": ["b"]}, "b": {"dependentTasks": ["a", "unknown"]}}
        drawing = drawn({"pipelineSpec": {"root": {"dag": {"tasks": tasks}}}})
        assert drawing is not None
        assert drawing.count("<rect") == 2


class TestVertex:
    def test_endpoints_show_split_answers_errors_and_latency_of_each_deployed_model(self, local: Local, cloud: Cloud) -> None:
        text, _ = shown(local, "/endpoints")
        rows = [re.sub(r"<[^>]+>", "|", row) for row in text[text.index("<tbody>") :].split("<tr>")[1:]]
        champion, challenger, gone = rows
        cells = [part.strip() for part in champion.split("|") if part.strip()]
        assert cells[:10] == ["champion", "7", "vision@2", "default", "champion", "90 %", "8", "73 %", "0", "10 ms"]
        assert "10 %" in challenger
        assert "1 (1 × 500)" in challenger
        assert "6 (undeployed)" in gone
        assert "11, 1 of them errors" in text
        assert '<svg viewBox="0 0 600 49" class="minutes"' in text

    def test_a_model_shows_versions_evaluations_and_where_it_comes_from(self, local: Local, cloud: Cloud) -> None:
        said = words(shown(local, "/models", name=MODEL)[0])
        assert "2 default champion" in said
        assert "Evaluation frozen Version 2 auPrc 0.75" in said
        assert "cat 3 1" in said, "the confusion matrix"
        assert "Artifact Version Type Created model 2 system.Model" in said

    def test_lineage_names_what_made_an_artifact(self, local: Local, cloud: Cloud) -> None:
        said = words(shown(local, "/lineage", name=ARTIFACT)[0])
        assert re.search(r"Made by Execution State Created From trainer <script>", said)
        assert "No execution says" not in said

    def test_data_items_are_shown_as_pictures_and_texts_with_their_annotations(self, local: Local, cloud: Cloud) -> None:
        text, parser = shown(local, "/datasets", name=DATASET)
        assert parser.addresses.count("/picture?bucket=raw&object=a%2Fone.png") == 1
        assert 'false.png"' not in "".join(address for address in parser.addresses if address.startswith("/picture"))
        assert text.count('class="tag">cat &lt;script') == 3
        assert "Items 3" in words(text)

    def test_what_is_no_picture_is_not_sent_as_one(self, local: Local, cloud: Cloud) -> None:
        status, sent = get(local, "/picture", bucket="raw", object="a/one.png")
        assert (status, sent.content_type, sent.body) == (200, "image/png", PICTURE)
        assert "sandbox" in sent.headers["Content-Security-Policy"]
        for name in ("a/false.png", "a/none.png", "../state.db"):
            assert get(local, "/picture", bucket="raw", object=name)[0] == 404

    def test_an_experiment_shows_parameters_metrics_and_curves_by_run(self, local: Local, cloud: Cloud) -> None:
        text, _ = shown(local, "/experiments", name=EXPERIMENT)
        said = words(text)
        assert "accuracy (metric) rate (parameter)" in said
        assert re.search(r"second complete (now|\d+ s ago) 0\.875 0\.01", said)
        curve = text[text.index('<svg viewBox="0 0 640 260"') :]
        assert curve.count('class="line line-') >= 2
        assert re.search(r'aria-label="loss by step. first &lt;script[^"]*: 3 values, from 0.5 to 0.1667; second', curve)
        assert "Run First Last Least Greatest" in said

    def test_a_curve_of_one_point_of_none_and_of_thousands_is_drawn(self) -> None:
        assert "no values yet" in chart("loss", {"a": [], "b": [(0, math.inf)]})
        assert "<circle" in chart("loss", {"a": [(1, 2)]})
        assert chart("loss", {"a": [(float(at), at % 7) for at in range(100_000)]}).count("L") < 400

    def test_jobs_show_trials_progress_and_errors(self, local: Local, cloud: Cloud) -> None:
        every = words(shown(local, "/jobs")[0])
        assert "2 of 4 trials" in every
        assert "8 answered, 2 failed" in every
        text, _ = shown(local, "/jobs", name=f"{LOCATION}/hyperparameterTuningJobs/1")
        assert "2 succeeded 0.2 0.5" in words(text)
        assert "accuracy by trial" in text
        assert "<script>" in words(shown(local, "/jobs", name=f"{LOCATION}/batchPredictionJobs/1")[0])


class TestData:
    def test_objects_are_shown_by_folder(self, local: Local, cloud: Cloud) -> None:
        top, below = words(shown(local, "/storage", bucket="raw")[0]), words(shown(local, "/storage", bucket="raw", prefix="a/")[0])
        assert "a/ folder" in top
        assert "read me.txt" in top
        assert "one.png" in below
        assert "b/ folder" in below
        assert "read me.txt" not in below

    def test_small_objects_are_shown(self, local: Local, cloud: Cloud) -> None:
        assert "&quot;rows&quot;: 5" in shown(local, "/storage", bucket="raw", object="a/facts.json")[0]
        assert "&lt;script&gt;" in shown(local, "/storage", bucket="raw", object="read me.txt")[0]
        assert "/picture?" in shown(local, "/storage", bucket="raw", object="a/one.png")[0]
        assert "/picture?" not in shown(local, "/storage", bucket="raw", object="a/false.png")[0]

    def test_a_table_shows_schema_and_rows(self, local: Local, cloud: Cloud) -> None:
        said = words(shown(local, "/bigquery", name=TABLE)[0])
        assert "scores FLOAT repeated" in said
        assert f"label scores {HOSTILE} 0.25, 0.5" in said

    def test_subscriptions_show_what_waits(self, local: Local, cloud: Cloud) -> None:
        local.call("POST", f"/v1/{TOPIC}:publish", {"messages": [{"data": "YQ=="}] * 3}, host="pubsub.googleapis.com")
        assert re.search(r"inbox projects/acme-test/topics/alerts pulled 3 (now|\d+ s ago)", words(shown(local, "/pubsub")[0]))

    def test_the_inbox_shows_messages_with_their_value_and_incidents_with_their_state(self, local: Local, cloud: Cloud) -> None:
        text, _ = shown(local, "/inbox")
        assert "<td>0.75</td><td>0.5</td>" in text
        assert 'class="state bad">open' in text
        assert 'class="error">&lt;script&gt;' in text
        assert "0.75, threshold 0.5" in shown(local, "/inbox", name=MESSAGE)[0]


class TestCloud:
    def test_calls_show_who_asked_what_and_what_was_refused(self, local: Local, cloud: Cloud) -> None:
        said = words(shown(local, "/calls")[0])
        assert re.search(r"404 storage.objects.get GET \S+ No such object <script>", said)
        assert "✗ storage.objects.get is not granted" in said
        assert "✓ storage.objects.get 250 ms" in said
        assert "no JSON <script>" in said

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"errors": "1"}, {404, 500}),
            ({"status": "2", "api": "storage"}, {200}),
            ({"status": "5"}, {500}),
            ({"api": "bigquery", "errors": "1"}, {500}),
            ({"text": "NO SUCH"}, {404}),
        ],
    )
    def test_calls_are_filtered(self, local: Local, cloud: Cloud, query: dict[str, str], expected: set[int]) -> None:
        # Other tests make calls, too: none of them names a script.
        text, _ = shown(local, "/calls", **{"text": "<script>", **query})
        found = {int(status) for status in re.findall(r"state \w+\">(\d{3})</span>", text[text.index("<tbody>") :])}
        assert found == expected

    def test_a_log_of_many_calls_is_read_page_by_page(self, tmp_path: Path) -> None:
        with other(tmp_path) as many:
            with many.cloud.store.transaction():
                for at in range(1500):
                    many.cloud.store.log(REQUESTS, json.dumps({"status": 200, "method": f"storage.objects.m{at}"}))
            address, found = "/calls", 0
            while address:
                text, parser = shown(many, "/calls", **{key: values[-1] for key, values in parse_qs(urlsplit(address).query).items()})
                found += len(re.findall(r"<b>storage.objects.m\d+</b>", text))
                address = next((one for one in parser.addresses if "before=" in one), "")
            assert found == 1500

    def test_resources_are_found_by_name_and_by_display_name(self, local: Local, cloud: Cloud) -> None:
        assert "training run-2" in shown(local, "/resources", text="TRAINING RUN-2")[0]
        assert "models/vision" in shown(local, "/resources", text="models/vis")[0]
        assert "training run-1" not in shown(local, "/resources", text="run_1")[0], "an underscore is no wildcard"

    def test_a_long_list_comes_in_pages(self, tmp_path: Path) -> None:
        with other(tmp_path) as many:
            for at in range(120):
                many.cloud.store.of("pubsub").put(f"projects/p/topics/t{at:03}", "Topic", {"name": f"projects/p/topics/t{at:03}"})
            found: list[str] = []
            address = "/resources?service=pubsub&kind=Topic"
            while address:
                text, parser = shown(many, "/resources", **{key: values[-1] for key, values in parse_qs(urlsplit(address).query).items()})
                found += re.findall(r">projects/p/topics/(t\d+)</a>", text)
                address = next((one for one in parser.addresses if one.startswith("/resources?") and f"page={len(found) // 50}" in one), "")
            assert found == [f"t{at:03}" for at in range(120)]

    @pytest.mark.parametrize(
        ("path", "query"),
        [
            ("/resources", {"service": "secret-payloads", "name": "projects/p/secrets/token/versions/1"}),
            ("/resources", {"service": "compute", "name": "projects/p/global/sslCertificates/c"}),
            ("/resources", {"text": "secrets"}),
            ("/keys", {}),
        ],
    )
    def test_nothing_secret_is_shown(self, local: Local, cloud: Cloud, path: str, query: dict[str, str]) -> None:
        answered = get(local, path, **query)[1]
        assert isinstance(answered.body, bytes)
        assert PAYLOAD.encode() not in answered.body

    def test_policies_are_shown_by_resource(self, local: Local, cloud: Cloud) -> None:
        assert f"b/raw storage roles/storage.admin user:{HOSTILE} day true" in words(shown(local, "/access", text="storage/b/raw")[0])

    def test_failed_operations_stand_first(self, local: Local, cloud: Cloud) -> None:
        text, _ = shown(local, "/operations")
        assert text.index("operations/bad</a>") < text.index("operations/good</a>")

    def test_an_empty_cloud_says_what_would_be_here(self, tmp_path: Path) -> None:
        with other(tmp_path) as empty:
            for path in VIEWS:
                if path not in ("/lineage", "/send"):
                    assert 'class="empty"' in shown(empty, path)[0], path

    @pytest.mark.parametrize(
        ("path", "query"),
        [
            ("/nothing", {}),
            ("/lineage", {}),
            ("/send", {}),
            ("/send", {"topic": "none"}),
            ("/runs", {"name": RUN, "task": "none"}),
            *((path, {"name": "none"}) for path in ("/runs", "/jobs", "/models", "/endpoints", "/datasets", "/experiments", "/features")),
            *((path, {"name": "none"}) for path in ("/inbox", "/bigquery", "/pubsub", "/operations")),
            ("/storage", {"bucket": "none"}),
            ("/storage", {"bucket": "raw", "object": "none"}),
            ("/storage", {"bucket": "raw/o/a", "prefix": ""}),
            ("/reset", {"api": "none"}),
            ("/resources", {"service": "aiplatform", "name": HOSTILE}),
        ],
    )
    def test_what_is_not_there_is_a_404_that_names_it(self, local: Local, cloud: Cloud, path: str, query: dict[str, str]) -> None:
        status, answered = get(local, path, **query)
        assert status == 404
        assert isinstance(answered.body, bytes)
        assert b"<script" not in answered.body
        assert b'class="empty"' in answered.body

    @pytest.mark.parametrize("value", ["²", "-1", "9" * 40, "\0", "%", "'", "../../etc/passwd"])
    def test_odd_parameters_break_no_page(self, local: Local, cloud: Cloud, value: str) -> None:
        for path in VIEWS:
            for key in ("page", "before", "text", "name", "service", "kind", "bucket", "resource", "api", "status", "topic", "live"):
                assert get(local, path, **{key: value})[0] in (200, 404), (path, key)

    @pytest.mark.parametrize(
        ("seconds", "said"),
        [(0, "now"), (59, "59 s ago"), (90, "1 min ago"), (7200, "2 h ago"), (3 * 86400, "3 days ago"), (-300, "in 5 min")],
    )
    def test_times_are_said_as_people_say_them(self, seconds: float, said: str) -> None:
        assert ago(seconds) == said


class TestActions:
    def test_a_message_is_sent_through_the_api_and_logged_as_the_owners(self, local: Local, cloud: Cloud) -> None:
        form = {"token": TOKEN, "topic": TOPIC, "data": "drift", "attributes": "task=vision\n\n a = b=c "}
        status, text = post(local, "/send", **form)
        assert status == 200, text
        assert "messageIds" in text
        assert f"/v1/{TOPIC}:publish" in cloud.store.last_lines(REQUESTS, 1)[0][2]
        asked = {"maxMessages": 10, "returnImmediately": True}
        _, pulled = local.call("POST", "/v1/projects/acme-test/subscriptions/inbox:pull", asked, host="pubsub.googleapis.com")
        message = pulled["receivedMessages"][-1]["message"]
        assert (message["data"], message["attributes"]) == ("ZHJpZnQ=", {"task": "vision", "a": "b=c"})

    def test_an_error_of_the_api_is_shown_and_the_form_keeps_its_text(self, local: Local, cloud: Cloud) -> None:
        endpoint = local.call("POST", "endpoints", {"displayName": "empty"})[1]["response"]["name"]
        status, text = post(local, "/send", token=TOKEN, endpoint=endpoint, body='{"instances": [1]}')
        assert 400 <= status < 500
        assert 'role="alert"' in text
        assert "{&quot;instances&quot;: [1]}</textarea>" in text

    @pytest.mark.parametrize(
        ("target", "form"), [("endpoint", {"body": "{"}), ("topic", {"data": "x", "attributes": "no value"}), ("topic", {})]
    )
    def test_what_cannot_be_sent_is_a_400_that_says_why(self, local: Local, cloud: Cloud, target: str, form: dict[str, str]) -> None:
        status, text = post(local, "/send", token=TOKEN, **{target: TOPIC if target == "topic" else ENDPOINT}, **form)
        assert status == 400
        assert 'role="alert"' in text

    def test_a_running_job_is_cancelled_by_its_button(self, local: Local, cloud: Cloud) -> None:
        pool = {
            "machineSpec": {"machineType": "n1-standard-4"},
            "replicaCount": "1",
            "containerSpec": {"imageUri": "shell", "args": ["-c", "sleep 60"]},
        }
        status, job = local.call("POST", "customJobs", {"displayName": "long", "jobSpec": {"workerPoolSpecs": [pool]}})
        assert status == 200, job
        name = job["name"]
        text, parser = shown(local, "/jobs", name=name)
        assert 'http-equiv="refresh"' in text
        assert "form" in parser.tags
        status, text = post(local, "/cancel", token=TOKEN, service="aiplatform", kind="CustomJob", name=name)
        assert status == 200, text
        ended = time.monotonic() + 20
        while (job := local.call("GET", name)[1])["state"] not in ("JOB_STATE_CANCELLED", "JOB_STATE_FAILED"):
            assert time.monotonic() < ended, job
        assert job["state"] == "JOB_STATE_CANCELLED"
        assert "form" not in shown(local, "/jobs", name=name)[1].tags, "what has ended cannot be cancelled"

    def test_a_running_operation_is_cancelled_at_the_api_that_made_it(self, local: Local, cloud: Cloud) -> None:
        name = f"{local.location}/operations/77"
        metadata = {"@type": "type.googleapis.com/google.cloud.aiplatform.v1.ImportDataOperationMetadata"}
        cloud.store.of("operations").put(name, "Operation", {"name": name, "done": False, "metadata": metadata})
        assert "form" in shown(local, "/operations", name=name)[1].tags
        assert post(local, "/cancel", token=TOKEN, service="operations", kind="Operation", name=name)[0] == 200
        assert f"{name}:cancel" in cloud.store.last_lines(REQUESTS, 1)[0][2]
        cloud.store.of("operations").remove(name)

    def test_a_reset_deletes_one_api_and_leaves_the_others(self, tmp_path: Path) -> None:
        with other(tmp_path) as own:
            for at in range(3):
                own.call("PUT", f"/v1/projects/p/topics/topic-{at}", {}, host="pubsub.googleapis.com")
            own.call("POST", "/storage/v1/b?project=p", {"name": "kept-bucket"}, host="storage.googleapis.com")
            confirmation, _ = shown(own, "/reset", api="pubsub")
            assert "Delete 3 resources of pubsub" in confirmation
            assert own.cloud.store.of("pubsub").count() == 3, "the confirmation deletes nothing"
            status, text = post(own, "/reset", token=TOKEN, api="pubsub")
            assert (status, own.cloud.store.of("pubsub").count()) == (200, 0), text
            assert own.cloud.store.of("storage").count("Bucket") == 1

    def test_a_reset_of_everything_goes_from_the_inside_out_and_names_what_stays(self, tmp_path: Path) -> None:
        with other(tmp_path) as own:
            versioned = {"name": "full-bucket", "versioning": {"enabled": True}}
            own.call("POST", "/storage/v1/b?project=p", versioned, host="storage.googleapis.com")
            for content in (b"older", b"newer"):
                own.cloud.objects.put("full-bucket", "a/b c?.txt", content)
            zone = {"name": "zone", "dnsName": "example.com.", "description": ""}
            own.call("POST", "/dns/v1/projects/p/managedZones", zone, host="dns.googleapis.com")
            Metadata(own.cloud.store).open(LOCATION)
            own.call("POST", "/v1/projects/p/locations/europe-west4/keyRings?keyRingId=ring", {}, host="cloudkms.googleapis.com")
            key = {"purpose": "ENCRYPT_DECRYPT"}
            own.call(
                "POST",
                "/v1/projects/p/locations/europe-west4/keyRings/ring/cryptoKeys?cryptoKeyId=key",
                key,
                host="cloudkms.googleapis.com",
            )
            status, text = post(own, "/reset", token=TOKEN, api="everything")
            assert status == 200
            assert [own.cloud.store.of(api).count() for api in ("storage", "storage-generations", "dns", "aiplatform")] == [0, 0, 0, 0]
            assert own.cloud.store.of("cloudresourcemanager").count("Project") == 1, "the project stays"
            left = own.cloud.store.of("cloudkms").count()
            assert f"{left} stayed" in text
            assert "cryptoKeys/key" in text

    @pytest.mark.parametrize("path", ["/send", "/cancel", "/reset"])
    @pytest.mark.parametrize(
        ("origin", "token"),
        [
            ("http://127.0.0.1:8080", ""),
            ("http://127.0.0.1:8080", "guessed"),
            ("http://evil.example.com", TOKEN),
            ("http://127.0.0.1:9090", TOKEN),
            ("null", TOKEN),
            ("", TOKEN),
        ],
    )
    def test_a_forged_form_is_refused(self, local: Local, cloud: Cloud, path: str, origin: str, token: str) -> None:
        before = cloud.store.last_lines(REQUESTS, 1)
        status, text = post(
            local, path, origin, token=token, topic=TOPIC, data="forged", api="pubsub", service="aiplatform", name=RUN, kind="PipelineJob"
        )
        assert status == 403
        assert "Nothing was done" in text
        assert cloud.store.last_lines(REQUESTS, 1) == before
        assert cloud.store.of("pubsub").get(TOPIC) is not None

    def test_nothing_but_the_three_actions_is_done(self, local: Local, cloud: Cloud) -> None:
        assert post(local, "/delete", token=TOKEN)[0] == 404
        assert post(local, "/", token=TOKEN)[0] == 404
        assert (
            post(local, "/cancel", token=TOKEN, service="secret-payloads", kind="Payload", name="projects/p/secrets/token/versions/1")[0]
            == 404
        )
        put = Request("PUT", "127.0.0.1", "/", "", {"host": "127.0.0.1:8080"}, b"")
        assert local.run(answer(put, local.cloud)).status == 405


class TestStore:
    def test_a_state_file_of_before_is_listed_newest_first(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "state.db")
        store.of("aiplatform").put("a/b/1", "Model", {"displayName": "first", "createTime": "2026-01-01T00:00:00Z"})
        store.of("aiplatform").put("a/b/2", "Model", {"displayName": "second", "createTime": "2026-01-02T00:00:00Z"})
        for statement in ("drop index newest", "alter table resources drop column made", "alter table resources drop column title"):
            store._database.execute(statement)
        store.close()
        again = Store(tmp_path / "state.db")
        assert [one.title for one in again.search("", "aiplatform", "Model")] == ["second", "first"]
        assert [name for name, _ in again.of("aiplatform").newest("Model")] == ["a/b/2", "a/b/1"]
        again.close()

    @pytest.mark.long
    def test_no_page_of_a_hundred_thousand_rows_takes_long(self, tmp_path: Path) -> None:
        with other(tmp_path) as many:
            store, padding = many.cloud.store, {f"key{at}": "value" * 6 for at in range(25)}
            with store.transaction():
                store.of("storage").put("b/raw", "Bucket", {"name": "raw"})
                for at in range(60_000):
                    name = f"a/{at % 300}/{at}.png"
                    body = {
                        "name": name,
                        "bucket": "raw",
                        "size": "10",
                        "timeCreated": f"2026-11-28T11:{at // 1000:02}:00Z",
                        "pad": padding,
                    }
                    store.of("storage").put(f"b/raw/o/{name}", "Object", body)
                for at in range(40_000):
                    name = f"{LOCATION}/models/{at}"
                    body = {"name": name, "displayName": f"model {at}", "createTime": f"2026-11-28T11:57:{at:06}Z", "pad": padding}
                    store.of("aiplatform").put(name, "Model", body)
                for at in range(100_000):
                    store.log(REQUESTS if at % 2 else f"resource {at % 50}", json.dumps({"status": 200, "method": "a.b.c"}))
            pages: list[tuple[str, dict[str, str]]] = [(path, {}) for path in VIEWS if path not in ("/lineage", "/send")]
            pages += [("/resources", {"text": "39999"}), ("/resources", {"service": "aiplatform", "kind": "Model", "page": "700"})]
            pages += [("/storage", {"bucket": "raw", "prefix": "a/"}), ("/calls", {"errors": "1"})]
            slow = {}
            for path, query in pages:
                shown(many, path, **query)
                begun = time.monotonic()
                shown(many, path, **query)
                slow[path, str(query)] = time.monotonic() - begun
            # Where the machine is quiet, none takes 50 ms; five times that is no page that reads all.
            assert max(slow.values()) < 0.25, sorted(slow.items(), key=lambda item: -item[1])[:3]
