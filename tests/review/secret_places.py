"""Plans with one secret in them, each in another place; what a review writes must never hold it.

The secret looks like nothing (`SECRET`), so that only the provider's mask, the name of its place, or its standing masked elsewhere can
give it away; `KNOWN` are secrets that look like one and may stand anywhere.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.review.risks import BODIES, Change, plan

SECRET = "wombat7Orchid4Vellum"
KNOWN = {
    "a private key": "-----BEGIN PRIVATE KEY-----\\nMIIEwombat7Orchid4Vellum\\n-----END PRIVATE KEY-----",
    "the address of a chat's hook": "https://hooks.slack.com/services/T000/B000/wombat7Orchid4Vellum",
    "a password in an address": "postgres://shop:wombat7Orchid4Vellum@10.0.0.3/orders",
    "a token in an address": "https://shop.example.com/push?token=wombat7Orchid4Vellum",
    "a token of GitHub": "ghp_wombat7Orchid4Vellumwombat7Orchid4V",
    "a header": "Authorization: Bearer wombat7Orchid4Vellum",
}
Document = dict[str, Any]
UNMASKED: Mapping[str, Mapping[str, Any]] = {
    "google_secret_manager_secret_version": {"secret_data": SECRET},
    "google_sql_user": {"password": SECRET},
    "google_sql_database_instance": {"root_password": SECRET},
    "google_storage_bucket_object": {"content": SECRET},
    "google_compute_backend_service": {"iap.oauth2_client_secret": SECRET},
    "google_monitoring_notification_channel": {"sensitive_labels": [{"auth_token": SECRET}]},
    "google_compute_disk": {"disk_encryption_key": [{"raw_key": SECRET}]},
}
"""Attributes that the google provider masks; the stand-in, or another provider of the type, does not."""
WRITTEN: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "an environment variable": ("google_cloud_run_v2_service", {"template.containers.env": [{"name": "DB_PASSWORD", "value": SECRET}]}),
    "an environment variable with a harmless name": (
        "google_cloud_run_v2_service",
        {"template.containers.env": [{"name": "ORDERS", "value": SECRET}]},
    ),
    "an environment variable of the old kind": (
        "google_cloud_run_service",
        {"template.spec.containers.env": [{"name": "ORDERS", "value": SECRET}]},
    ),
    "the environment of a function": ("google_cloudfunctions2_function", {"service_config.environment_variables": {"ORDERS": SECRET}}),
    "the environment of a build": ("google_cloudfunctions2_function", {"build_config.environment_variables": {"ORDERS": SECRET}}),
    "a header of a schedule": ("google_cloud_scheduler_job", {"http_target.headers": {"X-Shop": SECRET}}),
    "the body of a schedule": ("google_cloud_scheduler_job", {"http_target.body": SECRET}),
    "a start-up script": ("google_compute_instance", {"metadata_startup_script": f"export ORDERS={SECRET}"}),
    "the metadata of a machine": ("google_compute_instance", {"metadata": {"enable-oslogin": "TRUE", "startup-script": SECRET}}),
    "the metadata of new machines": ("google_compute_instance_template", {"metadata": {"user-data": SECRET}}),
    "the metadata of a notebook": ("google_workbench_instance", {"gce_setup.metadata": {"shop-orders": SECRET}}),
    "the parameters of a stream": ("google_dataflow_job", {"parameters": {"orders": SECRET}}),
    "the attributes of a push": (
        "google_pubsub_subscription",
        {"push_config": [{"push_endpoint": f"https://x.example/?key=1&secret={SECRET}"}]},
    ),
    "a password inside JSON": ("google_monitoring_dashboard", {"dashboard_json": f'{{"displayName":"shop","password":"{SECRET}"}}'}),
    "a label that is called a token": ("google_compute_disk", {"labels": {"api-token": SECRET}}),
}
"""Attributes into which people write what their programs need; no provider masks them."""


def places() -> Iterator[tuple[str, Document]]:
    """The name of each place, and the plan that has the secret there."""
    for type_, values in UNMASKED.items():
        yield f"{type_} after, without a mask", _bare(Change(type=type_, after=values))
        yield f"{type_} before, without a mask", _bare(Change(type=type_, before=values, actions=("delete",)))
        yield f"{type_} before and after, with a mask", plan([Change(type=type_, before=values)])
    yield "the result of another provider", plan([Change(type="random_password", before={"result": SECRET}, actions=("delete",))])
    for type_ in ("google_service_account_key", "google_storage_hmac_key", "google_redis_instance"):
        name = BODIES[type_]["sensitive"][0]
        yield f"{type_}, of which only Google knows it", _bare(Change(type=type_, before={name: SECRET}, actions=("delete",)))
    for place, (type_, values) in WRITTEN.items():
        yield place, plan([Change(type=type_, after=values)])
        yield f"{place} that is there already", plan([Change(type=type_, before=values, actions=("delete",))])
        yield f"{place} of something new", plan([Change(type=type_, after=values, actions=("create",))])
    yield from _elsewhere()


def _bare(change: Change) -> Document:
    """The plan of a provider that masks nothing."""
    document = plan([change])
    for resource in document["resource_changes"]:
        resource["change"] |= {"before_sensitive": {}, "after_sensitive": {}}
    return document


def _elsewhere() -> Iterator[tuple[str, Document]]:
    """What surrounds the changes of a plan, and values that are masked in one place and not in another."""
    bucket = Change(type="google_storage_bucket", after={"labels": {"owner": "web"}})
    secret = Change(type="google_secret_manager_secret_version", before={"secret_data": SECRET}, actions=("no-op",))

    def changed(place: str, edit: Callable[[Document], None], *changes: Change) -> tuple[str, Document]:
        document = plan(changes or [bucket])
        edit(document)
        return place, document

    def change(document: Document) -> Document:
        found: Document = document["resource_changes"][0]["change"]
        return found

    yield changed("a variable", lambda it: it.update(variables={"token": {"value": SECRET}}))
    yield changed("the state", lambda it: it["prior_state"].update(values={"outputs": {"token": {"sensitive": True, "value": SECRET}}}))
    yield changed("what is planned", lambda it: it["planned_values"].update(outputs={"token": {"sensitive": True, "value": SECRET}}))
    output = {"actions": ["update"], "before": SECRET, "after": SECRET + "2", "before_sensitive": True, "after_sensitive": True}
    yield changed("an output", lambda it: it.update(output_changes={"token": output}))
    yield "the configuration of the provider", plan([bucket], {"credentials": SECRET, "access_token": SECRET})
    yield changed("a provisioner", lambda it: it["configuration"]["root_module"]["resources"][0].update(provisioners=[_provisioner()]))
    yield changed("a check", lambda it: it.update(checks=[_check()]))
    yield "a mask over a whole block", _masked_block()
    spread: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
        ("a label", "google_storage_bucket", {"labels": {"owner": SECRET.lower()}}),
        ("a description", "google_service_account", {"description": f"signs in with {SECRET}"}),
        ("a name", "google_pubsub_topic", {"name": SECRET}),
        ("a condition", "google_iam_workload_identity_pool_provider", {"attribute_condition": f'assertion.sub == "{SECRET}"'}),
        ("a member", "google_project_iam_member", {"member": f"user:{SECRET}@example.com"}),
        ("a source of a rule", "google_compute_firewall", {"source_ranges": ["0.0.0.0/0", SECRET]}),
        ("the filter of a sink", "google_logging_project_sink", {"filter": f'textPayload="{SECRET}"'}),
    )
    for place, type_, values in spread:
        masked = Change(
            type=secret.type, before={"secret_data": values["labels"]["owner"] if place == "a label" else SECRET}, actions=("no-op",)
        )
        yield f"a value that is masked elsewhere, in {place}", plan([Change(type=type_, after=values), masked])
        yield (
            f"a value that is masked elsewhere, in {place} that goes",
            plan([Change(type=type_, before=values, actions=("delete",)), masked]),
        )
    yield changed(
        "the key of a resource",
        lambda it: it["resource_changes"][0].update(address=f'google_storage_bucket.case["{SECRET}"]'),
        bucket,
        secret,
    )
    yield changed(
        "an old address", lambda it: it["resource_changes"][0].update(previous_address=f"google_storage_bucket.{SECRET}"), bucket, secret
    )
    yield changed("what is adopted", lambda it: change(it).update(importing={"id": f"shop/{SECRET}"}), bucket, secret)
    yield changed("an identity", lambda it: change(it).update(before_identity={"token": SECRET}, after_identity={"token": SECRET}))
    drift = plan([Change(type="google_sql_user", before={"password": SECRET}, after={"password": SECRET + "2"})])["resource_changes"]
    yield changed("what changed outside Terraform", lambda it: it.update(resource_drift=drift))
    new = plan([Change(type="google_cloud_run_v2_service", after={"template.containers.env": [{"name": "A", "value": SECRET}]})])
    yield changed("what changed outside Terraform, without a mask", lambda it: it.update(resource_drift=new["resource_changes"]))
    yield changed(
        "what is deferred", lambda it: it.update(deferred_changes=[{"reason": "instance_count_unknown", "resource_change": drift[0]}])
    )
    for place, value in KNOWN.items():
        for type_, name in (("google_service_account", "description"), ("google_storage_bucket_object", "cache_control")):
            yield f"{place} as {name}", plan([Change(type=type_, after={name: value})])
        yield f"{place} in a list", plan([Change(type="google_project_iam_custom_role", after={"permissions": [value]})])
        yield f"{place} as the key of a map", plan([Change(type="google_storage_bucket", after={"labels": {value: "x"}})])


def _provisioner() -> Document:
    return {"type": "local-exec", "expressions": {"command": {"constant_value": f"deploy --token {SECRET}"}}}


def _check() -> Document:
    return {
        "address": {"kind": "resource", "to_display": "google_storage_bucket.case"},
        "status": "fail",
        "instances": [{"address": {"to_display": "google_storage_bucket.case"}, "status": "fail", "problems": [{"message": SECRET}]}],
    }


def _masked_block() -> Document:
    """Terraform masks a whole set when one of its blocks holds something sensitive."""
    document = plan(
        [Change(type="google_pubsub_subscription", after={"push_config": [{"push_endpoint": SECRET, "attributes": {"x": SECRET}}]})]
    )
    document["resource_changes"][0]["change"]["after_sensitive"] = {"push_config": True}
    return document
