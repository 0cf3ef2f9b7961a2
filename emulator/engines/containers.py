"""Container images: blobs and manifests as files that are named by their digest, and which repository shows which of them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emulator.store import Store

Json = dict[str, Any]

INCOMING = ".incoming"
IMAGE = "application/vnd.oci.image.manifest.v1+json"
CONFIGURATION = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Containers:
    """All images of all repositories.

    Args:
        folder: holds the files; two repositories with one blob share its file.
        store: holds what each repository shows.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._kept = store.of("docker")
        (folder / INCOMING).mkdir(parents=True, exist_ok=True)

    def incoming(self, upload: str = "") -> Path:
        """The file of an upload that is under way; a new one where none is named."""
        return self._folder / INCOMING / (upload or uuid.uuid4().hex)

    def blob(self, repository: str, digest: str) -> Path | None:
        """The file of a blob, if the repository has it."""
        return self._folder / digest if self._kept.get(f"{repository}/blobs/{digest}") is not None else None

    def add_blob(self, repository: str, digest: str, file: Path) -> None:
        """Move a file in place as a blob of the repository; it was compared with the digest before."""
        os.replace(file, self._folder / digest)
        self.share_blob(repository, digest)

    def share_blob(self, repository: str, digest: str) -> None:
        """Show a blob that is here already in a repository, too."""
        self._kept.put(f"{repository}/blobs/{digest}", "Blob", {})

    def manifest(self, repository: str, image: str, reference: str) -> tuple[str, str, bytes] | None:
        """Digest, media type and bytes of a manifest by its digest or a tag, if the image has it."""
        tagged = self._kept.get(f"{repository}/images/{image}/tags/{reference}")
        digest = str(tagged["digest"]) if tagged else reference
        kept = self._kept.get(f"{repository}/images/{image}/manifests/{digest}")
        return (digest, str(kept["mediaType"]), (self._folder / digest).read_bytes()) if kept else None

    def add_manifest(self, repository: str, image: str, content: bytes, media_type: str, tag: str = "") -> str:
        """Keep a manifest, and let a tag name it; its digest."""
        digest, file = digest_of(content), self.incoming()
        file.write_bytes(content)
        os.replace(file, self._folder / digest)
        self._kept.put(f"{repository}/images/{image}/manifests/{digest}", "Manifest", {"mediaType": media_type})
        if tag:
            self._kept.put(f"{repository}/images/{image}/tags/{tag}", "Tag", {"digest": digest})
        return digest

    def tag(self, repository: str, image: str, tag: str) -> str:
        """The digest that a tag names; empty where there is no such tag."""
        kept = self._kept.get(f"{repository}/images/{image}/tags/{tag}")
        return str(kept["digest"]) if kept else ""

    def tags(self, repository: str, image: str) -> list[str]:
        """The tags of an image."""
        return sorted(name.rpartition("/")[2] for name, _ in self._kept.items(f"{repository}/images/{image}/tags"))

    def lacking(self, repository: str, image: str, content: bytes) -> list[str]:
        """Digests that a manifest names and the repository does not have.

        Raises:
            ValueError: when it is no manifest.
        """
        manifest = json.loads(content)
        if not isinstance(manifest, dict) or manifest.get("schemaVersion") != 2:
            raise ValueError("it is no manifest of schema version 2")
        blobs = [part["digest"] for part in (*([manifest["config"]] if "config" in manifest else []), *manifest.get("layers", []))]
        missing = [digest for digest in blobs if self.blob(repository, digest) is None]
        images = [part["digest"] for part in manifest.get("manifests", [])]
        return missing + [digest for digest in images if self.manifest(repository, image, digest) is None]

    def make(self, repository: str, image: str, tag: str, said: str) -> str:
        """Make an image that holds one file, which says `said`; its digest, which follows from image and tag."""
        unpacked = io.BytesIO()
        with tarfile.open(fileobj=unpacked, mode="w") as tar:
            member = tarfile.TarInfo("README")
            member.size = len(said.encode())
            tar.addfile(member, io.BytesIO(said.encode()))
        layer = gzip.compress(unpacked.getvalue(), mtime=0)
        configuration = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Labels": {"image": image, "source": tag}},
                "rootfs": {"type": "layers", "diff_ids": [digest_of(unpacked.getvalue())]},
            }
        ).encode()
        for content in (layer, configuration):
            file = self.incoming()
            file.write_bytes(content)
            self.add_blob(repository, digest_of(content), file)
        manifest = {
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": {"mediaType": CONFIGURATION, "digest": digest_of(configuration), "size": len(configuration)},
            "layers": [{"mediaType": LAYER, "digest": digest_of(layer), "size": len(layer)}],
        }
        return self.add_manifest(repository, image, json.dumps(manifest).encode(), IMAGE, tag)


def digest_of(content: bytes) -> str:
    """`sha256:…` of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_of_file(file: Path) -> str:
    """`sha256:…` of a file."""
    total = hashlib.sha256()
    for block in _blocks(file):
        total.update(block)
    return f"sha256:{total.hexdigest()}"


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            yield block
