"""One stack through Terraform: init where needed, plan into a file, apply that file, adopt what a killed run left behind."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from infra.app import IMPORTS
from infra.terraform import adoption
from infra.terraform.binary import Binary
from infra.terraform.child import Children
from infra.terraform.errors import TerraformFailed
from infra.terraform.saved import identity
from releases.digest import Planned

CONFIGURATION = "cdk.tf.json"
PLAN = "plan"
REVIEWED = "plan.json"
INITIALISED = "initialised.json"
APPLIED = "applied.json"
CONFLICT = re.compile(r"Error 409\b")
GONE = "Cannot import non-existent remote object"
"""Terraform's words for an import block whose object was deleted since."""


@dataclass(frozen=True)
class Counts:
    """How many resources a plan or an apply touches."""

    added: int = 0
    changed: int = 0
    destroyed: int = 0
    adopted: int = 0

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to do."""
        return self == Counts()

    def plus(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(
            self.added + other.added, self.changed + other.changed, self.destroyed + other.destroyed, self.adopted + other.adopted
        )


DONE = {"create": ("created", Counts(added=1)), "update": ("changed", Counts(changed=1)), "delete": ("destroyed", Counts(destroyed=1))}
WOULD = {"create": "created", "update": "changed", "delete": "destroyed", "replace": "REPLACED", "noop": "adopted", "read": "read"}


@dataclass
class Events:
    """What one Terraform command reported, line by line, in its JSON form.

    Attributes:
        say: where progress goes.
        counts: Terraform's own summary, at the end.
        done: what was done until now.
        planned: what would be done, a line a resource.
        errors: diagnostics.
        plain: lines that are not JSON events.
    """

    say: Callable[[str], None]
    counts: Counts = Counts()
    done: Counts = Counts()
    planned: list[str] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)

    def line(self, text: str) -> None:
        """Take one line of output."""
        try:
            event = json.loads(text)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "@message" not in event:
            self.plain.append(text)
            return
        hook = event.get("hook", {})
        match event.get("type"):
            case "change_summary":
                found = event["changes"]
                self.counts = Counts(found["add"], found["change"], found["remove"], found.get("import", 0))
            case "planned_change":
                self.planned.append(_planned(event["change"]))
            case "apply_complete":
                word, one = DONE.get(hook["action"], (hook["action"], Counts()))
                self.done = self.done.plus(one)
                self.say(f"{hook['resource']['addr']} {word}")
            case "apply_progress":
                self.say(f"{hook['resource']['addr']} … {hook['elapsed_seconds']} s")
            case "diagnostic" if event["diagnostic"]["severity"] == "error":
                self.errors.append(event["diagnostic"])
            case "diagnostic":
                self.say(f"warning: {event['diagnostic']['summary']}")

    def conflicts(self) -> set[str]:
        """Addresses of the resources that Google says exist already."""
        return {e["address"] for e in self.errors if e.get("address") and CONFLICT.search(f"{e['summary']} {e.get('detail')}")}

    def text(self) -> str:
        """Terraform's own words for what went wrong."""
        said = []
        for error in self.errors:
            where = f" ({error['address']})" if error.get("address") else ""
            said.append(f"{error['summary']}{where}\n{error.get('detail', '')}".strip())
        plain = "\n".join(line for line in self.plain if line.strip())
        return "\n\n".join(said) or plain or "Terraform ended without a word"


def _planned(change: dict[str, Any]) -> str:
    """`google_pubsub_topic.alerts to be created`; a replacement also says why, in Terraform's word."""
    reason = f" ({change['reason'].replace('_', ' ')})" if change.get("reason") else ""
    adopted = " and adopted" if change.get("importing") and change["action"] != "noop" else ""
    return f"{change['resource']['addr']} to be {WOULD.get(change['action'], change['action'])}{adopted}{reason}"


