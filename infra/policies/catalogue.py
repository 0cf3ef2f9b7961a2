"""Writes `docs/policies.md`, what our policies say: `python -m infra.policies.catalogue [--check]`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from infra.policies.policy import Policy
from infra.policies.rules import SUBJECTS

FILE = Path(__file__).parents[2] / "docs" / "policies.md"
COMMAND = "python -m infra.policies.catalogue"
HEAD = f"""\
# Policies

Written by `{COMMAND}`; `make lint` compares. What no stack may do: each policy runs over every synthesised stack in
`make synth` and before every plan, in `make lint` and the tests beside the checks of checkov. A finding names the construct and the
line that declared it.
What is accepted for a time stands in `infra/policies/waivers.yaml`, with a reason, an owner and an end.
"""


def render() -> str:
    """The document."""
    return "\n".join([HEAD, *(section(name, text, policies) for name, (text, policies) in SUBJECTS.items())])


def section(name: str, text: str, policies: Sequence[Policy]) -> str:
    """One subject."""
    rows = [
        f"| `{policy.id}` | {policy.title} | {policy.reason[:1].upper()}{policy.reason[1:]}. | {policy.remedy}. | {policy.reference} |"
        for policy in policies
    ]
    return "\n".join(
        [f"## {name.capitalize()}", "", text, "", "| id | always | otherwise | mend | see |", "|---|---|---|---|---|", *rows, ""]
    )


def main(arguments: Sequence[str]) -> int:
    """Write the document, or say that it is stale."""
    if "--check" not in arguments:
        FILE.write_text(render(), encoding="utf-8")
    elif not FILE.exists() or FILE.read_text(encoding="utf-8") != render():
        print(f"docs/{FILE.name} is stale. Run: {COMMAND}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
