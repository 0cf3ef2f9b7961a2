"""What a saved plan was made from, read from the plan itself: its state's lineage and serial, and the provider lock file.

Terraform's plan file is an archive. What it was made from stands beside the plan in it, and is what Terraform itself compares with when
it applies the plan.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.terraform.errors import TerraformFailed
from releases.digest import Planned, of_changes

STATE = "tfstate"
LOCK_FILE = ".terraform.lock.hcl"


def identity(plan: Path, shown: Mapping[str, Any], made_from: Mapping[str, Any], stack: str) -> Planned:
    """What identifies a saved plan.

    Args:
        plan: Terraform's plan file.
        shown: what `terraform show -json` says of it.
        made_from: configuration, Terraform, provider and commit, as they were written down beside it.
        stack: stack id.

    Raises:
        TerraformFailed: when the file is no plan.
    """
    try:
        with zipfile.ZipFile(plan) as archive:
            state = json.loads(archive.read(STATE))
            lock_file = archive.read(LOCK_FILE) if LOCK_FILE in archive.namelist() else b""
        lineage, serial = str(state["lineage"]), int(state["serial"])
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise TerraformFailed(
            f"the saved plan of {stack} does not say what it was made from ({type(error).__name__}: {error}), and could be any. "
            "Nothing was changed. Plan again."
        ) from None
    return Planned(
        stack=stack,
        changes=of_changes(shown),
        configuration=made_from["configuration"],
        lock_file=hashlib.sha256(lock_file).hexdigest() if lock_file else "",
        terraform=made_from["terraform"],
        provider=made_from["provider"],
        lineage=lineage,
        serial=serial,
        commit=made_from["commit"],
    )
