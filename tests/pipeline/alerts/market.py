"""A small market for the tests of alerts: daily bars in a lake, and live bars of the session that follows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from stockstream.pipeline.lake import Lake, live_key
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps import consolidate, refresh_carried, refresh_indicators

DAYS: list[date] = [session.date() for session in MARKETS["US"].schedule(2026).loc["2024-01-01":"2026-12-31"].index]
SESSION = date(2026, 11, 25)
BEFORE = DAYS[: DAYS.index(SESSION)]
"""The sessions before."""
RAW = """
    symbol VARCHAR, date DATE, open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume BIGINT, adjusted_close DOUBLE,
    fetch_timestamp VARCHAR, dividend DOUBLE, split_ratio DOUBLE, source VARCHAR, price_basis DATE
"""
Bar = tuple[str, date, float, float, float, float, int, float]
"""Symbol, day, open, high, low, close as traded, volume, split ratio."""


def walk(symbol: str, days: Sequence[date], *, seed: int = 0, splits: Mapping[date, float] | None = None) -> list[Bar]:
    """Return bars as traded whose price goes up and down; a split divides the price from its day on."""
    bars: list[Bar] = []
    shares = 1.0
    for at, day in enumerate(days):
        ratio = (splits or {}).get(day, 1.0)
        shares *= ratio
        close = 100 + 30 * math.sin(at / 40 + seed) + 5 * math.sin(at / 3.1 + seed) + (at * 7919 + seed) % 13 / 10
        high, low = close * (1.005 + at % 3 / 1000), close * (0.994 - at % 5 / 1000)
        volume = round((1_000_000 + (at * 104_729 + seed) % 500_000) * shares)
        prices = [round(price / shares, 6) for price in (close * 0.999, high, low, close)]
        bars.append((symbol, day, prices[0], prices[1], prices[2], prices[3], volume, ratio))
    return bars


def store(lake: Lake, name: str, bars: Sequence[Bar]) -> None:
    """Add a batch file to a lake in a folder."""
    folder = Path(lake.uri) / "raw-data"
    folder.mkdir(parents=True, exist_ok=True)
    columns = ("symbol", "date", "open", "high", "low", "close", "volume", "split_ratio")
    rows = pa.table(dict(zip(columns, map(list, zip(*bars, strict=True)), strict=True)))
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE raw ({RAW})")
        con.register("rows", rows)
        con.execute(
            "INSERT INTO raw BY NAME SELECT *, close AS adjusted_close, 0.0 AS dividend, 'test' AS source, "
            f"date AS price_basis, '{name[:10]}T22:00:00.000000+00:00' AS fetch_timestamp FROM rows"
        )
        con.execute(f"COPY raw TO '{folder}/{name}.parquet'")


def lake_of(folder: Path, bars: Sequence[Bar], *, carried: bool = True, indicators: bool = False) -> Lake:
    """Return a lake whose generation has the bars and, unless it is an old lake, the table carried."""
    lake = Lake(str(folder))
    lake.prepare(MARKETS["US"], SESSION)
    store(lake, f"{max(bar[1] for bar in bars)}-batch-0", bars)
    consolidate.run({}, lake)
    if indicators:
        refresh_indicators.run({}, lake)
    if carried:
        refresh_carried.run({}, lake)
    return lake


def live_row(symbol: str, close: float, previous_close: float | None, **values: Any) -> dict[str, Any]:
    """Return a live bar as it is in a state, but for the memory of the fold."""
    row = {
        "symbol": symbol,
        "open": close,
        "high": close,
        "low": close,
        "close": close,
        "volume": 1000.0,
        "split_ratio": 1.0,
        "at": round(1000 * datetime(2026, 11, 25, 15, tzinfo=UTC).timestamp()),
        "missed": 0.0,
        "late": 0,
        "events": 10,
        "previous_close": previous_close,
    } | values
    before = row["previous_close"]
    row["change"] = None if before is None else row["close"] - before
    row["change_percent"] = None if not before else 100 * (row["close"] / before - 1)
    row["moving_average"] = (row["open"] + row["high"] + row["low"] + row["close"]) / 4
    return row


def publish_live(lake: Lake, rows: Sequence[dict[str, Any]], session: date = SESSION, number: int = 1) -> None:
    """Save a state with live bars, which the view `live` reads."""
    state = {"session": str(session), "source": "test", "saved_at": f"{session}T15:00:00.000", "bars": list(rows)}
    lake.store.put(live_key(str(session), f"bars/{number:06d}.json"), json.dumps(state).encode(), None)
