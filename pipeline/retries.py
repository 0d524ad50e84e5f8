"""When a request over HTTP is sent again: what a server says about it, and the pause otherwise."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a Retry-After header requests (as seconds or a date); None without a usable one."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def backoff(failures: int, wait: float, wait_max: float) -> float:
    """Return the seconds before the next attempt after some failures in a row: doubled each time, with jitter.

    Half of the pause is random, so that clients which failed together do not come back together.
    """
    pause: float = min(wait * 2.0 ** min(failures - 1, 30), wait_max)
    return pause * random.uniform(0.5, 1.0)
