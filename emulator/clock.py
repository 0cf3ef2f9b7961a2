"""Times, numbers and tags in Google's forms."""

import base64
import os
import secrets
from datetime import UTC, datetime


def now() -> str:
    """The present moment as APIs write it: `2026-11-23T09:00:00.000000Z`."""
    return written(datetime.now(UTC))


def written(moment: datetime) -> str:
    """A moment as APIs write it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read(text: str) -> datetime:
    """The moment that an API's time means.

    Raises:
        ValueError: It is no time, or one without its zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment


def number() -> str:
    """A new resource id as APIs that number their resources give it: 18 digits."""
    return str(10**17 + secrets.randbelow(9 * 10**17))


def etag() -> str:
    """A new entity tag."""
    return base64.b64encode(os.urandom(6)).decode()
