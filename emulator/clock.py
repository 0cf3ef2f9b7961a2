"""Times, numbers and tags in Google's forms."""

import base64
import os
import secrets
from datetime import UTC, datetime


def now() -> str:
    """The present moment as APIs write it: `2026-11-23T09:00:00.000000Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def number() -> str:
    """A new resource id as APIs that number their resources give it: 18 digits."""
    return str(10**17 + secrets.randbelow(9 * 10**17))


def etag() -> str:
    """A new entity tag."""
    return base64.b64encode(os.urandom(6)).decode()
