"""What the google provider asks of Google for every stack of `local`: recorded where the provider can be had, replayed everywhere.

    python -m tests.infra.recording          # `make record`

One file a stack and verb in `recorded/`, a request a line, in the order in which the provider sent them: method, address, body, status.
What differs from run to run is left out (etags, polls of operations) or has a name of its own: `<alertPolicies-1>` is an id that the
server gave, in the request that is answered with it and in all later ones.
"""

import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from emulator import behaviours, dispatch
from emulator.cloud import Cloud
from emulator.identity import E_MAIL, access_token
from emulator.images import Images
from emulator.store import Store

Json = dict[str, Any]

ENVIRONMENT = "local"
FOLDER = Path(__file__).with_name("recorded")
BOOTSTRAP = "bootstrap"
PROVIDER = "terraform-provider-google"
CHANGEABLE = {"etag", "fingerprint", "labelFingerprint"}
GIVEN = {
    *CHANGEABLE, "id", "uid", "uniqueId", "oauth2ClientId", "createTime", "updateTime", "creationTimestamp", "timeCreated", "updated",
    "creationTime", "lastModifiedTime", "generation", "metageneration", "selfLink", "selfLinkWithId", "generatedId", "creationRecord",
    "mutationRecord", "mutationRecords", "generateTime", "projectNumber", "nextRotationTime", "userUpdateTime", "resourceName",
    "mediaLink", "timeFinalized", "effectiveTime", "timeStorageClassUpdated", "_file",
}  # fmt: skip
"""What the server writes anew at each run."""
NOT_KEPT = {"operations", "uploads", "principals", "bigquery-rows", "log-entries"}
"""Collections of the emulator's store that are not resources."""
VARYING = re.compile(r"^https://(www|compute)\.googleapis\.com/compute/v1/|(?<=/conditions/)\d+$")
"""What an address has before its name, and the id of an alert's condition."""
POLICY = re.compile(r":setIamPolicy$|/iam$")
SERVER_ID = re.compile(r"\d{6,}|[0-9a-f]{8,}(-[0-9a-f]{4,}){0,4}")


def condensed(lines: Iterable[Json], names: dict[str, str]) -> Iterator[Json]:
    """The requests of a recording in the form in which they are kept.

    Args:
        lines: As the emulator wrote them.
        names: The ids that the server gave, each with its name here; added to.
    """
    chosen = [line for line in lines if "/operations/" not in line["path"] and not line["path"].endswith(("/token", "/userinfo"))]
    # A policy is read, changed and written for each of its members; what counts is what it is in the end.
    last = {line["path"]: number for number, line in enumerate(chosen) if POLICY.search(line["path"]) and not reads(line)}
    known: set[str] = set()
    for number, line in enumerate(chosen):
        if last.get(line["path"], number) != number and not reads(line):
            continue
        query = "&".join(part for part in line["query"].split("&") if part and part not in ("alt=json", "prettyPrint=false"))
        kept: Json = {"ask": f"{line['http']} https://{line['host']}{line['path']}{'?' + query if query else ''}"}
        body, type_ = without(line["body"], CHANGEABLE), line["type"]
        if isinstance(body, str):
            boundary = type_.partition("boundary=")[2].strip('"')
            kept["type"] = type_.replace(boundary, "part") if boundary else type_
            body = body.replace(boundary, "part") if boundary else body
        if body not in (None, {}):
            kept["body"] = body
        text = named(json.dumps(kept), names)
        kept = json.loads(text) | {"status": line["status"]}
        new = server_id(line["answer"]) if line["http"] == "POST" and line["status"] == 200 and isinstance(line["answer"], dict) else ""
        if new and new not in text and new not in names:
            kind = line["path"].rpartition("/")[2].partition(":")[0]
            names[new] = f"<{kind}-{1 + sum(name.startswith(f'<{kind}-') for name in names.values())}>"
            kept["gives"] = names[new]
        if reads(line):
            if kept["ask"] in known:
                continue
            known.add(kept["ask"])
        else:
            known.clear()
        yield kept


def reads(line: Json) -> bool:
    """Whether a request changes nothing."""
    return bool(line["http"] == "GET" or line["path"].endswith(":getIamPolicy"))


def server_id(answer: Json) -> str:
    """The id that a server gave in the answer to a creation; empty where it gave none."""
    made = answer.get("response", answer)
    if str(made.get("kind", "")).endswith("#operation"):
        return ""
    given = (str(made.get("name", "")).rpartition("/")[2], str(made.get("id", "")), str(made.get("generation", "")))
    return next((one for one in given if SERVER_ID.fullmatch(one)), "")


def named(text: str, names: dict[str, str]) -> str:
    """`text` with every known id by its name."""
    for old, new in names.items():
        text = text.replace(old, new)
    return text


def without(value: Any, keys: set[str]) -> Any:
    """A JSON value without the fields called so, at every depth."""
    if isinstance(value, dict):
        return {key: without(inner, keys) for key, inner in value.items() if key not in keys}
    return [without(inner, keys) for inner in value] if isinstance(value, list) else value


