"""Reports as the review makes them, for the tests of what is written from them."""

import datetime
import json

from infra.review.report import (
    AccessChanges,
    Assumption,
    AttributeChange,
    BlastEdge,
    BlastNode,
    BlastRadius,
    Change,
    CodeUse,
    ConfigurationDifference,
    ConstructDifference,
    CostChanges,
    CostLine,
    Destroys,
    Finding,
    FindingId,
    GrantChange,
    ImpersonationEdge,
    Level,
    LostResource,
    OpenBreakGlass,
    PlannedStack,
    PolicyChanges,
    PolicyRow,
    PromotionDelta,
    Report,
    Rest,
    RestRow,
    Section,
    SignOff,
    Span,
    StackCost,
    Subject,
    Tally,
    UnpricedResource,
    Verdict,
)

RAW = "google_storage_bucket.raw_bucket_4F0A2C11"
TABLE = "google_bigquery_table.predictions_3D2B9C70"
TRAINING_EDITOR = "google_project_iam_member.training_editor_77AA01C2"
PUBLIC = "google_storage_bucket_iam_member.models_public_0B11C9E4"
WORKBENCH = "google_workbench_instance.python_instance_9E1F2A3B"
STORE = "google_vertex_ai_feature_online_store.online-store_C0FFEE01"
ALERT = "google_monitoring_alert_policy.latency_51D2E3F4"
SCHEMA_BEFORE = '[{"name":"label","type":"STRING"},{"name":"confidence","type":"FLOAT"}]'
SCHEMA_AFTER = '[{"name":"label","type":"STRING"},{"name":"confidence","type":"NUMERIC"},{"name":"model_version","type":"STRING"}]'


def _finding(
    id: FindingId,
    level: Level,
    stack: str,
    address: str,
    text: str,
    remedy: str,
    attribute: str = "",
    construct_path: str = "",
    line: str = "",
) -> Finding:
    source = (line, f"infra/stacks/{stack.removeprefix('dev-')}.py:60") if line else ()
    return Finding(
        id=id,
        level=level,
        stack=stack,
        address=address,
        text=text,
        remedy=remedy,
        attribute=attribute,
        construct_path=construct_path,
        source=source,
    )


def routine() -> Report:
    """A label was added to one bucket."""
    change = Change(
        stack="dev-data",
        address=RAW,
        type="google_storage_bucket",
        action="update",
        attributes=(AttributeChange(path="labels.cost-centre", before=None, after="ml"),),
        construct_path="dev-data/raw/bucket",
        source=("infra/components/bucket.py:58",),
    )
    return Report(
        subject=Subject(
            environment="dev", commit="5761c1c0f0e1", stacks=(PlannedStack(id="dev-data", tally=Tally(update=1, unchanged=41)),)
        ),
        verdict=Verdict(level="ROUTINE", digest="c" * 64),
        rest=Rest(rows=(RestRow(stack="dev-data", type="google_storage_bucket", action="update", count=1),)),
        changes=(change,),
    )


