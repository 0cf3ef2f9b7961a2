"""Who and what else is reached by a change: resources and stacks by value, code by the names that it asks for, people by their grants."""

import textwrap
from collections.abc import Iterable
from pathlib import Path

import pytest

from environments import Names, load, organisation, tasks
from infra.app import synthesise
from infra.policies.subject import read as read_stacks
from infra.review.blast import blast
from infra.review.change import Planned
from infra.review.named import DECLARED, Named
from infra.review.report import BlastRadius, Finding
from infra.review.uses import PATTERN, Code, Name, code, made_of, members
from tests.review.planned import Values, entry, read, stands

NAMES = Names(organisation(), load("dev"))
NAMED = Named(NAMES, tasks())
RAW = NAMES.bucket("raw")
BUCKET = "google_storage_bucket.raw_bucket_1A2B3C4D"
NOT_RESOURCES = {"environment", "labels", "location", "project", "project_number", "stack", "experiment", "model", "model_id"} | {
    "requests_table",
    "similar_view",
    "state_bucket",
    "service_agent",
}
"""Members of `Names` that code asks for and no resource of a stack has: parents, made by Google, the pipelines or the bootstrap."""


def bucket(**values: object) -> Values:
    return {
        "id": RAW,
        "name": RAW,
        "location": "EUROPE-WEST4",
        "labels": {},
        "self_link": f"https://www.googleapis.com/storage/v1/b/{RAW}",
        **values,
    }


def gone(*around: Planned) -> BlastRadius:
    """The bucket is deleted."""
    return blast([*read("dev-data", entry(BUCKET, bucket(), None)), *around], NAMED, code())


def found(radius: BlastRadius, id_: str) -> list[Finding]:
    return [finding for finding in radius.findings if finding.id == id_]


def labels(radius: BlastRadius, *kinds: str) -> list[str]:
    return [node.label for node in radius.nodes if node.kind in kinds]


def test_a_resource_of_another_stack_that_holds_its_name_is_reached() -> None:
    job = stands("google_cloud_scheduler_job.load", id="projects/p/locations/l/jobs/load", name="load", description=f"gs://{RAW}/rows")
    radius = gone(*read("dev-training", job))
    (finding,) = found(radius, "consumed-elsewhere")
    assert (finding.level, finding.stack, finding.address) == ("sign-off", "dev-data", BUCKET)
    assert "google_cloud_scheduler_job.load" in finding.text
    assert "dev-training" in finding.text
    assert radius.stacks == ("dev-training",)
    assert {"change", "resource", "stack"} <= {node.kind for node in radius.nodes}
    assert all({edge.origin, edge.target} <= {node.id for node in radius.nodes} for edge in radius.edges)


def test_a_stack_that_changes_itself_is_not_listed_beside_those_that_do() -> None:
    job = entry("google_cloud_scheduler_job.load", {"name": "load", "uri": f"gs://{RAW}"}, {"name": "load", "uri": f"gs://{RAW}/x"})
    radius = gone(*read("dev-training", job))
    assert radius.stacks == ()
    assert found(radius, "consumed-elsewhere")


def test_a_change_within_its_own_stack_is_a_note() -> None:
    thing = stands("google_storage_bucket_object.rows", id="x/rows", name="rows", bucket=RAW)
    resources = read("dev-data", entry(BUCKET, bucket(), None), thing)
    assert [finding.level for finding in found(blast(resources), "consumed-elsewhere")] == ["note"]


@pytest.mark.parametrize("after", [bucket(labels={"team": "ml"}), bucket()])
def test_labels_and_nothing_reach_nobody(after: Values) -> None:
    job = stands("google_cloud_scheduler_job.load", name="load", description=RAW)
    radius = blast([*read("dev-data", entry(BUCKET, bucket(), after)), *read("dev-training", job)], NAMED, code())
    assert radius == BlastRadius()


def test_what_is_made_new_reaches_nobody_yet() -> None:
    job = stands("google_cloud_scheduler_job.load", name="load", description=RAW)
    assert blast([*read("dev-data", entry(BUCKET, None, bucket())), *read("dev-training", job)], NAMED, code()) == BlastRadius()


def test_a_name_that_anything_may_have_connects_nothing_but_its_full_name_does() -> None:
    ring = "projects/acme-gemini-dev/locations/europe-west4/keyRings/acme-gemini-dev-keys"
    key = entry("google_kms_crypto_key.data", {"id": f"{ring}/cryptoKeys/data", "name": "data", "purpose": "A"}, None)
    user = stands("google_pubsub_topic.alerts", id="projects/p/topics/t", name="t", kms_key_name=f"{ring}/cryptoKeys/data")
    stranger = stands("google_cloud_scheduler_job.a", id="projects/p/jobs/a", name="a", description="loads data")
    radius = blast(read("dev-foundation", key, user, stranger))
    assert labels(radius, "resource") == ["t"]


