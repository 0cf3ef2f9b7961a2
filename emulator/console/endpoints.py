"""Endpoints: what is deployed, how the traffic is split, and what was answered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.console.markup import Child, Markup, duration, element, join, link, moment, section, share, table
from emulator.console.parts import NothingThere, Query, last, linked, log_of, number, pages, properties, tags
from emulator.engines.traffic import FAILED, Answers, Latency, answers, latencies

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

VERSIONS = "model-versions"
MINUTES = 60
ROWS = 10
BAR, GAP, TALL = 8, 2, 48


async def view(cloud: Cloud, query: Query) -> Markup:
    """A page of endpoints with their deployed models, or with `name` one of them with its log."""
    kept = cloud.store.of("aiplatform")
    if name := query.get("name"):
        one = kept.get(name)
        if one is None or "/endpoints/" not in name:
            raise NothingThere(f"There is no endpoint {name}.")
        return join([_endpoint(cloud, one), section("Log of its containers", log_of(cloud, name))])
    at = number(query)
    found = kept.newest("Endpoint", at * ROWS, ROWS + 1)
    if not found and not at:
        return element("p", "There is no endpoint. What Terraform declares, or an SDK creates, appears here.", class_="empty")
    return join(
        [*(_endpoint(cloud, one) for _, one in found[:ROWS]), pages("/endpoints", query, len(found) > ROWS, len(found[:ROWS]), ROWS)]
    )


def _endpoint(cloud: Cloud, endpoint: Json) -> Markup:
    name = endpoint["name"]
    counted, took = answers(cloud.metrics, name), latencies(cloud.metrics, name)
    total, errors = sum(one.total for one in counted.values()), sum(one.errors for one in counted.values())
    split, deployed = endpoint.get("trafficSplit", {}), endpoint.get("deployedModels", [])
    rows = [_row(cloud, one, split.get(one["id"], 0), counted.get(one["id"], Answers()), total, took.get(one["id"])) for one in deployed]
    known = {one["id"] for one in deployed}
    rows += [
        [element("span", f"{id_} (undeployed)", class_="empty"), None, None, *_counts(one, total), _latency(took.get(id_)), None]
        for id_, one in sorted(counted.items())
        if id_ not in known
    ]
    heads = ["Deployed model", "Version", "Traffic split", "Answers", "Errors", "Latency", "Since"]
    return section(
        link(endpoint.get("displayName") or last(name), "/endpoints", name=name),
        properties(
            {
                "Endpoint": link(last(name), "/resources", service="aiplatform", name=name),
                "Answers": f"{total}, {errors} of them errors" if total else "none yet",
                f"Last {MINUTES} minutes": _minutes(counted, time.time()) if total else None,
                "Request log": linked(
                    endpoint.get("predictRequestResponseLoggingConfig", {}).get("bigqueryDestination", {}).get("outputUri")
                ),
                "Predict": link("Send a request …", "/send", endpoint=name) if deployed else None,
            }
        ),
        table(heads, rows, "No model is deployed here: predictions are refused. Model.deploy() deploys one."),
    )


def _row(cloud: Cloud, deployed: Json, percent: int, counted: Answers, all_answers: int, took: Latency | None) -> list[Child]:
    version = f"{deployed['model']}@{deployed.get('modelVersionId', '1')}"
    kept = cloud.store.of(VERSIONS).get(f"{deployed['model']}/versions/{deployed.get('modelVersionId', '1')}")
    model = link(last(version), "/models", name=deployed["model"])
    return [
        join([deployed.get("displayName") or deployed["id"], element("div", deployed["id"], class_="id")]),
        join([model, " ", tags((kept or {}).get("versionAliases", []))]),
        share(percent),
        *_counts(counted, all_answers),
        _latency(took),
        moment(deployed.get("createTime", "")),
    ]


def _counts(counted: Answers, all_answers: int) -> list[Child]:
    """Answers with their share of the endpoint's, and the errors among them."""
    if not counted.total:
        return [0, None]
    codes = ", ".join(f"{count} × {code}" for code, count in sorted(counted.codes.items()) if int(code) >= FAILED)
    errors = element("span", f"{counted.errors} ({codes})", class_="bad") if counted.errors else 0
    return [join([f"{counted.total:,}", element("div", share(round(100 * counted.total / all_answers)))]), errors]


def _latency(took: Latency | None) -> Markup | None:
    """What an answer took on average, and what all but few took at most."""
    if took is None:
        return None
    slow = element("div", "95 % within ", duration(took.percentile / 1000), class_="id") if took.percentile else None
    return join([duration(took.mean / 1000), slow])


def _minutes(counted: Mapping[str, Answers], present: float) -> Markup:
    """Answers by the minute as bars, errors in their own colour."""
    first = int(present // 60) - MINUTES + 1
    columns = [
        (
            sum(one.minutes[minute] for one in counted.values()),
            sum(one.failed[minute] for one in counted.values()),
        )
        for minute in range(first, first + MINUTES)
    ]
    most = max(max(all_ for all_, _ in columns), 1)
    bars = []
    for at, (all_, failed) in enumerate(columns):
        x = at * (BAR + GAP)
        for count, kind in ((all_, "all"), (failed, "failed")):
            if count:
                tall = max(round(TALL * count / most), 2)
                title = element("title", f"{MINUTES - at - 1} min ago: {all_} answers, {failed} errors")
                bars.append(
                    element("rect", title, x=str(x), y=str(TALL - tall), width=str(BAR), height=str(tall), rx="1", class_=f"minute {kind}")
                )
    width = MINUTES * (BAR + GAP)
    return element(
        "svg",
        *bars,
        element("path", d=f"M0 {TALL + 0.5}H{width}", class_="edge"),
        viewBox=f"0 0 {width} {TALL + 1}",
        class_="minutes",
        role="img",
        aria_label=f"Answers by the minute, at most {most}, {sum(failed for _, failed in columns)} of all errors",
    )
