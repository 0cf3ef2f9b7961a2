"""Statements with answers worked out by hand, each through `jobs.query`: `bigquery_statements.yaml`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from emulator.engines.bigquery.declarations import standard

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

Json = dict[str, Any]

FILE = yaml.safe_load(Path(__file__).with_name("bigquery_statements.yaml").read_text())
HOST = "bigquery.googleapis.com"
PROJECT = "/bigquery/v2/projects/acme-test"


def asked(local: Local, sql: str, **options: Any) -> tuple[int, Json]:
    """Status and answer of `jobs.query`."""
    body = {"query": sql, "useLegacySql": False, "formatOptions": {"useInt64Timestamp": True}, **options}
    return local.call("POST", f"{PROJECT}/queries", body, host=HOST)


def plain(value: Any) -> Any:
    """REST's value without its wrappers: an array or a record is a list."""
    if isinstance(value, list):
        return [plain(one["v"]) for one in value]
    return [plain(one["v"]) for one in value["f"]] if isinstance(value, dict) else value


@pytest.fixture(scope="module")
def tables(local: Local) -> Local:
    status, answer = local.call("POST", f"{PROJECT}/datasets", {"datasetReference": {"datasetId": "d"}}, host=HOST)
    assert status == 200, answer
    for sql in FILE["tables"]:
        status, answer = asked(local, sql)
        assert status == 200, (sql, answer)
    return local


@pytest.mark.parametrize("case", FILE["statements"], ids=[case["sql"][:100] for case in FILE["statements"]])
def test_a_statement_has_the_answer_worked_out_by_hand(tables: Local, case: Json) -> None:
    for sql in case.get("setup", []):
        status, answer = asked(tables, sql)
        assert status == 200, (sql, answer)
    status, answer = asked(
        tables,
        case["sql"],
        **{key: case[key] for key in ("queryParameters", "dryRun", "maximumBytesBilled", "useLegacySql") if key in case},
    )
    if "refused" in case:
        assert 400 <= status < 500, answer
        assert re.search(case["refused"], answer["error"]["message"]), answer["error"]["message"]
        return
    assert status == 200, answer
    if "then" in case:
        assert answer.get("numDmlAffectedRows") == case.get("affected")
        status, answer = asked(tables, case["then"])
        assert status == 200, answer
    if "types" in case:
        assert [standard(one) for one in answer["schema"]["fields"]] == case["types"]
    if "names" in case:
        assert [one["name"] for one in answer["schema"]["fields"]] == case["names"]
    assert [plain(row) for row in answer.get("rows", [])] == case["rows"]
