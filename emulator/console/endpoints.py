"""Endpoints: what is deployed, how the traffic is split, and what was answered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.console.markup import Child, Markup, element, join, link, moment, section, share, table
from emulator.console.parts import last, properties
from emulator.engines.traffic import FAILED, Answers, answers

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

VERSIONS = "model-versions"
MINUTES = 60
BAR, GAP, TALL = 8, 2, 48


def view(cloud: Cloud, query: Mapping[str, str]) -> Markup:
    """Every endpoint with its deployed models."""
    found = cloud.store.of("aiplatform").list(kind="Endpoint")
    if not found:
        return element("p", "There is no endpoint. What Terraform declares, or an SDK creates, appears here.", class_="empty")
    return join(_endpoint(cloud, one) for one in found)


def _endpoint(cloud: Cloud, endpoint: Json) -> Markup:
    counted = answers(cloud.metrics, endpoint["name"])
    total, errors = sum(one.total for one in counted.values()), sum(one.errors for one in counted.values())
    split, deployed = endpoint.get("trafficSplit", {}), endpoint.get("deployedModels", [])
    rows = [_row(cloud, one, split.get(one["id"], 0), counted.get(one["id"], Answers()), total) for one in deployed]
    known = {one["id"] for one in deployed}
    rows += [
        [element("span", f"{id_} (undeployed)", class_="empty"), None, None, *_counts(one, total), None]
        for id_, one in sorted(counted.items())
        if id_ not in known
    ]
    heads = ["Deployed model", "Version", "Traffic split", "Answers", "Share of answers", "Errors", "Since"]
    return section(
        link(endpoint.get("displayName") or last(endpoint["name"]), "/resources", service="aiplatform", name=endpoint["name"]),
        properties(
            {
                "Endpoint": last(endpoint["name"]),
                "Answers": f"{total}, {errors} of them errors" if total else "none yet",
                f"Last {MINUTES} minutes": _minutes(counted, time.time()) if total else None,
                "Request log": endpoint.get("predictRequestResponseLoggingConfig", {}).get("bigqueryDestination", {}).get("outputUri"),
                "Log": link("lines of its containers", "/logs", resource=endpoint["name"]),
            }
        ),
        table(heads, rows, "No model is deployed here: predictions are refused."),
    )


def _row(cloud: Cloud, deployed: Json, percent: int, counted: Answers, all_answers: int) -> list[Child]:
    version = f"{deployed['model']}@{deployed.get('modelVersionId', '1')}"
    aliases = (cloud.store.of(VERSIONS).get(version) or {}).get("versionAliases", [])
    model = link(last(version), "/resources", service=VERSIONS, name=version)
    return [
        join([deployed.get("displayName") or deployed["id"], element("div", deployed["id"], class_="id")]),
        join([model, *(element("span", alias, class_="tag") for alias in aliases)]),
        share(percent),
        *_counts(counted, all_answers),
        moment(deployed.get("createTime", "")),
    ]


def _counts(counted: Answers, all_answers: int) -> list[Child]:
    """Answers, their share of the endpoint's, and the errors among them."""
    if not counted.total:
        return [0, None, None]
    codes = ", ".join(f"{count} × {code}" for code, count in sorted(counted.codes.items()) if int(code) >= FAILED)
    errors = element("span", f"{counted.errors} ({codes})", class_="bad") if counted.errors else 0
    return [counted.total, share(round(100 * counted.total / all_answers)), errors]


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
        aria_label=f"Answers by the minute, at most {most}",
    )
