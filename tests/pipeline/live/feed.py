"""Days of a feed, generated: frames as Polygon's stocks cluster sends them, and the independent sum of their events."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import polars as pl

from stockstream.pipeline.live.fold import Session

DAY = date(2026, 11, 25)
OPENS = 1_795_617_000_000
"""2026-11-25 09:30 in New York."""
CLOSES = OPENS + 23_400_000
SESSION = Session(str(DAY), OPENS, CLOSES, OPENS - 34_200_000, OPENS + 52_200_000)


def names(count: int) -> list[str]:
    return [chr(65 + n // 676 % 26) + chr(65 + n // 26 % 26) + chr(65 + n % 26) for n in range(count)]


def seconds(
    symbols: int | Sequence[str], count: int, *, start: int = OPENS, seed: int = 7, step: int = 1
) -> list[dict[str, Any]]:
    """Return the aggregates of `count` seconds, in their order; a symbol trades in most of them."""
    rng = random.Random(seed)
    listed = names(symbols) if isinstance(symbols, int) else list(symbols)
    price = {name: round(rng.uniform(5, 500), 2) for name in listed}
    opens = dict(price)
    total = dict.fromkeys(listed, 0)
    events = []
    for second in range(count):
        for name in listed:
            if rng.random() < 0.2:
                continue
            before = price[name]
            close = price[name] = max(0.01, round(before * (1 + rng.gauss(0, 0.0004)), 4))
            volume = rng.randrange(1, 2000)
            total[name] += volume
            events.append(
                {
                    "ev": "A",
                    "sym": name,
                    "v": volume,
                    "av": total[name],
                    "op": opens[name],
                    "vw": before,
                    "o": before,
                    "c": close,
                    "h": max(before, close),
                    "l": min(before, close),
                    "a": before,
                    "z": 50,
                    "s": start + 1000 * step * second,
                    "e": start + 1000 * step * (second + 1),
                }
            )
    return events


def frames(events: Iterable[dict[str, Any]], size: int = 50) -> list[bytes]:
    listed = list(events)
    return [json.dumps(listed[at : at + size]).encode() for at in range(0, len(listed), size)]


def unreliable(events: Iterable[dict[str, Any]], rng: random.Random) -> list[dict[str, Any]]:
    """Return the events as a bad network delivers them: a tenth twice, each up to 20 s late."""
    arrivals = []
    for event in events:
        for _ in range(1 + (rng.random() < 0.1)):
            arrivals.append((event["s"] + rng.choice((0, 0, 0, rng.randrange(20_000))), event))
    return [event for _, event in sorted(arrivals, key=lambda arrival: arrival[0])]


def expected(events: Sequence[dict[str, Any]]) -> dict[str, tuple[float, float, float, float, float]]:
    """Return open, high, low, close and volume per symbol, by polars, from the events of the session."""
    frame = (
        pl.DataFrame(events)
        .filter(pl.col("s").is_between(OPENS, CLOSES, closed="left"))
        .unique(["sym", "s"])
        .sort("s")
        .group_by("sym")
        .agg(
            pl.col("op").first(),
            pl.max_horizontal(pl.col("h").max(), pl.col("op").max()).alias("h"),
            pl.min_horizontal(pl.col("l").min(), pl.col("op").min()).alias("l"),
            pl.col("c").last(),
            pl.col("v").sum(),
        )
    )
    return {row[0]: (row[1], row[2], row[3], row[4], float(row[5])) for row in frame.iter_rows()}
