"""What the tests of the Yahoo source share: a week of bars, a source of a replay, and the rows of an answer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyRelation

from stockstream.pipeline.sources.base import Answer, Window
from stockstream.pipeline.sources.yahoo import YahooSource
from tests.yahoo_replay import YahooReplay

RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "yahoo_chart"
SYDNEY, NEW_YORK = "Australia/Sydney", "America/New_York"
MONDAY = date(2026, 8, 3)
TUESDAY, WEDNESDAY, FRIDAY = (MONDAY + timedelta(days=n) for n in (1, 2, 4))
WEEK = [(MONDAY + timedelta(days=n), 41.0 + n, 42.0 + n, 40.5 + n, 41.5 + n, 1000 + n, 40.25 + n) for n in range(5)]
PRICES = ["open", "high", "low", "close"]
COLUMNS = ["symbol", "date", *PRICES, "volume", "adjusted_close", "dividend", "split_ratio", "price_basis"]


def source(yahoo: YahooReplay, suffix: str = ".AX", timezone: str = SYDNEY, **options: float) -> YahooSource:
    quick = {"pause": 0.0, "attempts": 3, "wait": 0.01, "wait_max": 0.05} | options
    return YahooSource(suffix, timezone, url=yahoo.url, **quick)  # type: ignore[arg-type]


def week(symbol: str = "BHP") -> Window:
    return Window(symbol, MONDAY, FRIDAY)


def rows(bars: DuckDBPyRelation | None, columns: str = ", ".join(COLUMNS)) -> list[tuple[Any, ...]]:
    """Return the bars in order of date, NaN as None."""
    assert bars is not None
    values = bars.order("date").project(columns).fetchall()
    return [tuple(None if isinstance(v, float) and math.isnan(v) else v for v in row) for row in values]


def only(answers: Iterator[Answer]) -> Answer:
    (answer,) = answers
    return answer
