"""A whole day of a market, generated: what a feed sends from the morning to the evening, with all that is wrong in it.

Second aggregates of every symbol before, in and after the session; a tenth twice, many late, some too late; fractions
of shares and numbers such as 6.38e+05; a split whose ex-date is the day, a symbol without an earlier bar. Between them,
what no bar may have: `Wrong` says how much of it, by the reason that the fold counts.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from tests.pipeline.live.feed import CLOSES, OPENS, SESSION, names

BEFORE = [date(2026, 11, day) for day in (19, 20, 23, 24)]
"""The sessions before the day, of which the lake has batch bars."""
SPLIT = 4.0
"""New shares per old share, of the second symbol."""
NOON = 10_800
"""Seconds after the opening; between the busy minutes after it and before the close, trades come in bursts."""
PER_FRAME = 100
WINDOW = 900
"""Seconds by which an event may be late."""


@dataclass(frozen=True)
class MarketDay:
    """A day: the frames as the vendor sends them, and what a lake knows before it."""

    symbols: list[str]
    frames: list[bytes]
    closes: dict[str, float]
    """Of the last session before, in the shares of that session."""
    splits: dict[str, float]
    wrong: Counter[str] = field(default_factory=Counter)
    """Number of the events and frames that are in no bar, by reason, without the late and repeated ones."""

    def history(self) -> pl.DataFrame:
        """Return the batch bars of the sessions before."""
        rows = [
            {"symbol": symbol, "date": day, **dict.fromkeys(("open", "high", "low", "close"), close), "volume": 1000}
            for symbol, close in self.closes.items()
            for day in BEFORE
        ]
        return batch_bars(rows)

    def write_history(self, folder: Path) -> None:
        """Write the lists and the batch bars that a lake in a folder has before the day."""
        for key, data in self.objects(folder.parent):
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            (folder / key).write_bytes(data)

    def objects(self, scratch: Path) -> Iterator[tuple[str, bytes]]:
        """Yield the same as objects, by key; `scratch` is a folder for a temporary file."""
        lines = ["symbol,name,sector,market_cap", *(f"{symbol},{symbol} Inc.,," for symbol in self.symbols)]
        yield f"symbols/{BEFORE[-1]}-symbols.csv", "\n".join([*lines, ""]).encode()
        yield f"raw-data/{BEFORE[-1]}-batch-0.parquet", parquet(self.history(), scratch)


def batch_bars(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Return rows in the form of a batch file; without a `split_ratio`, it is 1."""
    bars = pl.DataFrame([{"split_ratio": 1.0, **row} for row in rows])
    return bars.with_columns(pl.col("volume").cast(pl.Int64), dividend=pl.lit(0.0), price_basis=pl.col("date"))


def parquet(bars: pl.DataFrame, scratch: Path) -> bytes:
    file = scratch / "bars.parquet"
    bars.write_parquet(file)
    return file.read_bytes()


def market_day(symbols: int = 500, seed: int = 16) -> MarketDay:
    """Return a day of a number of symbols, at least three."""
    rng = random.Random(seed)
    listed = names(symbols)
    closes = {name: round(rng.uniform(5, 500), 2) for name in listed[:-1]}  # the last one is new
    splits = {listed[1]: SPLIT}
    first = {name: closes.get(name, 20.0) / splits.get(name, 1.0) for name in listed}
    arrivals = list(_late(_traded(rng, first), rng, listed))
    wrong: Counter[str] = Counter()
    frames = _with_wrong(list(_framed(arrivals)), rng, listed, wrong)
    return MarketDay(listed, frames, closes, splits, wrong)


def _seconds(rng: random.Random) -> list[int]:
    """Return the seconds after the opening in which there is trading."""
    session = (CLOSES - OPENS) // 1000
    noon = 30
    bursts = []
    while noon < session - 1000:
        noon += rng.randrange(300, 1500)
        bursts.append(noon)
    before, after = [-5400, -3600, -1800, -60, -1], [0, 1, 60, 1800]
    busy = [*range(20), *bursts, *range(session - 15, session)]
    return [*before, *busy, *(session + second for second in after)]


