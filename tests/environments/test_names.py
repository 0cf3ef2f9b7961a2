"""Names are derived: unique between teams and environments, and always of the form that Google accepts."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

import environments
from environments import Names, Organisation
from environments.names import shorten

PARTS = ["prefix", "team", "environment", "purpose"]
word = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)


def organisation(prefix: str, team: str, order: list[str]) -> Organisation:
    return Organisation.model_validate({"prefix": prefix, "team": team, "order": order, "labels": {}, "required_labels": []})


def all_names(names: Names) -> dict[str, str]:
    """Every name that must be unique within a project, or on all of Google Cloud."""
    tasks = [task.name for task in environments.tasks().tasks]
    found = {f"bucket {b}": names.bucket(b) for b in names.BUCKETS}
    found |= {f"account {d}": names.service_account(d) for d in names.DUTIES}
    found |= {f"topic {t}": names.topic(t) for t in names.TOPICS}
    found |= {f"secret {s}": names.secret(s) for s in names.SECRETS}
    found |= {f"endpoint {t}": names.endpoint(t) for t in tasks} | {f"model {t}": names.model(t) for t in tasks}
    found |= {f"group {t}": names.feature_group(t) for t in tasks} | {f"view {t}": names.feature_view(t) for t in tasks}
    return found | {
        "state": names.state_bucket,
        "dataset": names.dataset,
        "repository": names.repository,
        "network": names.network,
        "workbench": names.workbench_instance("python"),
        "store": names.online_store,
    }


@settings(max_examples=100, derandomize=True, deadline=None)
@given(one=st.tuples(word, word), other=st.tuples(word, word), order=st.permutations(PARTS))
def test_two_teams_in_one_project_never_share_a_name(one: tuple[str, str], other: tuple[str, str], order: list[str]) -> None:
    if one == other:
        return
    environment = environments.load("dev")
    first = all_names(Names(organisation(*one, order), environment))
    second = all_names(Names(organisation(*other, order), environment))
    assert not set(first.values()) & set(second.values())


def test_two_environments_never_share_a_name() -> None:
    seen: dict[str, str] = {}
    for environment in environments.load_all():
        for name in all_names(Names(environments.organisation(), environment)).values():
            assert name not in seen, f"{environment.name} and {seen.get(name)} share {name}"
            seen[name] = environment.name


@settings(max_examples=100, derandomize=True, deadline=None)
@given(prefix=word, team=word, order=st.permutations(PARTS))
def test_every_name_has_the_form_that_google_accepts(prefix: str, team: str, order: list[str]) -> None:
    for environment in environments.load_all():
        names = Names(organisation(prefix, team, order), environment)
        for bucket in names.BUCKETS:
            assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", names.bucket(bucket))
        for duty in names.DUTIES:
            assert re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", names.service_account_id(duty))
        for task in environments.tasks().tasks:
            assert re.fullmatch(r"[a-z][a-z0-9_]{0,59}", names.feature_group(task.name))
            assert re.fullmatch(r"[1-9][0-9]{9}", names.endpoint_id(task.name))
        assert re.fullmatch(r"[a-zA-Z0-9_]{1,1024}", names.dataset)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(name=st.from_regex(r"[a-z][a-z0-9-]{0,80}", fullmatch=True), limit=st.integers(min_value=12, max_value=63))
def test_a_long_name_is_shortened_to_its_limit_and_stays_its_own(name: str, limit: int) -> None:
    short = shorten(name, limit)
    assert len(short) <= limit
    assert short == shorten(name, limit)
    if len(name) > limit:
        assert short != shorten(name + "x", limit)