def test_two_kinds_of_resource_of_one_name_are_not_taken_for_each_other() -> None:
    name = NAMES.topic("retraining")
    topic = entry("google_pubsub_topic.t", {"id": f"projects/p/topics/{name}", "name": name, "kms_key_name": "a"}, None)
    own = stands("google_pubsub_subscription.s", id=f"projects/p/subscriptions/{name}", name=name, topic=f"projects/p/topics/{name}")
    other = stands("google_pubsub_subscription.o", id=f"projects/p/subscriptions/{name}", name=name, topic="projects/p/topics/other")
    radius = blast(read("dev-monitoring", topic, own, other))
    assert [edge.target for edge in radius.edges] == ["dev-monitoring/google_pubsub_subscription.s"]


def test_a_short_name_that_two_of_a_kind_have_is_nobodys() -> None:
    subnets = [
        entry(
            f"google_compute_subnetwork.{region}", {"id": f"projects/p/regions/{region}/subnetworks/my-subnet", "name": "my-subnet"}, None
        )
        for region in ("r1", "r2")
    ]
    by_short = stands("google_vertex_ai_custom.a", id="a/1", subnet="my-subnet")
    by_full = stands(
        "google_vertex_ai_custom.b", id="a/2", subnet="https://www.googleapis.com/v1/projects/p/regions/r2/subnetworks/my-subnet"
    )
    radius = blast(read("dev-network", *subnets, by_short, by_full))
    assert [(edge.origin, edge.target) for edge in radius.edges] == [
        ("dev-network/google_compute_subnetwork.r2", "dev-network/google_vertex_ai_custom.b")
    ]


def test_a_project_reaches_those_who_have_a_role_on_it_and_not_all_that_lies_in_it() -> None:
    before = {"id": "projects/acme-gemini-dev", "project_id": "acme-gemini-dev", "name": "acme-gemini-dev", "folder_id": "1"}
    project = entry("google_project.p", before, {**before, "folder_id": "2"})
    inside = stands("google_pubsub_topic.t", id="x", name="t", project="acme-gemini-dev", kms_key_name="projects/acme-gemini-dev/keys/k")
    grant = stands("google_project_iam_member.g", id="g", project="acme-gemini-dev", role="r", member="user:ann@example.com")
    radius = blast(read("dev-foundation", project, inside, grant), NAMED, code())
    assert labels(radius, "resource", "code") == []
    assert radius.people == ("ann@example.com",)


def test_a_bucket_with_the_name_of_its_project_is_not_taken_for_it() -> None:
    named = {"id": "acme-gemini-dev", "name": "acme-gemini-dev"}
    topic = stands("google_pubsub_topic.t", id="x", name="t", kms_key_name="projects/acme-gemini-dev/locations/l/keyRings/r/cryptoKeys/k")
    grant = stands(
        "google_pubsub_topic_iam_member.g", id="g", topic="t", role="r", member="serviceAccount:a@acme-gemini-dev.iam.gserviceaccount.com"
    )
    assert blast(read("dev-data", entry("google_storage_bucket.b", named, None), topic, grant)).nodes == ()


def test_a_member_that_only_the_apply_tells_is_nobody_yet() -> None:
    grant = entry("google_storage_bucket_iam_member.g", None, {"bucket": RAW, "role": "r"})
    grant["change"]["after_unknown"] = {"member": True}
    assert gone(*read("dev-foundation", grant)).people == ()


def test_who_may_use_it_is_said_by_what_they_do() -> None:
    members_ = [
        "user:ann@example.com",
        f"serviceAccount:{NAMES.service_account('pipelines')}",
        "serviceAccount:x@other.iam.gserviceaccount.com",
    ]
    grants = [
        stands(
            f"google_storage_bucket_iam_member.g{number}",
            id=f"b/{RAW}/{member}",
            bucket=RAW,
            role="roles/storage.objectUser",
            member=member,
        )
        for number, member in enumerate(members_)
    ]
    elsewhere = stands(
        "google_storage_bucket_iam_member.e", id="b/other", bucket="acme-gemini-dev-models", role="r", member="user:bob@example.com"
    )
    radius = gone(*read("dev-foundation", *grants, elsewhere))
    assert radius.people == (
        "ann@example.com",
        "pipelines: Runs pipeline steps: prepares data, registers and deploys models",
        "x@other.iam.gserviceaccount.com",
    )
    assert labels(radius, "person") == ["ann@example.com"]
    # A grant is how somebody uses it, not another resource that does.
    assert labels(radius, "resource") == []


