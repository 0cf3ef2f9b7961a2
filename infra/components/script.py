"""A script of this repository as an object that a machine runs when it starts."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cdktf_cdktf_provider_google.storage_bucket_object import StorageBucketObject
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class ScriptProps:
    """A script and the bucket that it goes into."""

    bucket: str
    file: Path


class Script(Construct):
    """Creates one object named by the digest of its content, so that a script is never changed under a machine that runs it.

    Deliberately no template: what differs between machines, they read from their own metadata.
    """

    def __init__(self, scope: Construct, id: str, props: ScriptProps) -> None:
        super().__init__(scope, id)
        content = props.file.read_text(encoding="utf-8")
        name = f"{props.file.stem}-{hashlib.sha256(content.encode()).hexdigest()[:12]}{props.file.suffix}"
        script = StorageBucketObject(self, "object", bucket=props.bucket, name=name, content=content, content_type="text/x-shellscript")
        # By reference, so that no machine is made before its script is there.
        self.uri = f"gs://{props.bucket}/{script.name}"