def replayed(cloud: Cloud, runner: asyncio.Runner, requests: Iterable[Json], ids: dict[str, str], identity: str = E_MAIL) -> list[str]:
    """Sends recorded requests to a cloud; what was answered otherwise than it was recorded.

    Args:
        cloud: Answers.
        runner: The event loop in which it lives.
        requests: Lines of a file.
        ids: What the server gave so far, by its name; added to.
        identity: E-mail of who sends them.
    """
    differences = []
    for request in requests:
        method, _, url = named(request["ask"], ids).partition(" ")
        host, _, rest = url.removeprefix("https://").partition("/")
        path, _, query = f"/{rest}".partition("?")
        body = request.get("body")
        content = named(body if isinstance(body, str) else json.dumps(body), ids).encode() if body is not None else b""
        headers = {"content-type": request.get("type", "application/json"), "authorization": f"Bearer {access_token(identity)}"}
        answer = runner.run(dispatch.answer(dispatch.Request(method, host, path, query, headers, content), cloud))
        if answer.status != request["status"]:
            said = answer.body[:300].decode() if isinstance(answer.body, bytes) else ""
            differences.append(f"{request['ask']}: {answer.status} and not {request['status']} {said}")
        elif name := request.get("gives"):
            assert isinstance(answer.body, bytes)
            ids[name] = server_id(json.loads(answer.body))
    return differences


def opened(state: Path, enforced: bool = False) -> Cloud:
    """A cloud without its gateway."""
    behaviours.load()
    return Cloud(state, {}, Images({}), enforced)


def end_state(store: Store) -> dict[str, Json]:
    """`SERVICE KIND NAME` → the resource without what changes from run to run; ids that the server gave are called by their names."""
    rows = [(service, kind, name, body) for service, kind, _ in store.services() for name, body in store.of(service).items(kind=kind)]
    called = ((name.rpartition("/")[2], str(body.get("displayName") or body.get("name", ""))) for _, _, name, body in rows)
    ids = {last: f"<{word}>" for last, word in called if SERVER_ID.fullmatch(last) and word and last not in word}
    return {
        named(f"{service} {kind} {name}", ids): json.loads(named(json.dumps(settled(without(body, GIVEN))), ids))
        for service, kind, name, body in rows
        if service not in NOT_KEPT and kind != "Change" and ".tfstate" not in name
    }


def settled(value: Any, key: str = "") -> Any:
    """A JSON value in one form: what is empty or zero is as good as absent, an address is as good as the name in it, a list is a set."""
    if isinstance(value, dict):
        inner = {name: settled(one, name) for name, one in value.items()}
        return {name: one for name, one in inner.items() if one not in (None, "", "0", "0s", 0, [], {})}
    if isinstance(value, list):
        return sorted((settled(one) for one in value), key=lambda one: json.dumps(one, sort_keys=True))
    if isinstance(value, str):
        return value.rpartition("/")[2] if key in ("region", "zone") else VARYING.sub("", value)
    return value


def difference(wanted: Any, found: Any, path: str = "") -> list[str]:
    """Where two JSON values differ, in words."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        keys = sorted(wanted.keys() | found.keys())
        return [line for key in keys for line in difference(wanted.get(key), found.get(key), f"{path}.{key}")]
    return [] if wanted == found else [f"{path}: the provider {wanted!r}, the stand-in {found!r}"]


def read(stack: str, verb: str) -> list[Json]:
    """The recorded requests of a stack; none where it has no file."""
    path = FOLDER / f"{stack}.{verb}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def contents() -> Json:
    """What was recorded: `stacks` in the order of application, the resource `types` in them, and by which `provider`."""
    found: Json = json.loads((FOLDER / "contents.json").read_text())
    return found


def main() -> int:
    """Records every stack of `local`, one after the other; 2 where the true provider is not to be had."""
    from infra.terraform import apply, bootstrap, destroy, providers
    from infra.terraform.together import synthesise, types_in
    from tests.conftest import running_emulator

    if providers.installed(os.environ, Path.home()) is None:
        print("the google provider is not on this machine, so nothing was recorded. Fetch it: python -m infra.terraform providers")
        return 2
    with tempfile.TemporaryDirectory(prefix="record-") as scratch:
        log = Path(scratch) / "requests.jsonl"
        folder = Path(scratch) / "terraform"
        with running_emulator(Path(scratch) / "google-cloud", "--record", str(log)) as described:
            os.environ |= described["environment"]
            written = 0
            names: dict[str, str] = {}

            def take(stack: str, verb: str, agent: str) -> None:
                nonlocal written
                with log.open() as file:
                    file.seek(written)
                    lines = [json.loads(line) for line in file]
                    written = file.tell()
                # What our own code has put into a bucket goes with it, and is not there when the requests are replayed.
                chosen = [line for line in lines if agent in line["agent"] and "/o/ledger%2F" not in line["path"]]
                (FOLDER / f"{stack}.{verb}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in condensed(chosen, names)))

            FOLDER.mkdir(exist_ok=True)
            for old in FOLDER.glob("*.jsonl"):
                old.unlink()
            bootstrap(ENVIRONMENT)
            take(BOOTSTRAP, "apply", "")
            prefix = f"{ENVIRONMENT}-"
            stacks = [id_.removeprefix(prefix) for id_ in synthesise(ENVIRONMENT, folder / "order")]
            for verb, work, order in (("apply", apply, stacks), ("destroy", destroy, stacks[::-1])):
                for stack in order:
                    results = work(ENVIRONMENT, [stack], folder)
                    if errors := [result.error for result in results if result.status != "done"]:
                        print("\n".join(errors), file=sys.stderr)
                        return 1
                    take(stack, verb, PROVIDER)
            types = sorted(types_in(folder / "order"))
            recorded = {"provider": providers.VERSION, "stacks": stacks, "types": types}
            (FOLDER / "contents.json").write_text(json.dumps(recorded, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