def rich() -> Report:
    """A bucket is replaced, a role widened, another bucket made public, machines made dearer; and everything else that can be said."""
    location = AttributeChange(path="location", before="EUROPE-WEST4", after="US", forces_replacement=True)
    destroyed = _finding(
        "stateful-replace",
        "block",
        "dev-data",
        RAW,
        "Replacing the bucket deletes every object in it.",
        "Keep the location, or make a second bucket and copy the objects before this one goes.",
        "location",
        "dev-data/raw/bucket",
        "infra/components/bucket.py:58",
    )
    lost_alert = _finding(
        "alert-removed",
        "sign-off",
        "dev-monitoring",
        ALERT,
        "Nobody is told any more when the median latency of vision passes 500 ms.",
        "Keep the alert policy, or name what tells it instead.",
        construct_path="dev-monitoring/latency",
        line="infra/stacks/monitoring.py:88",
    )
    editor = _finding(
        "admin-role",
        "block",
        "dev-training",
        TRAINING_EDITOR,
        "serviceAccount:acme-ml-dev-training@acme-gemini-dev.iam.gserviceaccount.com could change everything in the project.",
        "Grant roles/aiplatform.user on the project and roles/storage.objectUser on its buckets.",
        "role",
        "dev-training/editor",
        "infra/stacks/training.py:71",
    )
    becoming = _finding(
        "impersonation",
        "sign-off",
        "dev-training",
        "google_service_account_iam_member.training_user_1A2B3C4D",
        "user:ml-engineer@example.com could act as acme-ml-dev-training.",
        "Remove the grant once the job has run.",
        "member",
        "dev-training/user",
        "infra/stacks/training.py:80",
    )
    public = _finding(
        "public-member",
        "block",
        "dev-data",
        PUBLIC,
        "Anybody on the internet could read every model.",
        "Name the readers; the web bundle has a bucket of its own.",
        "member",
        "dev-data/models/public",
        "infra/components/bucket.py:97",
    )
    prevention = _finding(
        "public-access-prevention-off",
        "block",
        "dev-data",
        "google_storage_bucket.models_bucket_0D0D0D0D",
        "public_access_prevention goes from enforced to inherited: nothing stops a public grant any more.",
        "Keep it enforced.",
        "public_access_prevention",
        "dev-data/models/bucket",
        "infra/components/bucket.py:58",
    )
    cost = _finding(
        "cost-jump",
        "sign-off",
        "dev-workbench",
        WORKBENCH,
        "The instance would cost USD 2,410 a month more: a2-highgpu-1g with one A100 in place of n1-standard-8 with one T4.",
        "Train in a pipeline, which is paid for by the minute.",
        "gce_setup.0.machine_type",
        "dev-workbench/python/instance",
        "infra/components/notebook.py:44",
    )
    unknown = _finding(
        "unknown-type",
        "sign-off",
        "dev-features",
        "google_colab_schedule.nightly_ABCD0001",
        "The rules know nothing of google_colab_schedule, so that nobody has judged its creation.",
        "Read the change itself, below.",
        construct_path="dev-features/nightly",
        line="infra/stacks/features.py:120",
    )
    consumed = _finding(
        "consumed-elsewhere",
        "sign-off",
        "dev-data",
        RAW,
        "dev-training and dev-workbench use the bucket by name and would find it empty.",
        "Apply while no pipeline runs, and load the rows again.",
        construct_path="dev-data/raw/bucket",
        line="infra/components/bucket.py:58",
    )
    changes = (
        Change(
            stack="dev-data",
            address=TABLE,
            type="google_bigquery_table",
            action="update",
            attributes=(
                AttributeChange(path="deletion_protection", before=True, after=False),
                AttributeChange(path="schema", before=SCHEMA_BEFORE, after=SCHEMA_AFTER),
            ),
            construct_path="dev-data/predictions/table",
            source=("infra/components/table.py:40",),
        ),
        Change(
            stack="dev-data",
            address="google_storage_bucket.models_bucket_0D0D0D0D",
            type="google_storage_bucket",
            action="update",
            attributes=(AttributeChange(path="public_access_prevention", before="enforced", after="inherited"),),
            construct_path="dev-data/models/bucket",
            source=("infra/components/bucket.py:58",),
        ),
        Change(
            stack="dev-data",
            address=RAW,
            type="google_storage_bucket",
            action="replace",
            attributes=(
                location,
                AttributeChange(path="self_link", before="https://www.googleapis.com/storage/v1/b/acme-ml-dev-raw", unknown=True),
                AttributeChange(path="storage_class", before="STANDARD", after="NEARLINE"),
            ),
            forced_by=("location",),
            construct_path="dev-data/raw/bucket",
            source=("infra/components/bucket.py:58", "infra/stacks/data.py:60"),
        ),
        Change(
            stack="dev-data",
            address=PUBLIC,
            type="google_storage_bucket_iam_member",
            action="create",
            attributes=(
                AttributeChange(path="bucket", after="acme-ml-dev-models"),
                AttributeChange(path="member", after="allUsers"),
                AttributeChange(path="role", after="roles/storage.objectViewer"),
            ),
            construct_path="dev-data/models/public",
            source=("infra/components/bucket.py:97",),
        ),
        Change(
            stack="dev-features",
            address="google_colab_schedule.nightly_ABCD0001",
            type="google_colab_schedule",
            action="create",
            attributes=(AttributeChange(path="cron", after="0 3 * * *"), AttributeChange(path="token", sensitive=True)),
            construct_path="dev-features/nightly",
            source=("infra/stacks/features.py:120",),
        ),
        Change(
            stack="dev-features",
            address=STORE,
            type="google_vertex_ai_feature_online_store",
            action="import",
            imported="projects/acme-gemini-dev/locations/europe-west4/featureOnlineStores/online",
            construct_path="dev-features/online-store",
            source=("infra/stacks/features.py:77",),
        ),
        Change(
            stack="dev-monitoring",
            address=ALERT,
            type="google_monitoring_alert_policy",
            action="delete",
            attributes=(AttributeChange(path="display_name", before="vision latency"), AttributeChange(path="enabled", before=True)),
            construct_path="dev-monitoring/latency",
            source=("infra/stacks/monitoring.py:88",),
        ),
        Change(
            stack="dev-training",
            address=TRAINING_EDITOR,
            type="google_project_iam_member",
            action="replace",
            attributes=(AttributeChange(path="role", before="roles/viewer", after="roles/editor", forces_replacement=True),),
            forced_by=("role",),
            construct_path="dev-training/editor",
            source=("infra/stacks/training.py:71",),
        ),
        Change(
            stack="dev-training",
            address="google_service_account_iam_member.training_user_1A2B3C4D",
            type="google_service_account_iam_member",
            action="create",
            attributes=(AttributeChange(path="member", after="user:ml-engineer@example.com"),),
            construct_path="dev-training/user",
            source=("infra/stacks/training.py:80",),
        ),
        Change(
            stack="dev-workbench",
            address=WORKBENCH,
            type="google_workbench_instance",
            action="update",
            attributes=(
                AttributeChange(path="gce_setup.0.accelerator_configs.0.type", before="NVIDIA_TESLA_T4", after="NVIDIA_TESLA_A100"),
                AttributeChange(path="gce_setup.0.machine_type", before="n1-standard-8", after="a2-highgpu-1g"),
            ),
            moved_from="google_workbench_instance.notebook_00000000",
            construct_path="dev-workbench/python/instance",
            source=("infra/components/notebook.py:44",),
        ),
    )
    training = "serviceAccount:acme-ml-dev-training@acme-gemini-dev.iam.gserviceaccount.com"
    return Report(
        subject=Subject(
            environment="dev",
            against="staging",
            commit="0a9fc32b7d0e4c1a9f00112233445566778899aa",
            dirty=True,
            base="origin/main",
            made_by="platform@example.com",
            provider="google provider 6.50.0",
            stacks=(
                PlannedStack(
                    id="dev-data",
                    plan="a" * 64,
                    configuration="b" * 64,
                    lock_file="d" * 64,
                    lineage="5a5c9d0e-1111-2222-3333-444455556666",
                    serial=41,
                    terraform="1.11.4",
                    tally=Tally(create=1, update=2, replace=1, unchanged=52),
                ),
                PlannedStack(id="dev-features", tally=Tally(create=1, adopt=1, unchanged=9), serial=7, complete=False),
                PlannedStack(id="dev-monitoring", tally=Tally(delete=1, unchanged=30), serial=12),
                PlannedStack(id="dev-training", tally=Tally(create=1, replace=1, unchanged=14), serial=9),
                PlannedStack(id="dev-workbench", tally=Tally(update=1, move=1, unchanged=11), serial=15),
            ),
        ),
        verdict=Verdict(
            level="BLOCK",
            digest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            reasons=(
                "One resource that holds data would be replaced.",
                "A service account would own the project.",
                "Two changes open data to the internet.",
                "The change costs USD 2,410 a month more.",
            ),
            block=4,
            sign_off=5,
            note=1,
        ),
        destroys=Destroys(
            findings=(destroyed,),
            resources=(
                LostResource(
                    stack="dev-data",
                    address=RAW,
                    type="google_storage_bucket",
                    action="replace",
                    stateful=True,
                    lost="every object in the bucket, with its versions",
                    undo="nothing brings the objects back once soft delete (7 days) is over",
                    forced_by=(location,),
                ),
                LostResource(
                    stack="dev-training",
                    address=TRAINING_EDITOR,
                    type="google_project_iam_member",
                    action="replace",
                    stateful=False,
                    lost="the grant, for the seconds between the two",
                    undo="apply the former role again",
                    forced_by=(AttributeChange(path="role", before="roles/viewer", after="roles/editor", forces_replacement=True),),
                ),
            ),
            protection=(lost_alert,),
        ),
        access=AccessChanges(
            findings=(editor, becoming),
            grants=(
                GrantChange(
                    stack="dev-training",
                    address=TRAINING_EDITOR,
                    change="changed",
                    on="project acme-gemini-dev",
                    role="roles/editor",
                    strength=5,
                    role_before="roles/viewer",
                    strength_before=2,
                    member=training,
                    member_kind="service-account",
                ),
                GrantChange(
                    stack="dev-data",
                    address=PUBLIC,
                    change="added",
                    on="bucket acme-ml-dev-models",
                    role="roles/storage.objectViewer",
                    strength=2,
                    member="allUsers",
                    member_kind="public",
                    outside=True,
                ),
                GrantChange(
                    stack="dev-training",
                    address="google_project_iam_member.old_22223333",
                    change="removed",
                    on="project acme-gemini-dev",
                    role="roles/viewer",
                    strength=2,
                    member="user:former@example.com",
                    member_kind="person",
                    condition='request.time < timestamp("2026-12-01T00:00:00Z")',
                ),
            ),
            edges=(
                ImpersonationEdge(
                    stack="dev-training",
                    address="google_service_account_iam_member.training_user_1A2B3C4D",
                    change="added",
                    member="user:ml-engineer@example.com",
                    identity="acme-ml-dev-training@acme-gemini-dev.iam.gserviceaccount.com",
                    role="roles/iam.serviceAccountUser",
                ),
            ),
        ),
        exposure=Section(findings=(prevention, public)),
        policy=PolicyChanges(
            findings=(
                _finding(
                    "policy-new",
                    "sign-off",
                    "dev-data",
                    "google_storage_bucket.models_bucket_0D0D0D0D",
                    "CKV_GCP_114: public access prevention is not enforced.",
                    "Set public_access_prevention to enforced.",
                    construct_path="dev-data/models/bucket",
                    line="infra/components/bucket.py:58",
                ),
            ),
            rows=(
                PolicyRow(
                    change="new",
                    rule="CKV_GCP_114",
                    stack="dev-data",
                    address="google_storage_bucket.models_bucket_0D0D0D0D",
                    text="Public access prevention is not enforced.",
                    construct_path="dev-data/models/bucket",
                    source=("infra/components/bucket.py:58",),
                ),
                PolicyRow(
                    change="fixed", rule="alert-has-runbook", stack="dev-monitoring", address=ALERT, text="The alert had no documentation."
                ),
                PolicyRow(
                    change="waived",
                    rule="CKV_GCP_62",
                    stack="dev-data",
                    address="google_storage_bucket.logs_bucket_12121212",
                    text="The bucket of the access logs logs no access to itself.",
                    reason="Cloud Storage would write into the bucket that it watches",
                    owner="platform@example.com",
                    expires=datetime.date(2027, 3, 1),
                ),
            ),
            rules=61,
            resources=128,
            compared_with="origin/main (0a9fc32)",
        ),
        cost=CostChanges(
            findings=(cost,),
            before=Span(low=14.0, expected=220.5, high=512.25),
            after=Span(low=18.0, expected=2630.5, high=3921.0),
            delta=Span(low=4.0, expected=2410.0, high=3408.75),
            stacks=(
                StackCost(
                    stack="dev-data",
                    before=Span(low=4.0, expected=10.0, high=40.0),
                    after=Span(low=4.0, expected=9.0, high=38.0),
                    delta=Span(low=0.0, expected=-1.0, high=-2.0),
                ),
                StackCost(
                    stack="dev-workbench",
                    before=Span(low=10.0, expected=210.5, high=472.25),
                    after=Span(low=14.0, expected=2621.5, high=3883.0),
                    delta=Span(low=4.0, expected=2411.0, high=3410.75),
                ),
            ),
            lines=(
                CostLine(
                    stack="dev-workbench",
                    address=WORKBENCH,
                    sku="a2-highgpu-1g",
                    unit="hour",
                    before=Span(),
                    after=Span(low=4.0, expected=2400.0, high=3400.0),
                    confidence="published",
                    observed_on=datetime.date(2026, 10, 7),
                ),
            ),
            unpriced=(
                UnpricedResource(
                    stack="dev-features",
                    address="google_colab_schedule.nightly_ABCD0001",
                    type="google_colab_schedule",
                    reason="no price is known for this type",
                ),
            ),
            gpu_hours_before=Span(low=0, expected=160, high=730),
            gpu_hours_after=Span(low=0, expected=160, high=730),
            endpoint_hours_before=Span(low=730, expected=730, high=730),
            endpoint_hours_after=Span(low=730, expected=730, high=730),
            assumptions=(
                Assumption(
                    stack="dev-workbench", address=WORKBENCH, before="stops after 60 idle minutes", after="stops after 60 idle minutes"
                ),
            ),
            budget=500.0,
            prices_from=datetime.date(2026, 9, 1),
            prices_to=datetime.date(2026, 10, 7),
            oldest_days=87,
        ),
        blast=BlastRadius(
            findings=(consumed,),
            nodes=(
                BlastNode(id=f"dev-data|{RAW}", kind="change", label=RAW, level="block", action="replace"),
                BlastNode(id=f"dev-workbench|{WORKBENCH}", kind="change", label=WORKBENCH, level="sign-off", action="update"),
                BlastNode(id="dev-training", kind="stack", label="dev-training"),
                BlastNode(id="dev-workbench", kind="stack", label="dev-workbench"),
                BlastNode(id="pipelines/definitions/training.py", kind="code", label="pipelines/definitions/training.py"),
                BlastNode(id="ml/data/raw.py", kind="code", label="ml/data/raw.py"),
                BlastNode(id="training", kind="identity", label="acme-ml-dev-training"),
                BlastNode(id="ml-engineer@example.com", kind="person", label="ml-engineer@example.com"),
            ),
            edges=(
                BlastEdge(origin=f"dev-data|{RAW}", target="dev-training", why="reads the bucket by name"),
                BlastEdge(origin=f"dev-data|{RAW}", target="dev-workbench", why="reads the bucket by name"),
                BlastEdge(origin=f"dev-data|{RAW}", target="pipelines/definitions/training.py", why="names.bucket"),
                BlastEdge(origin=f"dev-data|{RAW}", target="ml/data/raw.py", why="names.bucket"),
                BlastEdge(origin=f"dev-data|{RAW}", target="training", why="roles/storage.objectViewer"),
                BlastEdge(origin=f"dev-workbench|{WORKBENCH}", target="ml-engineer@example.com", why="owns the instance"),
            ),
            stacks=("dev-training", "dev-workbench"),
            code=(
                CodeUse(stack="dev-data", address=RAW, name="bucket", room="ml", source="ml/data/raw.py:31"),
                CodeUse(stack="dev-data", address=RAW, name="bucket", room="pipelines", source="pipelines/definitions/training.py:58"),
            ),
            people=("ml-engineer@example.com", "platform@example.com"),
        ),
        promotion=PromotionDelta(
            findings=(
                _finding(
                    "difference-not-allowed",
                    "block",
                    "",
                    "",
                    "serving.endpoints is dedicated here and shared in staging, and parity.yaml does not allow it.",
                    "Give both the same value, or add the path with its reason.",
                    "serving.endpoints",
                ),
            ),
            against="staging",
            release="r-2026-11-20-0a9fc32",
            commit="0a9fc32b7d0e4c1a9f00112233445566778899aa",
            since=datetime.datetime(2026, 11, 20, 9, 30, tzinfo=datetime.UTC),
            soak_hours=72,
            ran_hours=150.5,
            differences=(
                ConfigurationDifference(path="serving.endpoints", here="dedicated", there="shared", allowed=False),
                ConfigurationDifference(
                    path="serving.min_replicas", here=1, there=2, allowed=True, reason="prod survives the loss of a replica"
                ),
            ),
            constructs=(ConstructDifference(construct_path="data/models/public", type="google_storage_bucket_iam_member", only="here"),),
        ),
        rest=Rest(
            findings=(
                _finding(
                    "imported",
                    "note",
                    "dev-features",
                    STORE,
                    "The online store exists already and is adopted as it is.",
                    "Nothing to do.",
                    construct_path="dev-features/online-store",
                    line="infra/stacks/features.py:77",
                ),
            ),
            rows=(RestRow(stack="dev-data", type="google_bigquery_table", action="update", count=1),),
        ),
        sign_off=SignOff(
            needed=True,
            protected=True,
            approvers=("approver@example.com", "second@example.com"),
            command="playbook approve --env dev --until 2026-11-28T18:00",
            break_glass=(
                OpenBreakGlass(
                    by="oncall@example.com",
                    reason="the endpoint lost its replicas",
                    since=datetime.datetime(2026, 11, 26, 22, 0, tzinfo=datetime.UTC),
                    until=datetime.datetime(2026, 11, 27, 2, 0, tzinfo=datetime.UTC),
                ),
            ),
        ),
        not_understood=Section(findings=(unknown,)),
        changes=changes,
        outside=(
            Change(
                stack="dev-data",
                address=TABLE,
                type="google_bigquery_table",
                action="update",
                attributes=(AttributeChange(path="description", before="predictions", after="predictions (do not touch)"),),
                construct_path="dev-data/predictions/table",
                source=("infra/components/table.py:40",),
            ),
        ),
    )


