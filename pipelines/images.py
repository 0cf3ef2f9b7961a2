"""`make images ENV=dev`: the container images of this source, built by Cloud Build unless they were, and their digests.

An image is known by what goes into it: its tag is the digest of its Dockerfile and of the files that this copies. So what did
not change is not built again, an image's digest stays while its content does, and an edit that was never built is noticed.
The digests of a build stand in the pipelines bucket (`names.built_images`); what runs names them, never a tag.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import yaml

from environments import ConfigurationError, Names
from environments.clients import TIMEOUT_SECONDS, Clients

ROOT = Path(__file__).parent.parent
BUILDS = "https://cloudbuild.googleapis.com/v1"
WORKING = ("STATUS_UNKNOWN", "PENDING", "QUEUED", "WORKING")
POLL_SECONDS = 5.0
MADE = {"__pycache__", "dist", "node_modules"}
"""Folders of what is made from the source."""


class ImagesError(Exception):
    """The images of this source are not there or could not be built; the message is meant for people."""


def slices(root: Path = ROOT) -> dict[str, str]:
    """Image → install slice, of `cloudbuild/images.yaml`; empty where no Python package is installed."""
    table = yaml.safe_load((root / "cloudbuild" / "images.yaml").read_text(encoding="utf-8"))["images"]
    return {image: table[image].get("slice", "") for image in sorted(table)}


def contexts(root: Path = ROOT) -> dict[str, list[Path]]:
    """Image → what goes into it: its Dockerfile and every file that this copies, sorted."""
    found = {}
    for image, slice_ in slices(root).items():
        dockerfile = root / "cloudbuild" / f"{image}.Dockerfile"
        copies = re.findall(r"^COPY (?!--from)(.+)$", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
        sources = [root / path.replace("${SLICE}", slice_) for copy in copies for path in copy.split()[:-1]]
        files = [file for source in sources for file in (source.rglob("*") if source.is_dir() else [source])]
        found[image] = sorted({dockerfile, *(file for file in files if file.is_file() and not MADE.intersection(file.parts))})
    return found


def tags(root: Path = ROOT) -> dict[str, str]:
    """Image → tag: the digest of what goes into it."""
    found = {}
    for image, files in contexts(root).items():
        total = hashlib.sha256()
        for path in files:
            total.update(f"{path.relative_to(root).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        found[image] = total.hexdigest()[:40]
    return found


def source(root: Path = ROOT) -> str:
    """The digest of everything that the images are built from."""
    return hashlib.sha256(json.dumps(tags(root), sort_keys=True).encode()).hexdigest()[:40]


def built(clients: Clients) -> dict[str, str]:
    """Image → `sha256:…` for this source.

    Raises:
        ImagesError: when this source was never built in the environment, with the command that does it.
    """
    from google.cloud.storage import Blob

    key = source()
    found = _recorded(Blob.from_uri(clients.names.built_images(key), client=clients.storage()))
    if found is None:
        raise ImagesError(
            f"No images were built from this source ({_revision()}) in {clients.names.environment.name}: "
            f"{clients.names.built_images(key)} does not exist. A run would have no container to start, so nothing was submitted. "
            f"Build them: make images ENV={clients.names.environment.name}"
        )
    return found


def build(clients: Clients) -> tuple[dict[str, str], bool]:
    """The digests of this source's images, and whether they had to be built. A build that is under way is joined.

    Raises:
        ImagesError: when Cloud Build refuses or fails.
    """
    from google.cloud.storage import Blob

    key, storage = source(), clients.storage()
    record = Blob.from_uri(clients.names.built_images(key), client=storage)
    if found := _recorded(record):
        return found, False
    session, parent, label = clients.session(), clients.names.location, f"source-{key}"
    listed = session.get(f"{BUILDS}/{parent}/builds", params={"filter": f'tags="{label}"'}, timeout=TIMEOUT_SECONDS)
    done = next((one for one in _answer(listed).get("builds", []) if one["status"] in (*WORKING, "SUCCESS")), None)
    if done is None:
        uploaded = Blob.from_uri(clients.names.uri("pipelines", "images", key, "source.tar.gz"), client=storage)
        uploaded.upload_from_string(archive(), "application/gzip")
        request = _request(clients.names, uploaded, label)
        done = _answer(session.post(f"{BUILDS}/{parent}/builds", json=request, timeout=TIMEOUT_SECONDS))["metadata"]["build"]
    while done["status"] in WORKING:
        time.sleep(POLL_SECONDS)
        done = _answer(session.get(f"{BUILDS}/{parent}/builds/{done['id']}", timeout=TIMEOUT_SECONDS))
    if done["status"] != "SUCCESS":
        raise ImagesError(
            f"Cloud Build could not build the images: {done['status']}, {done.get('statusDetail', 'no reason given')}. Nothing that runs "
            f"was changed. Read {done.get('logUrl', 'its log')}, mend the cause and run it again: images that were pushed are kept."
        )
    digests = {image["name"].rpartition("/")[2].partition(":")[0]: image["digest"] for image in done["results"]["images"]}
    record.upload_from_string(json.dumps(digests, indent=2, sort_keys=True), "application/json")
    return digests, True


def archive(root: Path = ROOT) -> bytes:
    """What Cloud Build needs, as .tar.gz; the same source gives the same bytes."""
    files = {root / "cloudbuild" / "images.yaml", *(path for copied in contexts(root).values() for path in copied)}
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed, tarfile.open(fileobj=compressed, mode="w") as tar:
        for path in sorted(files):
            member = tarfile.TarInfo(path.relative_to(root).as_posix())
            member.size, member.mode = path.stat().st_size, 0o644
            with path.open("rb") as content:
                tar.addfile(member, content)
    return packed.getvalue()


def _request(names: Names, uploaded: Any, label: str) -> dict[str, Any]:
    """The build: `images.cloudbuild.yaml` on the uploaded source."""
    steps = yaml.safe_load((ROOT / "cloudbuild" / "images.cloudbuild.yaml").read_text(encoding="utf-8"))
    return {
        **steps,
        "source": {"storageSource": {"bucket": uploaded.bucket.name, "object": uploaded.name, "generation": str(uploaded.generation)}},
        "substitutions": {"_REPOSITORY": names.image_repository, **{_substitution(image): tag for image, tag in tags().items()}},
        "serviceAccount": f"projects/{names.project}/serviceAccounts/{names.service_account('builder')}",
        "tags": [label],
    }


def _substitution(image: str) -> str:
    """The name of an image's tag among Cloud Build's substitutions, which know no hyphen."""
    return f"_{image.upper().replace('-', '_')}"


def _recorded(record: Any) -> dict[str, str] | None:
    """The digests that stand in the record, if it exists."""
    from google.api_core.exceptions import NotFound

    try:
        digests: dict[str, str] = json.loads(record.download_as_bytes())
    except NotFound:
        return None
    return digests


def _answer(response: Any) -> dict[str, Any]:
    if not response.ok:
        try:
            reason = response.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            reason = response.text.strip()[:300] or response.reason
        raise ImagesError(
            f"Cloud Build refused ({response.status_code}): {reason.rstrip('.')}. Nothing was built. "
            "Mend that, or ask for roles/cloudbuild.builds.editor and the right to act as the builder, then run it again."
        )
    answer: dict[str, Any] = response.json()
    return answer


def _revision() -> str:
    """The commit, and whether files differ from it; the digest of the source where git cannot tell."""
    try:
        commit, changed = (
            subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
            for arguments in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.CalledProcessError):
        return f"digest {source()[:12]}"
    return f"commit {commit}{' with uncommitted changes' if changed else ''}"


def main() -> int:
    """Build what is not built yet and print where the digests stand; 1 when that fails, 2 when the configuration is wrong."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    parser = argparse.ArgumentParser(prog="python -m pipelines.images", description=__doc__)
    parser.add_argument("--env", default=os.environ.get("ENV", "local"), help="environment (default: ENV, or local)")
    arguments = parser.parse_args()
    try:
        clients = Clients.of(arguments.env)
        digests, new = build(clients)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except (ImagesError, GoogleAPICallError, GoogleAuthError) as error:
        print(f"{error}\nThe stacks must be there first: make deploy ENV={arguments.env}", file=sys.stderr)
        return 1
    named = tags()
    for image, digest in digests.items():
        print(f"{image:<22}{digest}  tag {named[image]}")
    print(f"{'Built' if new else 'Built before'}: {clients.names.built_images(source())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