def test_whoever_loses_a_role_is_reached() -> None:
    grant = {
        "id": "g",
        "bucket": RAW,
        "role": "roles/storage.objectViewer",
        "member": f"serviceAccount:{NAMES.service_account('training')}",
    }
    radius = blast(read("dev-data", entry("google_storage_bucket_iam_member.g", grant, None)), NAMED, code())
    assert radius.people == ("training: Runs training jobs and asks Gemini",)
    assert found(radius, "code-uses")


def test_an_identity_that_goes_takes_its_roles_in_other_stacks_along() -> None:
    email = NAMES.service_account("training")
    account = {
        "id": f"projects/p/serviceAccounts/{email}",
        "account_id": email.partition("@")[0],
        "email": email,
        "name": f"projects/p/serviceAccounts/{email}",
    }
    grant = stands(
        "google_storage_bucket_iam_member.g", id="g", bucket=RAW, role="roles/storage.objectUser", member=f"serviceAccount:{email}"
    )
    person = stands(
        "google_service_account_iam_member.p", id="p", service_account_id=account["id"], role="r", member="user:ann@example.com"
    )
    resources = [*read("dev-foundation", entry("google_service_account.a", account, None), person), *read("dev-data", grant)]
    radius = blast(resources, NAMED, code())
    assert [finding.level for finding in found(radius, "consumed-elsewhere")] == ["sign-off"]
    assert radius.stacks == ("dev-data",)
    assert radius.people == ("ann@example.com", "training: Runs training jobs and asks Gemini")


def test_an_alert_reaches_those_who_hear_of_it_and_a_workbench_its_owner() -> None:
    channel = stands(
        "google_monitoring_notification_channel.mail",
        id="projects/p/notificationChannels/7",
        name="projects/p/notificationChannels/7",
        labels={"email_address": "oncall@example.com"},
    )
    alert = entry(
        "google_monitoring_alert_policy.a",
        {
            "id": "projects/p/alertPolicies/1",
            "name": "projects/p/alertPolicies/1",
            "notification_channels": ["projects/p/notificationChannels/7"],
        },
        None,
    )
    machine = entry("google_workbench_instance.w", {"id": "projects/p/i/w", "name": "w", "instance_owners": ["ml@example.com"]}, None)
    assert blast(read("dev-monitoring", channel, alert)).people == ("oncall@example.com",)
    assert blast(read("dev-workbench", machine)).people == ("ml@example.com",)


def test_the_pipelines_that_use_it_are_found_in_the_code_itself() -> None:
    table = entry(
        "google_bigquery_table.examples", {"id": "projects/p/datasets/d/tables/examples", "table_id": "examples", "schema": "[]"}, None
    )
    radius = blast(read("dev-data", table), NAMED, code())
    assert "pipeline training" in labels(radius, "code")
    assert any(use.source.startswith("pipelines/components/features.py:") and use.name == 'table("examples")' for use in radius.code)
    (finding,) = found(radius, "code-uses")
    assert finding.level == "sign-off"
    assert "pipeline training" in finding.text


def test_an_update_asks_to_read_the_code_and_nobody_to_sign() -> None:
    changed = blast(read("dev-data", entry(BUCKET, bucket(), bucket(storage_class="NEARLINE"))), NAMED, code())
    assert {finding.level for finding in changed.findings} == {"note"}
    assert found(changed, "code-uses")


def test_a_plan_that_is_not_ours_has_no_code() -> None:
    radius = blast(read("foreign", entry(BUCKET, bucket(), None)))
    assert (radius.code, radius.findings) == ((), ())


def test_the_level_of_a_change_is_that_of_its_gravest_finding() -> None:
    job = read("dev-training", stands("google_cloud_scheduler_job.load", name="load", description=RAW))
    resources = [*read("dev-data", entry(BUCKET, bucket(), None)), *job]
    said = [Finding(id="stateful-destroy", level="block", stack="dev-data", address=BUCKET, text="t", remedy="r")]
    radius = blast(resources, findings=[*said, said[0].model_copy(update={"level": "note"})])
    assert [node.level for node in radius.nodes if node.kind == "change"] == ["block"]


