"""A lake in which much happens: splits, dividends, a late listing, a delisting, lists of companies, stored tables."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time
from typing import Any

from stockstream.pipeline.lake import Lake, symbols_key
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps.refresh import run as refresh
from tests.pipeline.test_consolidate import US, fetch_batch, row
from tests.pipeline.test_invariants import Told

SESSIONS = 260
DAYS: list[date] = [day.date() for day in MARKETS["US"].schedule(2024).loc["2021-01-04":].index[:SESSIONS]]
SPLITS = {"BBB": {60: 1.5, 150: 2.0}}
"""Split ratio per symbol and number of the session."""
FIRST, LAST = {"EEE": 110}, {"CCC": 200}
"""Number of the first and the last session, where it is not that of the lake."""
SYMBOLS = ("AAA", "BBB", "CCC", "EEE")


def close_of(symbol: str, at: int) -> float:
    """Return the close as traded: two waves, and a jump every 17 sessions that nothing before it announces."""
    seed = ord(symbol[0])
    waves = 12 * math.sin(at / 23 + seed) + 3 * math.sin(at / 2.7 + seed)
    jump = 4 * math.sin(at // 17 * 5.3 + seed)
    noise = (at * 7919 + seed * 104729) % 101 / 40
    shares = math.prod(ratio for day, ratio in SPLITS.get(symbol, {}).items() if day <= at)
    return round((60 + waves + jump + noise) / shares, 2)


def bar(symbol: str, at: int) -> dict[str, Any]:
    """Return a row as Yahoo delivers it: split-adjusted as of the last session, on whose evening it is fetched."""
    splits = SPLITS.get(symbol, {})
    later = math.prod(ratio for day, ratio in splits.items() if day > at)
    close = close_of(symbol, at) / later
    before = close_of(symbol, max(at - 1, 0)) / later / splits.get(at, 1.0)
    dividend = 0.4 / later if symbol in ("AAA", "BBB") and at % 45 == 30 else 0.0
    prices = {"open": (close + before) / 2, "high": max(close, before) * 1.01, "low": min(close, before) * 0.99}
    values = {"close": close, "adjusted_close": close * (1 - 0.0001 * (SESSIONS - at)), "volume": 10_000 + at % 7 * 500}
    return {
        **row(symbol, DAYS[at], None, splits.get(at, 1.0)),
        **prices,
        **values,
        "dividend": dividend,
        "price_basis": DAYS[-1],
    }


def write_eventful_lake(uri: str) -> str:
    """Write the lake with all stored tables; return its URI."""
    lake = Lake(uri)
    ranges = {symbol: range(FIRST.get(symbol, 0), LAST.get(symbol, SESSIONS - 1) + 1) for symbol in SYMBOLS}
    lake.prepare(US, DAYS[-1])
    _fetch(lake, 0, [bar(symbol, at) for symbol, numbers in ranges.items() for at in numbers])
    for at in (0, 112, 203):
        listed = [symbol for symbol in SYMBOLS if FIRST.get(symbol, 0) <= at <= LAST.get(symbol, SESSIONS)]
        text = "symbol,name,sector,market_cap\n" + "".join(f"{name},{name} Inc.,Energy,1000\n" for name in listed)
        lake.store.put(symbols_key(DAYS[at]), text.encode(), replaces=None)
    assert not refresh({}, lake)["failed"]
    return lake.uri


def add_symbol(uri: str, symbol: str) -> None:
    """Add a symbol with bars on all days to the lake, in a new generation."""
    lake = Lake(uri)
    _fetch(lake, 1, [bar(symbol, at) for at in range(SESSIONS)])
    assert not refresh({}, lake)["failed"]


def _fetch(lake: Lake, number: int, rows: list[dict[str, Any]]) -> None:
    symbols = sorted({row["symbol"] for row in rows})
    event = {"symbols": symbols, "batchNumber": number, "date": str(DAYS[-1]), "start": str(DAYS[0])}
    fetch_batch({**event, "end": str(DAYS[-1])}, lake, Told(rows), US, datetime.combine(DAYS[-1], time(22), UTC))
