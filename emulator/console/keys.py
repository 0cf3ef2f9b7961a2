"""Names of secrets and their versions, never what they hold; keys and their versions, never their material."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from emulator.console.markup import Child, Markup, join, moment, section, state, table
from emulator.console.parts import PAGE, Query, last, number, pages, resource_link

if TYPE_CHECKING:
    from emulator.cloud import Cloud

VERSIONS = 200
"""Versions of one secret or key that are counted."""


async def view(cloud: Cloud, query: Query) -> Markup:
    """Secrets, then keys."""
    secrets = _rows(cloud, "secretmanager", "Secret", "versions", query)
    keys = _rows(cloud, "cloudkms", "CryptoKey", "cryptoKeyVersions", query)
    more = max(len(secrets), len(keys)) > PAGE
    return join(
        [
            section(
                "Secrets",
                table(
                    ["Secret", "Project", "Versions", "Rotation", "Created"],
                    secrets[:PAGE],
                    "There is no secret. Terraform (google_secret_manager_secret) or the SDK creates one; its payload is never shown.",
                ),
            ),
            section(
                "Keys",
                table(
                    ["Key", "Ring", "Versions", "Rotation", "Created"],
                    keys[:PAGE],
                    "There is no key. Terraform (google_kms_crypto_key) creates one.",
                ),
            ),
            pages("/keys", query, more, min(max(len(secrets), len(keys)), PAGE)),
        ]
    )


def _rows(cloud: Cloud, service: str, kind: str, below: str, query: Query) -> list[list[Child]]:
    kept = cloud.store.of(service)
    rows: list[list[Child]] = []
    for name, one in kept.newest(kind, number(query) * PAGE, PAGE + 1):
        versions = kept.between(f"{name}/{below}/", f"{name}/{below}0", VERSIONS)
        states = Counter(str(version.get("state", "")) for _, version in versions)
        due = one.get("nextRotationTime") or one.get("rotation", {}).get("nextRotationTime")
        period = one.get("rotationPeriod") or one.get("rotation", {}).get("rotationPeriod")
        rows.append(
            [
                resource_link(last(name), service, kind, name),
                name.rpartition("/")[0].rpartition("/")[0],
                join(part for reached, count in states.items() for part in (f"{count} ", state(reached), " ")),
                join([f"every {period}", ", next " if due else None, moment(due or "")]) if period else None,
                moment(one.get("createTime", "")),
            ]
        )
    return rows
