"""The console shows what there is, escapes it, needs no script and nothing from elsewhere, and says what is missing."""

import asyncio
import html.parser
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emulator.console import page
from emulator.console.graph import drawn
from emulator.engines.alerts import NOTIFICATIONS
from emulator.engines.metrics import Metrics
from emulator.engines.objects import Objects
from emulator.engines.traffic import Traffic
from emulator.store import Store

HOSTILE = '<script>alert("x")</script>'
RUN = "projects/p/locations/europe-west4/pipelineJobs/run-1"
MODEL = "projects/p/locations/europe-west4/models/vision"
ENDPOINT = "projects/p/locations/europe-west4/endpoints/1"
MESSAGE = "projects/p/alerts/1/OPENED/2"


class Parser(html.parser.HTMLParser):
    """Collects tags and addresses, and fails where elements do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

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


@pytest.fixture
def cloud(tmp_path: Path) -> Any:
    """State as the engines leave it."""
    store = Store(tmp_path / "state.db")
    ai = store.of("aiplatform")
    tasks = [
        step("run-1", "", 0, taskId="root"),
        step("evaluate", "root", 20, "FAILED", error={"message": f"accuracy {HOSTILE}"}),
        step("train", "root", 10),
        step("fit", "id-train", 11),
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
    store.of("model-versions").put(f"{MODEL}@2", "Model", {"name": MODEL, "versionId": "2", "versionAliases": ["default", "champion"]})
    store.of("operations").put("operations/good", "Operation", {"name": "operations/good", "done": True})
    store.of("operations").put("operations/bad", "Operation", {"name": "operations/bad", "done": True, "error": {"message": HOSTILE}})
    store.of("storage").put("b/raw", "Bucket", {"name": "raw", "location": "EU"})
    objects = Objects(tmp_path / "objects", store)
    for name in ("a/one.png", "a/b/two.png", "read me.txt"):
        objects.put("raw", name, b"x" * 2048)
    for at in range(3):
        store.log(RUN, f"line {at} {HOSTILE}")
    policy = {"name": "projects/p/alertPolicies/3", "displayName": f"drift {HOSTILE}"}
    store.of("monitoring").put(policy["name"], "AlertPolicy", policy)
    about = {"metric": {"type": "custom.googleapis.com/drift", "labels": {"task": HOSTILE}}, "resource": {"type": "global"}}
    alert = {"state": "OPEN", "openTime": "2026-11-25T09:00:00Z", "policy": policy, **about}
    store.of("monitoring").put("projects/p/alerts/1", "Alert", alert)
    mail = {"type": "email", "to": HOSTILE, "subject": f"[ALERT] {HOSTILE}", "body": HOSTILE, "policy": policy}
    sent = {"alert": "projects/p/alerts/1", "value": 0.75, "threshold": 0.5, "time": "2026-11-25T09:00:00Z", "problem": HOSTILE}
    store.of(NOTIFICATIONS).put(MESSAGE, "Notification", {**mail, **sent})
    found = SimpleNamespace(state=tmp_path, store=store, objects=objects, metrics=Metrics(store), at_end=lambda end: None)
    found.alerts = SimpleNamespace(written=lambda *_: None)
    asyncio.run(predictions(found))
    return found


async def predictions(cloud: Any) -> None:
    """Eight answers of the champion, two of the challenger, one of a model that is gone."""
    traffic = Traffic(cloud)
    for deployed, code in [("7", 200)] * 8 + [("8", 200), ("8", 500), ("6", 200)]:
        traffic.count(ENDPOINT, deployed, code, 10.0)


def shown(cloud: Any, path: str, **query: str) -> tuple[str, Parser]:
    status, content_type, body = page(path, {name: [value] for name, value in query.items()}, cloud)
    assert (status, content_type) == (200, "text/html; charset=utf-8")
    parser = Parser()
    parser.feed(body.decode())
    assert parser.open == []
    return body.decode(), parser


PAGES: list[tuple[str, dict[str, str]]] = [
    ("/", {}),
    ("/runs", {}),
    ("/runs", {"name": RUN}),
    ("/models", {}),
    ("/endpoints", {}),
    ("/inbox", {}),
    ("/inbox", {"name": MESSAGE}),
    ("/storage", {}),
    ("/storage", {"bucket": "raw", "prefix": "a/"}),
    ("/operations", {}),
    ("/logs", {}),
    ("/logs", {"resource": RUN}),
    ("/logs", {"resource": HOSTILE}),
    ("/resources", {}),
    ("/resources", {"service": "aiplatform", "kind": "PipelineJob"}),
    ("/resources", {"service": "aiplatform", "name": RUN}),
]


@pytest.mark.parametrize(("path", "query"), PAGES)
def test_every_page_is_whole_escaped_and_needs_nothing_from_elsewhere(cloud: Any, path: str, query: dict[str, str]) -> None:
    text, parser = shown(cloud, path, **query)
    assert "<script" not in text
    assert not parser.tags & {"script", "img", "iframe", "form"}
    assert all(address.startswith(("/", "#")) or address == "data:," for address in parser.addresses)
    assert {address[1:] for address in parser.addresses if address.startswith("#")} <= set(parser.ids)
    assert len(parser.ids) == len(set(parser.ids))


def test_every_link_leads_to_a_page(cloud: Any) -> None:
    from urllib.parse import parse_qs, urlsplit

    waiting, seen = ["/"], set()
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        split = urlsplit(address)
        status, _, body = page(split.path, parse_qs(split.query), cloud)
        assert status == 200, address
        parser = Parser()
        parser.feed(body.decode())
        waiting += [found for found in parser.addresses if found.startswith("/")]
    assert len(seen) > 20


def test_a_run_shows_its_steps_below_their_parents_with_states_times_and_errors(cloud: Any) -> None:
    text, _ = shown(cloud, "/runs", name=RUN)
    steps = text[text.index("<h2>Steps</h2>") : text.index("<h2>Parameters</h2>")]
    places = [steps.index(f">{name}</span>") for name in ("train", "fit", "evaluate")]
    assert places == sorted(places)
    assert 'style="padding-left: 1.25rem">fit' in steps
    assert 'class="state bad">failed' in steps
    assert "accuracy &lt;script&gt;" in steps
    assert "5.0 s" in steps
    assert "run-1" not in steps
    assert steps.count("<time") == 8, "a step that was never triggered has no time"


def test_runs_are_listed_newest_first_with_progress(cloud: Any) -> None:
    text, _ = shown(cloud, "/runs")
    assert text.index("training run-2") < text.index("training run-1")
    assert "6 of 9" in text


def test_a_page_on_which_something_moves_asks_again_and_others_do_not(cloud: Any) -> None:
    assert 'http-equiv="refresh"' in shown(cloud, "/runs")[0]
    assert 'http-equiv="refresh"' not in shown(cloud, "/runs", name=RUN)[0]


def test_a_run_is_drawn_with_its_groups_its_loops_and_the_edges_that_do_not_follow_from_others(cloud: Any) -> None:
    text, _ = shown(cloud, "/runs", name=RUN)
    graph = text[text.index("<svg") : text.index("</svg>")]
    assert [graph.count(f'class="{kind}"') for kind in ("step good", "step bad", "group good", "step", "edge")] == [1, 2, 2, 1, 3]
    assert "convert: failed · 1 of 2" in graph
    assert "2 turns" in graph
    assert "deploy: not triggered" in graph
    assert '<a href="#task-id-evaluate">' in graph
    columns = {name: int(re.search(rf'<title>{name}: [^<]*</title><rect x="(\d+)"', graph)[1]) for name in ("train", "evaluate", "deploy")}  # type: ignore[index]
    assert columns["train"] < columns["evaluate"] < columns["deploy"]


def test_a_run_that_waits_is_drawn_before_its_first_step_has_begun(cloud: Any) -> None:
    text, _ = shown(cloud, "/runs", name=RUN.replace("run-1", "run-2"))
    graph = text[text.index("<svg") : text.index("</svg>")]
    assert graph.count("○ waiting") == 6
    assert "<a " not in graph


def test_a_graph_whose_tasks_wait_for_each_other_is_drawn_all_the_same() -> None:
    tasks = {"a": {"dependentTasks": ["b"]}, "b": {"dependentTasks": ["a", "unknown"]}}
    drawing = drawn({"pipelineSpec": {"root": {"dag": {"tasks": tasks}}}})
    assert drawing is not None
    assert drawing.count("<rect") == 2


def test_endpoints_show_split_answers_and_errors_of_each_deployed_model(cloud: Any) -> None:
    text, _ = shown(cloud, "/endpoints")
    rows = [re.sub(r"<[^>]+>", "|", row) for row in text[text.index("<tbody>") :].split("<tr>")[1:]]
    champion, challenger, gone = rows
    assert [part.strip() for part in champion.split("|") if part.strip()] == [
        "champion", "7", "vision@2", "default", "champion", "90 %", "8", "73 %", "0", "2026-11-25 09:00:00",
    ]  # fmt: skip
    assert "10 %" in challenger
    assert "1 (1 × 500)" in challenger
    assert "6 (undeployed)" in gone
    assert "11, 1 of them errors" in text
    assert '<svg viewBox="0 0 600 49" class="minutes"' in text


def test_versions_show_their_aliases(cloud: Any) -> None:
    assert "champion</span>" in shown(cloud, "/models")[0]


def test_the_inbox_shows_messages_with_their_value_and_incidents_with_their_state(cloud: Any) -> None:
    text, _ = shown(cloud, "/inbox")
    assert "<td>0.75</td><td>0.5</td>" in text
    assert 'class="state bad">open' in text
    assert 'class="error">&lt;script&gt;' in text
    message, _ = shown(cloud, "/inbox", name=MESSAGE)
    assert "0.75, threshold 0.5" in message


def test_objects_are_shown_by_folder(cloud: Any) -> None:
    top, _ = shown(cloud, "/storage", bucket="raw")
    below, _ = shown(cloud, "/storage", bucket="raw", prefix="a/")
    assert "2 objects" in top
    assert "read me.txt" in top
    assert "one.png" in below
    assert "read me.txt" not in below


def test_failed_operations_stand_first(cloud: Any) -> None:
    text, _ = shown(cloud, "/operations")
    assert text.index("operations/bad</a>") < text.index("operations/good</a>")


def test_an_empty_cloud_says_what_would_be_here(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    empty = SimpleNamespace(state=tmp_path, store=store, objects=Objects(tmp_path / "objects", store), metrics=Metrics(store))
    for path in ("/", "/runs", "/models", "/endpoints", "/inbox", "/storage", "/operations", "/logs", "/resources"):
        assert 'class="empty"' in shown(empty, path)[0]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/nothing", {}),
        ("/runs", {"name": ["none"]}),
        ("/inbox", {"name": ["none"]}),
        ("/storage", {"bucket": ["none"]}),
        ("/resources", {"service": ["aiplatform"], "name": [HOSTILE]}),
    ],
)
def test_what_is_not_there_is_a_404_that_names_it(cloud: Any, path: str, query: dict[str, list[str]]) -> None:
    status, _, body = page(path, query, cloud)
    assert status == 404
    assert b"<script" not in body
    assert b'class="empty"' in body
