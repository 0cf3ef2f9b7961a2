"""Times, numbers and tags in Google's forms."""

import base64
import os
import secrets
import time
from datetime import UTC, datetime, timedelta


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
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is beyond the calendar") from None


def duration(text: str, least: timedelta, most: timedelta) -> timedelta:
    """What an API's duration (`3.5s`) means.

    Raises:
        ValueError: It is shorter than `least` or longer than `most`.
    """
    seconds = float(text.removesuffix("s"))
    if not least.total_seconds() <= seconds <= most.total_seconds():
        raise ValueError(f"{text} is not within {least.total_seconds():.0f}s and {most.total_seconds():.0f}s")
    return timedelta(seconds=seconds)


def number() -> str:
    """A new resource id as APIs that number their resources give it: 18 digits."""
    return str(10**17 + secrets.randbelow(9 * 10**17))


def etag() -> str:
    """A new entity tag."""
    return base64.b64encode(os.urandom(6)).decode()


def rising_etag() -> str:
    """A new entity tag that is greater than those before it: clients of Vertex ML Metadata see by that who is behind."""
    return str(time.time_ns() // 1000)
