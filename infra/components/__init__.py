"""What stacks are made of: each takes one frozen props dataclass and says what it creates and what it deliberately does not.

Construct ids are stable words, never an index: they become Terraform addresses, and an address that moves replaces a
resource.

Lives here, by what it is about: storage (`bucket`, `release_bucket`, `warehouse`, `table`, `secret`), keys and identities (`keys`,
`identity`, `acting_as`, `federation`, `organisation_policies`, `audit_logs`, `budget`), network (`private_network`, `firewall`,
`google_apis`, `network_users`), Vertex AI (`endpoint`, `resource_pool`, `feature_group`, `online_store`, `managed_dataset`, `workbench`
with `script`, `dataflow`), messages (`topic`, `subscription`, `scheduled_monitor`), what is watched (`metrics`, `series`, `alert`,
`drift_alert`, `prediction_alert`, `dashboard`), the page (`public_page`, `web_server`) and delivery (`image_repository`,
`repository_link`, `build_trigger`). Does not live here: which of them an environment has (`infra.stacks`).
Start reading: `bucket.py`.
"""

from infra import synthesis

synthesis.prepare()
