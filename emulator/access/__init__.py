"""Who may do what: every call's permissions are decided by the IAM policies of the local Google Cloud, recorded, and enforced where asked.

* `policies` – policies, members, conditions and ancestors; whether an identity holds a permission. Start here.
* `permissions` with `permissions.yaml` – what a call needs; `bigquery` – what a job needs on data.
* `roles` with `roles.yaml` – what a role holds, each with its source.

Not known here: groups and their members, deny policies, principal access boundaries, VPC Service Controls.
"""

from emulator.access.policies import Access

__all__ = ["Access"]