@dataclass(frozen=True)
class Origin:
    """Of what a plan is made, and by whom; empty where nobody has to know.

    Attributes:
        commit: full hash.
        by: e-mail.
    """

    commit: str = ""
    by: str = ""


@dataclass(frozen=True)
class Stack:
    """A synthesised stack and what runs it.

    Attributes:
        id: stack id, `<environment>-<stack>`.
        folder: working folder, with the synthesised JSON in it.
        terraform: the binary.
        variables: process environment, with what the provider's source adds.
        provider: what the provider's source is called.
        children: starts Terraform.
        descriptor: the folder's lock, inherited by Terraform.
        say: where progress goes.
    """

    id: str
    folder: Path
    terraform: Binary
    variables: Mapping[str, str]
    provider: str
    children: Children
    descriptor: int
    say: Callable[[str], None]

    def _terraform(self, *arguments: str) -> tuple[int, Events]:
        events = Events(self.say)
        code = self.children.run([*self.terraform.command, *arguments], self.folder, self.variables, events.line, [self.descriptor])
        return code, events

    def _failed(self, verb: str, code: int, events: Events) -> TerraformFailed:
        ended = f"was ended by signal {code - 128}" if code > 128 else "failed"
        text = events.text()
        if GONE in text and (self.folder / IMPORTS).exists():
            environment = self.id.partition("-")[0]
            text += (
                f"\nWhat was to be adopted is gone, and the blocks for it stop every plan. Look again: playbook adopt --env {environment}"
            )
        return TerraformFailed(f"{verb} of {self.id} {ended} ({self.provider}):\n{text}")

    def initialise(self) -> None:
        """`terraform init`, skipped where this folder is initialised for the same backend, providers and Terraform.

        Lock files are not kept: one that is written beside the stand-in or a mirror breaks everybody else's init.

        Raises:
            TerraformFailed: with Terraform's own words.
        """
        # A killed run may have left its import blocks behind.
        (self.folder / adoption.FILE).unlink(missing_ok=True)
        terraform = json.loads((self.folder / CONFIGURATION).read_text()).get("terraform", {})
        wanted = json.dumps([terraform, self.terraform.version, self.provider], sort_keys=True)
        marker = self.folder / INITIALISED
        if marker.exists() and marker.read_text() == wanted and (self.folder / ".terraform").is_dir():
            return
        (self.folder / ".terraform.lock.hcl").unlink(missing_ok=True)
        code, events = self._terraform("init", "-input=false", "-no-color", "-reconfigure", "-lock=false")
        if code:
            raise self._failed("init", code, events)
        write(marker, wanted)

    def validate(self) -> None:
        """`terraform validate`.

        Raises:
            TerraformFailed: with Terraform's own words.
        """
        code, events = self._terraform("validate", "-no-color")
        if code:
            raise self._failed("validate", code, events)

    def plan(self, destroy: bool = False, say_changes: bool = False, origin: Origin = Origin()) -> Counts:
        """Save a plan; what it was made from is written beside it.

        Args:
            destroy: of everything.
            say_changes: say what would be done to each resource.
            origin: of what it is made, and by whom.

        Raises:
            TerraformFailed: with Terraform's own words, or when the configuration moved meanwhile.
        """
        (self.folder / REVIEWED).unlink(missing_ok=True)
        configuration = self.digest()
        arguments = ["plan", "-json", "-input=false", "-lock=false", "-detailed-exitcode", f"-out={PLAN}"]
        code, events = self._terraform(*arguments, *(["-destroy"] if destroy else []))
        if code not in (0, 2):
            raise self._failed("plan", code, events)
        if self.digest() != configuration:
            raise TerraformFailed(
                f"the configuration of {self.id} moved while it was planned, so that nobody can tell which one the plan is of. Nothing was "
                "changed. Plan again."
            )
        counts = events.counts if code == 2 else Counts()
        for line in sorted(events.planned) if say_changes else ():
            self.say(line)
        made_from = {"configuration": configuration, "terraform": self.terraform.source, "provider": self.provider, **asdict(origin)}
        write(self.folder / REVIEWED, json.dumps({**made_from, "counts": asdict(counts)}))
        return counts

    def planned(self) -> Counts:
        """Counts of the saved plan.

        Raises:
            TerraformFailed: when there is none, the configuration moved since, or another provider made it.
        """
        made_from = self.made_from()
        if made_from["configuration"] != self.digest():
            raise TerraformFailed(
                f"the saved plan of {self.id} is stale: the configuration moved since. Nothing was changed. Plan and review again."
            )
        if made_from["provider"] != self.provider:
            raise TerraformFailed(
                f"the saved plan of {self.id} was made by {made_from['provider']}, and {self.provider} would apply it: it may do something "
                "else than was reviewed. Nothing was changed. Plan and review again."
            )
        return Counts(**made_from["counts"])

    def made_from(self) -> dict[str, Any]:
        """What the saved plan was made from, by whom, and its counts.

        Raises:
            TerraformFailed: when there is no plan.
        """
        try:
            made_from: dict[str, Any] = json.loads((self.folder / REVIEWED).read_text())
        except FileNotFoundError:
            made_from = {}
        # An apply that was interrupted before Terraform began has used up the plan and not what is beside it.
        if not made_from or not (self.folder / PLAN).exists():
            raise TerraformFailed(f"there is no saved plan of {self.id}. Nothing was changed. Make one and have it reviewed first.")
        return made_from

    def identity(self, shown: Mapping[str, Any] | None = None) -> Planned:
        """What identifies the saved plan.

        Args:
            shown: what `shown` has said of it, for whoever has asked already.

        Raises:
            TerraformFailed: when there is none, or it does not say what it was made from.
        """
        return identity(self.folder / PLAN, shown if shown is not None else self.shown(), self.made_from(), self.id)

    def apply(self, adopt: bool) -> Counts:
        """Apply the saved plan, which is then used up.

        Args:
            adopt: when a create answers 409, since a killed run made it or it cannot be deleted, import it and go on.

        Raises:
            TerraformFailed: with Terraform's own words.
        """
        total = Counts()
        tried: set[str] = set()
        try:
            while True:
                code, events = self._terraform("apply", "-json", "-input=false", "-lock=false", PLAN)
                (self.folder / REVIEWED).unlink(missing_ok=True)
                if code == 0:
                    return total.plus(events.counts)
                conflicts = events.conflicts() - tried if adopt else set()
                planned = adoption.created(self.shown()) if conflicts else {}
                imports = adoption.imports({address: planned[address] for address in conflicts if address in planned})
                if not imports:
                    raise self._failed("apply", code, events)
                tried |= imports.keys()
                total = total.plus(events.done)
                for address, id_ in imports.items():
                    self.say(f"{address} exists already, so it is adopted: import of {id_}")
                write(self.folder / adoption.FILE, adoption.blocks(imports))
                self.plan()
        finally:
            (self.folder / adoption.FILE).unlink(missing_ok=True)
            (self.folder / PLAN).unlink(missing_ok=True)

    def shown(self) -> dict[str, Any]:
        """The saved plan, as `terraform show -json` writes it.

        Raises:
            TerraformFailed: with Terraform's own words.
        """
        code, events = self._terraform("show", "-json", PLAN)
        if code:
            raise self._failed("show", code, events)
        return dict(json.loads("\n".join(events.plain)))

    def digest(self) -> str:
        """Digest of the synthesised configuration, with its import blocks where there are some."""
        return digest(self.folder)


def digest(folder: Path) -> str:
    """Digest of the configuration in a stack's working folder."""
    imports = folder / IMPORTS
    return hashlib.sha256((folder / CONFIGURATION).read_bytes() + (imports.read_bytes() if imports.exists() else b"")).hexdigest()


def write(path: Path, text: str) -> None:
    """Replace a file so that a reader sees the old or the new one."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text)
    os.replace(new, path)