def _traded(rng: random.Random, price: dict[str, float]) -> Iterator[dict[str, Any]]:
    """Yield the aggregates in the order of their seconds; a symbol trades in most of them."""
    opened: dict[str, float] = {}
    total: dict[str, int] = dict.fromkeys(price, 0)  # millionths of a share
    for number, name in enumerate(price):
        price[name] = round(price[name] * (1 + rng.gauss(0, 0.02)), 2)
        if number % 7 == 0:
            opened[name] = price[name]  # the official open is not the price of the first aggregate
    for second in _seconds(rng):
        at = OPENS + 1000 * second
        for number, name in enumerate(price):
            if rng.random() < 0.2:
                continue
            before = price[name]
            close = price[name] = max(0.01, round(before * (1 + rng.gauss(0, 0.001)), 4))
            shares = rng.randrange(1, 2000) * 1_000_000
            if number % 50 == 3:
                shares += rng.randrange(1_000_000)
            if number % 50 == 4:
                shares = rng.randrange(100, 1000) * 1_000_000_000
            total[name] += shares
            is_open = OPENS <= at < CLOSES
            if is_open:
                opened.setdefault(name, before)
            yield {
                "ev": "A",
                "sym": name,
                "v": _number(shares),
                "av": _number(total[name]),
                "op": opened[name] if at >= OPENS and name in opened else 0,
                "vw": before,
                "o": before,
                "c": close,
                "h": round(max(before, close) * (1 + rng.random() / 1000), 4),
                "l": round(min(before, close) * (1 - rng.random() / 1000), 4),
                "a": before,
                "z": 50,
                "s": at,
                "e": at + 1000,
            }


def _number(millionths: int) -> int | float:
    shares, rest = divmod(millionths, 1_000_000)
    return millionths / 1_000_000 if rest else shares


def _late(events: Iterable[dict[str, Any]], rng: random.Random, listed: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the events in the order of their arrival: with repetitions, delays, and some that are too late."""
    too_late = set(rng.sample(listed, max(1, len(listed) // 60)))
    arrivals = []
    for event in events:
        at, delay = event["s"], rng.choice((0, 0, 0, rng.randrange(20)))
        if rng.random() < 0.01:
            delay = rng.randrange(20, WINDOW - 60)
        if event["sym"] in too_late and at >= OPENS:
            too_late.discard(event["sym"])
            delay = 4 * WINDOW
        for _ in range(1 + (rng.random() < 0.1)):
            arrivals.append((at + 1000 * delay, event))
            delay += rng.randrange(20)
    return (event for _, event in sorted(arrivals, key=lambda arrival: arrival[0]))


def _framed(events: list[dict[str, Any]]) -> Iterator[bytes]:
    """Yield frames, some with numbers as the vendor writes large ones."""
    for at in range(0, len(events), PER_FRAME):
        yield ("[" + ",".join(map(_text, events[at : at + PER_FRAME])) + "]").encode()


def _text(event: dict[str, Any]) -> str:
    volume = event["v"]
    text = json.dumps(event)
    return text.replace(f'"v": {volume}', f'"v": {volume:.2e}') if volume >= 100_000 else text


def _with_wrong(frames: list[bytes], rng: random.Random, listed: list[str], wrong: Counter[str]) -> list[bytes]:
    """Return the frames with wrong ones between them, counted by reason in `wrong`."""
    name = listed[0]
    good = {"ev": "A", "sym": name, "v": 7, "av": 9, "op": 1, "o": 1.0, "h": 1.0, "l": 1.0, "c": 1.0, "s": OPENS + 9000}
    parts: list[tuple[str, dict[str, Any]]] = [
        ("impossible price", {"l": -1.0}),
        ("impossible price", {"h": 0.5}),
        ("impossible price", {"h": 1e12}),
        ("impossible volume", {"v": -3}),
        ("impossible volume", {"v": 1e300}),
        ("another day", {"s": SESSION.day_from - 1000}),
        ("another day", {"s": SESSION.day_until}),
        ("not the start of an interval", {"s": OPENS + 9001}),
        ("unknown symbol", {"sym": "NOPE"}),
        ("unknown type", {"ev": "Q"}),
        ("malformed event", {"v": "many"}),
        ("malformed event", {"sym": None}),
        ("another kind of event", {"ev": "AM", "s": OPENS + 60_000}),
        ("status", {"ev": "status", "status": "success", "message": "any"}),
    ]
    extra = [(reason, json.dumps([good | changes]).encode()) for reason, changes in parts]
    extra += [
        ("malformed frame", b"not JSON"),
        ("malformed event", b'[{"ev":"A","sym":"' + name.encode() + b'","v":NaN}]'),
        ("malformed frame", b'{"ev":"A"'),
    ]
    result = list(frames)
    for reason, frame in extra:
        wrong[reason] += 1
        result.insert(rng.randrange(1, len(result)), frame)  # behind the first one, which decides the kind
    return result
