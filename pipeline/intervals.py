"""The intervals of resampled bars: sessions such as 3d, weekly and monthly."""

from __future__ import annotations

import re

from stockstream.pipeline.errors import UsageError

CALENDAR = {"weekly": "week", "monthly": "month"}


def every(interval: str) -> str:
    """Return an interval as `resample()` in SQL takes it: 3 for 3d, week for weekly.

    Raises:
        UsageError: it is not an interval.
    """
    if interval in CALENDAR:
        return CALENDAR[interval]
    if re.fullmatch(r"[1-9]\d{0,3}d", interval, re.ASCII) and 2 <= int(interval[:-1]) <= 1000:
        return interval[:-1]
    raise UsageError(f"{interval} is no interval: write 3d (2d to 1000d), weekly or monthly")
