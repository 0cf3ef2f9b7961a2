"""What each kind of result proves and what it does not: the levels of evidence, strongest first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

LEVELS = (
    "run on Google Cloud",
    "accepted by the true provider or client",
    "valid by the published schema",
    "declared only",
)
MEASURED = "measured here"
"""Of what needs no service of Google's."""


@dataclass(frozen=True)
class Evidence:
    """One kind of result."""

    result: str
    level: str
    proves: str
    open: str
    """What it does not prove."""


def evidence(emulated: bool, stand_in: bool, today: date, reached: Collection[str] = ()) -> list[Evidence]:
    """What the results of a run prove.

    Args:
        emulated: whether the local Google Cloud answered.
        stand_in: whether the stand-in took the google provider's place.
        today: the date of the run.
        reached: of `parity`, `drift`, `rollout` and `features`, those that have results.
    """
    if not emulated:
        level = f"{LEVELS[0]} ({today.isoformat()})"
        return [
            Evidence("Infrastructure", level, "the stacks apply in this project", "other projects, quotas elsewhere"),
            Evidence("Pipelines, registry, endpoints", level, "Vertex AI accepts and runs them", "behaviour under load"),
            Evidence("Gemini labels", level, "agreement and coverage of the named model", "other data"),
            Evidence("Accuracy", level, "these models on these frozen rows", "other data"),
            *_closing(level, reached),
        ]
    client = LEVELS[1]
    return [
        Evidence(
            "Infrastructure",
            LEVELS[2] if stand_in else client,
            "types, references and order are right" if stand_in else "the google provider plans, creates and reads every resource back",
            "Google's own semantic checks: quotas, enabled APIs, role names, costs",
        ),
        Evidence(
            "Storage, pipelines, registry, endpoints",
            client,
            "Google's own client libraries made these calls and understood the answers; requests fit Google's discovery documents",
            "latency, scaling, permissions and quotas on Google Cloud",
        ),
        Evidence(
            "Accuracy, confusion, gates",
            MEASURED,
            "real training on real data; what is served is what was measured, on rows frozen by digest",
            "other data",
        ),
        Evidence(
            "Gemini labels",
            client,
            "Google's client library sent the request and read the structured answer; abstentions and agreement are counted",
            "Gemini's own quality: small models on this machine answered in its place",
        ),
        Evidence(
            "Container images",
            LEVELS[3],
            "their entry points ran with the variables that Vertex AI sets",
            "that the images build: no container was started",
        ),
        *_closing(client, reached),
        Evidence(
            "Permissions", LEVELS[3], "identities and grants are declared", "that they suffice and are least: nothing here enforced them"
        ),
    ]


def _closing(service: str, reached: Collection[str]) -> list[Evidence]:
    """The second half of the loop; `service` is the level of what Google's services, or their stand-in, took part in."""
    found = {
        "parity": Evidence(
            "Parity of the engines",
            MEASURED,
            "the same raw rows gave the same probabilities in each engine that is listed",
            "other browsers, WebGL and WebGPU, rows that were not asked",
        ),
        "drift": Evidence(
            "Drift",
            MEASURED,
            "the tests stay silent on rows as they come and find the injected shift, on traffic that was logged and read back",
            "subtler shifts; how often a silent month would alarm",
        ),
        "rollout": Evidence(
            "Canary, promotion, rollback",
            service,
            "Google's own client libraries moved traffic and alias; labelled requests decided, and bad challengers were stopped",
            "load, latency and start-up of Vertex AI's machines; traffic of real users",
        ),
        "features": Evidence(
            "Features",
            service,
            "Google's own client libraries wrote the rows and read them back",
            "latency and synchronisation of the online store on Google Cloud",
        ),
    }
    return [found[name] for name in found if name in reached]
