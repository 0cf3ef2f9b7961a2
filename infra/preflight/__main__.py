"""`python -m infra.preflight --env E [--json]`: what would stop an apply of the environment, before its plan is approved."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from environments import ConfigurationError
from infra.app import synthesise
from infra.policies.subject import read
from infra.preflight import agents, apis, constraints, permissions, quotas
from infra.preflight.asked import Asked
from infra.preflight.findings import Finding
from infra.synthesis.node import NodeMissing
from infra.terraform.rest import Google, Refused

QUESTIONS = (apis, permissions, constraints, quotas, agents)
MARKS = {"ok": "✓", "blocks": "✗", "cannot be read": "?"}
NOTHING_BLOCKS, SOMETHING_BLOCKS, NOT_STARTED, SOMETHING_UNREAD = range(4)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was found; 0 when all is ok, 1 when something blocks, 2 when nothing could be asked, 3 when something was not readable."""
    parser = argparse.ArgumentParser(prog="python -m infra.preflight", description="What would stop an apply, before its plan is approved.")
    parser.add_argument("--env", required=True, metavar="E", help="environment")
    parser.add_argument("--json", action="store_true", help="print every finding as JSON")
    options = parser.parse_args(arguments)
    try:
        found = preflight(options.env, Google())
    except (ConfigurationError, NodeMissing) as error:
        print(error, file=sys.stderr)
        return NOT_STARTED
    except Refused as error:
        print(f"nothing could be asked: {error}", file=sys.stderr)
        return NOT_STARTED
    print(json.dumps([asdict(finding) for finding in found], indent=2) if options.json else text(found))
    return verdict(found)


def preflight(environment: str, google: Google) -> list[Finding]:
    """Every finding about an environment, from stacks that are synthesised for it.

    Raises:
        ConfigurationError: when its files are wrong.
        Refused: when nobody is logged in, or Google is out of reach.
    """
    with tempfile.TemporaryDirectory(prefix="preflight-") as out:
        synthesise([environment], Path(out))
        asked = Asked(stacks=read(Path(out), [environment]))
    return [finding for question in QUESTIONS for finding in question.findings(asked, google)]


def verdict(found: Sequence[Finding]) -> int:
    """The exit code: what blocks comes before what could not be read."""
    statuses = {finding.status for finding in found}
    if "blocks" in statuses:
        return SOMETHING_BLOCKS
    return SOMETHING_UNREAD if "cannot be read" in statuses or not found else NOTHING_BLOCKS


def text(found: Sequence[Finding]) -> str:
    """The findings for people: what is to be done in full, what is ok as a count."""
    said = []
    for check in dict.fromkeys(finding.check for finding in found):
        own = [finding for finding in found if finding.check == check]
        said.append(f"{check}: {sum(finding.status == 'ok' for finding in own)} of {len(own)} ok")
        for finding in own:
            if finding.status != "ok":
                said += [f"  {MARKS[finding.status]} {finding.subject} {finding.status}: {finding.says}", f"      {finding.mend}"]
    words = {
        NOTHING_BLOCKS: "nothing blocks",
        SOMETHING_BLOCKS: "something blocks: an apply would stop half-way; mend it before the plan is approved",
        SOMETHING_UNREAD: "nothing that could be read blocks; what could not be read is not thereby right",
    }
    return "\n".join([*said, words[verdict(found)]])


if __name__ == "__main__":
    sys.exit(main())