def test_the_same_plans_give_the_same_radius_in_whatever_order_they_come() -> None:
    job = read("dev-training", stands("google_cloud_scheduler_job.load", name="load", description=RAW))
    data = read("dev-data", entry(BUCKET, bucket(), None), entry("google_bigquery_dataset.d", {"dataset_id": NAMES.dataset, "x": 1}, None))
    assert blast([*data, *job], NAMED, code()) == blast([*job, *reversed(data)], NAMED, code())


# What code uses


def written(root: Path, files: dict[str, str]) -> Code:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return code(root, ("ml", "pipelines"))


def test_a_use_is_followed_through_imports_and_calls_to_the_pipeline_that_runs_it(tmp_path: Path) -> None:
    made = written(
        tmp_path,
        {
            "pipelines/definitions/training.py": """
                from pipelines.components import data
                def define():
                    return data.load()
                """,
            "pipelines/definitions/other.py": """
                from pipelines.components import data
                def define():
                    return data.unrelated()
                """,
            "pipelines/components/__init__.py": "",
            "pipelines/components/data.py": """
                def load():
                    from ml.rows import fetch
                    fetch(1)
                def unrelated():
                    pass
                """,
            "ml/__init__.py": "",
            "ml/rows.py": """
                from ml.deep import where as place
                def fetch(clients):
                    return place(clients)
                """,
            "ml/deep.py": """
                def where(clients):
                    return clients.names.bucket("raw")
                """,
        },
    )
    (use,) = made.of(Name(member="bucket", argument="raw"))
    assert (use.source, use.room, use.within) == ("ml/deep.py:3", "ml", ("ml.deep", "where"))
    assert made.runners[use.within] == ("pipeline training",)
    assert made.of(Name(member="bucket", argument="models")) == []


@pytest.mark.parametrize(
    ("text", "name", "meets"),
    [
        ('names.bucket("raw")', Name(member="bucket", argument="raw"), True),
        ('clients.names.uri("raw", "a")', Name(member="bucket", argument="raw"), True),
        ('clients.names.uri("models")', Name(member="bucket", argument="raw"), False),
        ("names.bucket(purpose)", Name(member="bucket", argument="raw"), True),
        ("names.staging", Name(member="bucket", argument="pipelines"), True),
        ("names.staging", Name(member="bucket", argument="raw"), False),
        ("names.endpoint(task)", Name(member="endpoint_id", argument="vision"), True),
        ('names.endpoint("nlp")', Name(member="endpoint_id", argument="vision"), False),
        ("names.feature_table(task)", Name(member="dataset"), True),
        ("other.online_store", Name(member="online_store"), False),
        ("import_.names", Name(member="online_store"), False),
    ],
)
def test_a_name_is_used_where_it_or_one_that_is_made_of_it_is_asked_for(tmp_path: Path, text: str, name: Name, meets: bool) -> None:
    made = written(tmp_path, {"ml/a.py": f"def f(names, clients, import_, other, purpose, task):\n    return {text}\n"})
    assert bool(made.of(name)) is meets


def test_every_name_that_our_code_asks_for_leads_to_a_resource_that_can_change() -> None:
    reachable = {part for _, known in DECLARED.values() for member in known for part in _wider(member)}
    asked = {use.name.member for use in code().uses}
    assert len(asked) > 15
    assert asked - reachable - NOT_RESOURCES - set(PATTERN) == set(), "say in infra/review/named.py which resource carries the name"


def _wider(member: str) -> Iterable[str]:
    return {name.member for name in made_of(Name(member=member))}


def test_every_member_that_is_declared_somewhere_exists() -> None:
    assert {member for _, known in DECLARED.values() for member in known} <= members().keys()


def test_every_resource_of_a_named_type_has_its_name(tmp_path: Path) -> None:
    synthesise(["local"], tmp_path)
    named = Named(Names(organisation(), load("local")), tasks())
    seen, without = 0, []
    for stack in read_stacks(tmp_path, ["local"]):
        for resource in stack.resources:
            if resource.type in DECLARED:
                it = Planned(stack=stack.id, address=resource.address, type=resource.type, before=resource.body, after=None, change=None)
                seen += 1
                without += [] if named.of(it) else [resource.address]
    assert seen > 40
    # Alerts and addresses of the page that no code asks for, and keys of people, which follow from the environment's file.
    unasked = ("google_monitoring_alert_policy.", "google_kms_crypto_key.approver", "google_compute_global_forwarding_rule.page_")
    assert [address for address in without if not address.startswith(unasked)] == []
