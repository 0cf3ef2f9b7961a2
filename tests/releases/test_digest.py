"""What identifies a plan, and the commit that it is of."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.terraform.errors import TerraformFailed
from infra.terraform.saved import identity
from releases import commit
from releases.commit import CommitError
from releases.digest import of_changes


def shown(**other: Any) -> dict[str, Any]:
    """What Terraform says of a plan that changes one resource and leaves one."""
    return {
        "timestamp": "2026-03-01T00:00:00Z",
        "prior_state": {"values": {}},
        "resource_changes": [
            {"address": "b.b", "change": {"actions": ["update"], "before": {"a": 1}, "after": {"a": 2}}},
            {"address": "a.a", "change": {"actions": ["no-op"], "before": {"etag": "x"}, "after": {"etag": "x"}}},
        ],
        "output_changes": {"o": {"actions": ["no-op"]}},
        **other,
    }


def test_time_order_and_what_is_left_alone_do_not_count() -> None:
    changed, left = shown()["resource_changes"]
    read_anew = {**left, "change": {"actions": ["no-op"], "before": {"etag": "y"}, "after": {"etag": "y"}}}
    same = [
        shown(timestamp="2026-03-02T00:00:00Z"),
        shown(prior_state={"values": {"a": 1}}),
        shown(resource_changes=[left, changed]),
        shown(resource_changes=[read_anew, changed]),
        shown(output_changes={}),
    ]
    assert {of_changes(one) for one in same} == {of_changes(shown())}


def test_whatever_would_be_done_counts() -> None:
    changed, left = shown()["resource_changes"]
    other = [
        shown(resource_changes=[left]),
        shown(resource_changes=[{**changed, "change": {**changed["change"], "after": {"a": 3}}}, left]),
        shown(resource_changes=[{**changed, "change": {**changed["change"], "actions": ["delete", "create"]}}, left]),
        shown(resource_changes=[changed, {**left, "change": {**left["change"], "importing": {"id": "x"}}}]),
        shown(resource_changes=[changed, {**left, "previous_address": "a.before"}]),
        shown(output_changes={"o": {"actions": ["create"]}}),
        shown(errored=True),
        shown(deferred_changes=[{"reason": "unknown"}]),
    ]
    digests = {of_changes(one) for one in [shown(), *other]}
    assert len(digests) == len(other) + 1


def test_a_commit_says_who_wrote_it_and_whether_the_tree_holds_more(tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=e", "-c", "user.email=committer@example.com"]
    (tmp_path / "a").write_text("1")
    author = ["--author", "Author <author@example.com>"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first", *author]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    found = commit.of(tmp_path)
    assert (found.author, found.committer, found.dirty, len(found.id)) == ("author@example.com", "committer@example.com", False, 40)
    (tmp_path / "new").write_text("2")
    assert commit.of(tmp_path).dirty, "what is not tracked may be read all the same"


def test_what_is_no_checkout_has_no_commit(tmp_path: Path) -> None:
    with pytest.raises(CommitError, match="it is no git checkout"):
        commit.of(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not an archive"])
def test_a_file_that_is_no_plan_is_refused(content: bytes, tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    plan.write_bytes(content)
    with pytest.raises(TerraformFailed, match="does not say what it was made from"):
        identity(plan, shown(), {"configuration": "", "terraform": "", "provider": "", "commit": ""}, "dev-data")
