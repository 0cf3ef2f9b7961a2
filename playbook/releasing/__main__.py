"""`python -m playbook.releasing release|promote|rollback|list`: what the commands of the playbook run where an environment is reached."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime

from environments.clients import Clients
from playbook import ROOT, __main__
from releases import commit


def main() -> int:
    """Do it; 0 when done, 1 when something refuses."""
    parser = argparse.ArgumentParser(prog="python -m playbook.releasing", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("release").add_argument("--env", default=os.environ.get("ENV", "local"))
    promoted = verbs.add_parser("promote")
    promoted.add_argument("--from", dest="source", required=True)
    promoted.add_argument("--to", dest="target", required=True)
    back = verbs.add_parser("rollback")
    back.add_argument("--env", default=os.environ.get("ENV", "local"))
    back.add_argument("--reason", required=True)
    listed = verbs.add_parser("list")
    listed.add_argument("--env")
    listed.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    try:
        _do(asked)
    except Exception as error:
        if (message := __main__.explanation(error)) is None:
            raise
        print(f"\n{message}", file=sys.stderr)
        return 1
    return 0


def _do(asked: argparse.Namespace) -> None:
    now = datetime.now(UTC)
    if asked.verb == "release":
        from playbook.releasing.make import release

        release(Clients.of(asked.env), commit.of(ROOT), now)
    if asked.verb == "promote":
        from playbook.releasing.promote import promote

        promote(Clients.of(asked.source), Clients.of(asked.target), commit.of(ROOT), now)
    if asked.verb == "rollback":
        from playbook.releasing.rollback import rollback

        rollback(Clients.of(asked.env), asked.reason, now)
    if asked.verb == "list":
        from playbook.releasing import listing

        rows = listing.listed(asked.env)
        print(json.dumps(rows, indent=2) if asked.json else listing.table(rows))


if __name__ == "__main__":
    sys.exit(main())
