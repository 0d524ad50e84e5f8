"""The limits of `stockstream status`: how old a lake may be, and how many symbols its newest session may lack."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from stockstream.analytics.cli.options import parse_age
from stockstream.sql.errors import UsageError


@dataclass(frozen=True)
class Thresholds:
    """Limits that a person has set; None: there is none."""

    max_age: timedelta | None
    missing: float | None
    """Percent."""
    names: tuple[str, ...]
    """The options as they were written."""

    def exceeded(self, status: dict[str, Any], now: datetime) -> list[str]:
        """Return a line per limit that a status exceeds, or that cannot be compared with it, and what to do."""
        if not self.names:
            return []
        if not status["bars"]:
            return [f"{' and '.join(self.names)}: the lake holds no bars: `stockstream run` fetches them"]
        return [line for line in (self._age(status, now), self._missing(status)) if line]

    def _age(self, status: dict[str, Any], now: datetime) -> str | None:
        if self.max_age is None:
            return None
        if status["market"] is None:
            return "--max-age cannot be compared: the lake does not say of which market it is (`stockstream repair`)"
        since: datetime | None = status["lacking_since"]
        if since is None or now - since <= self.max_age:
            return None
        return (
            f"{self.names[0]}: the newest bars are of {status['last_date']}, and the next session is final since "
            f"{since:%Y-%m-%d %H:%M} UTC: `stockstream run` fetches it"
        )

    def _missing(self, status: dict[str, Any]) -> str | None:
        if self.missing is None or status["missing"] * 100 <= self.missing * status["expected"]:
            return None
        share = 100 * status["missing"] / status["expected"]
        return (
            f"{self.names[-1]}: {status['missing']:,} of {status['expected']:,} symbols ({share:.2f} %) have no bar of "
            f"{status['last_date']}: `stockstream run` names the missing ones and why"
        )


def read_thresholds(max_age: str | None, missing: str | None) -> Thresholds:
    """Return the limits of `--max-age` and `--missing`.

    Raises:
        UsageError: a text is no age, or no percentage from 0 to 100.
    """
    names = [f"--max-age {max_age}"] if max_age is not None else []
    share = None
    if missing is not None:
        match = re.fullmatch(r"(\d{1,3}(?:\.\d+)?) ?%", missing, re.ASCII)
        if match is None or float(match[1]) > 100:
            raise UsageError(f"--missing {missing}: write a percentage, as 5%")
        share = float(match[1])
        names.append(f"--missing {missing}")
    return Thresholds(parse_age("--max-age", max_age) if max_age is not None else None, share, tuple(names))
