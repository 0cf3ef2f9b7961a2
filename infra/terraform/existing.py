"""What exists already under the names that a plan would create: found by its derived name, written as import blocks to be reviewed."""

from collections.abc import Mapping
from pathlib import Path

from environments import Names
from infra.app import IMPORTS
from infra.terraform import adoption
from infra.terraform.adoption import Planned
from infra.terraform.errors import TerraformFailed
from infra.terraform.rest import Google, Refused
from infra.terraform.stack import Counts, Stack, write
from infra.terraform.standin.behaviours import STEPS
from infra.terraform.standin.steps import Target
from infra.terraform.standin.types import Resource, table

IDEMPOTENT = {"service"}
"""Behaviours whose create is right also where the thing is there: an API that is enabled already is enabled."""


def adopt(stack: Stack, names: Names, google: Google, folder: Path) -> Counts:
    """Write the import blocks of what exists and would be created, and plan them; what that plan does.

    What was adopted before is in the state and is created by no plan, so that its blocks go, and with the last one the file.

    Args:
        stack: initialised, under its locks.
        names: of the environment.
        google: Google's REST APIs.
        folder: where the blocks are kept for review, a file a stack.

    Raises:
        TerraformFailed: with Terraform's own words; when something cannot be read; or when an import would replace what it imports.
    """
    beside, kept = stack.folder / IMPORTS, folder / f"{stack.id}.tf.json"
    # Without the blocks of last time: a block for what was deleted since would stop the plan.
    beside.unlink(missing_ok=True)
    planned = stack.plan()
    found = _existing(adoption.created(stack.shown()), names, google)
    ids = adoption.imports(found)
    for address in sorted(found.keys() - ids.keys()):
        stack.say(f"{address} exists, and no plan knows its import id, so that an apply would meet it: import it by hand")
    if not ids:
        kept.unlink(missing_ok=True)
        if not found:
            why = "its state knows all that it declares" if planned.nothing else "nothing that it would create exists"
            stack.say(f"nothing to adopt: {why}")
        return Counts()
    text = adoption.blocks(ids) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (kept, beside):
        write(path, text)
    counts = stack.plan()
    shown = stack.shown()
    for address, changed in sorted(adoption.imported(shown).items()):
        if address in ids:
            stack.say(f"{address} exists as {ids[address]}: adopted {_with(changed)}")
    stack.say(f"wrote {kept}")
    if replaced := adoption.replaced(shown):
        lines = "\n".join(f"  {address}, forced by {', '.join(paths) or 'the provider'}" for address, paths in sorted(replaced.items()))
        raise TerraformFailed(
            f"the import into {stack.id} would replace what exists, which loses it:\n{lines}\nNothing was changed. Declare these "
            f"attributes as they are (environments/{names.environment.name}.yaml, or the stack), or take the block out of {kept.name} and "
            "choose another name."
        )
    return counts


def _with(changed: list[str]) -> str:
    return f"with {', '.join(changed)} changed to what is declared" if changed else "as it is"


def _existing(created: Mapping[str, Planned], names: Names, google: Google) -> dict[str, Planned]:
    """Those of the planned creates that are there, with the provider's project and place filled in.

    Raises:
        TerraformFailed: when Google neither shows one nor says that it is missing.
    """
    environment = names.environment
    places = {"project": names.project, "region": environment.region, "location": environment.region, "zone": environment.zone}
    found, hidden = {}, []
    for address, planned in sorted(created.items()):
        type_ = table().get(planned.type)
        # A name that Google gives itself cannot be looked up, and a grant that is there already is granted.
        if not isinstance(type_, Resource) or type_.resource == "{name}" or type_.behaviour in IDEMPOTENT:
            continue
        values = {**places, **{name: value for name, value in planned.values.items() if value is not None}}
        try:
            if STEPS[type_.behaviour].read(Target(google, type_, values)) is not None:
                found[address] = Planned(planned.type, values)
        except Refused as error:
            # 400: its address needs a value that only the apply will know, so it hangs on something that is still to be made.
            if error.status not in (400, 404) and not error.api_is_off:
                hidden.append(f"  {address}: {error}")
    if hidden:
        raise TerraformFailed(
            "whether these exist cannot be said, so an apply might meet them or somebody else's of the same name:\n"
            + "\n".join(hidden)
            + "\nNothing was changed. Ask for permission to read them; where the name is another's, change prefix or team in "
            "environments/organisation.yaml."
        )
    return found