def large(count: int) -> Report:
    """`count` resources are changed, every third of them with a finding."""
    changes, findings = [], []
    for number in range(count):
        address = f"google_pubsub_topic.topic_{number:05}"
        changes.append(
            Change(
                stack=f"dev-stack{number % 7}",
                address=address,
                type="google_pubsub_topic",
                action="update",
                attributes=(AttributeChange(path="message_retention_duration", before=f"{number + 600}s", after=f"{number + 1200}s"),),
                construct_path=f"dev-stack{number % 7}/topic-{number}",
                source=(f"infra/stacks/stack.py:{number + 1}",),
            )
        )
        if number % 3 == 0:
            text = f"Topic {number} keeps its messages for another time."
            findings.append(_finding("retention-shortened", "sign-off", f"dev-stack{number % 7}", address, text, "Keep the time."))
    changes.sort(key=lambda change: (change.stack, change.address))
    return Report(
        subject=Subject(
            environment="dev",
            stacks=tuple(
                PlannedStack(id=stack, tally=Tally(update=sum(change.stack == stack for change in changes)))
                for stack in sorted({change.stack for change in changes})
            ),
        ),
        verdict=Verdict(level="SIGN-OFF", digest="e" * 64, reasons=(f"{len(findings)} topics keep less.",), sign_off=len(findings)),
        destroys=Destroys(protection=tuple(findings)),
        rest=Rest(rows=(RestRow(stack="dev-stack0", type="google_pubsub_topic", action="update", count=count),)),
        changes=tuple(changes),
    )


def hostile(text: str) -> Report:
    """The rich report with `text` wherever a plan's own words enter."""

    def poisoned(value: object, key: str = "") -> object:
        if isinstance(value, dict):
            return {name: poisoned(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [poisoned(inner, key) for inner in value]
        return f"{value}{text}" if isinstance(value, str) and key not in OURS else value

    return Report.model_validate_json(json.dumps(poisoned(rich().model_dump(mode="json"))))


OURS = [
    "id",
    "origin",
    "target",
    "level",
    "kind",
    "action",
    "change",
    "member_kind",
    "only",
    "until",
    "since",
    "expires",
    "observed_on",
    "prices_from",
    "prices_to",
]
"""Fields that hold words and times of ours; the text of every other comes from a plan, a file or a person."""
