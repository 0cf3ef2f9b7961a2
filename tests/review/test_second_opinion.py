"""The table in docs/review.md is what checkov says of the corpus today."""

import pytest

from tests.review import second_opinion
from tests.review.risks import Case


@pytest.mark.long
def test_the_table_is_what_checkov_says() -> None:
    assert second_opinion.main(["--check"]) == 0, f"run {second_opinion.COMMAND}"


def test_a_check_counts_only_when_the_change_made_it_fail() -> None:
    open_ = {"public_access_prevention": "inherited"}
    change = Case(what="opened", type="google_storage_bucket", after=open_)
    kept = Case(what="kept", type="google_storage_bucket", before=open_, after={"labels": {"owner": "web"}})
    found = second_opinion.failing({"opened": [change], "kept": [kept]})
    assert "CKV_GCP_114" in found["opened"] & found["kept"]
    assert second_opinion.noticed([change, kept]) == [{"CKV_GCP_114"}, set()]
