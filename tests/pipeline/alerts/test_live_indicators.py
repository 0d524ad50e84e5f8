"""The indicators of live bars equal those that the batch computes on `bars_live`."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest
from duckdb import DuckDBPyConnection

from stockstream.analytics import connect
from stockstream.pipeline.lake import Lake
from tests.pipeline.alerts.market import BEFORE, SESSION, Bar, lake_of, live_row, publish_live, walk

BATCH = {
    "sma_20": "SELECT symbol, sma AS value FROM sma('bars_live', 20)",
    "sma_50": "SELECT symbol, sma AS value FROM sma('bars_live', 50)",
    "sma_200": "SELECT symbol, sma AS value FROM sma('bars_live', 200)",
    "ema_12": "SELECT symbol, ema AS value FROM ema('bars_live', 12)",
    "ema_26": "SELECT symbol, ema AS value FROM ema('bars_live', 26)",
    "rsi_14": "SELECT symbol, rsi AS value FROM rsi('bars_live', 14)",
}
BEFORE_LIVE = {
    "rsi_14_before": "SELECT symbol, date, rsi AS value FROM rsi('bars_live', 14)",
    "high_20": "SELECT symbol, date, donchian_upper AS value FROM donchian('bars_live', 20)",
    "low_20": "SELECT symbol, date, donchian_lower AS value FROM donchian('bars_live', 20)",
    "high_252": "SELECT symbol, date, donchian_upper AS value FROM donchian('bars_live', 252)",
    "low_252": "SELECT symbol, date, donchian_lower AS value FROM donchian('bars_live', 252)",
    "volume_20": "SELECT symbol, date, sma AS value FROM sma('bars_live', 20, volume)",
}
SPLIT_TODAY, SPLIT_BEFORE = "TEN", "TWO"
SHORT = (2, 11, 12, 13, 14, 15, 18, 19, 20, 24, 25, 26, 48, 49, 50, 198, 199, 200, 251, 252, 253)
"""Numbers of earlier bars, at which averages begin."""


def bars() -> list[Bar]:
    symbols = [walk(name, BEFORE, seed=at) for at, name in enumerate(("AAA", "BBB", SPLIT_TODAY))]
    symbols += [walk(SPLIT_BEFORE, BEFORE, seed=9, splits={BEFORE[-30]: 2.0, BEFORE[-300]: 0.25})]
    symbols += [walk("RARE", BEFORE[::3], seed=4)]
    symbols += [walk(f"N{count:03d}", BEFORE[-count:], seed=count) for count in SHORT]
    return [bar for symbol in symbols for bar in symbol]


def live_rows(con: DuckDBPyConnection) -> list[dict[str, Any]]:
    closes = dict(con.execute("SELECT symbol, arg_max(close, date) FROM bars_as_traded GROUP BY symbol").fetchall())
    rows = []
    for at, (symbol, close) in enumerate(sorted(closes.items())):
        ratio = 10.0 if symbol == SPLIT_TODAY else 1.0
        new = round(close / ratio * (1 + 0.04 * math.sin(at)), 4)
        rows.append(live_row(symbol, new, close / ratio, split_ratio=ratio, high=new * 1.01, low=new * 0.99))
    return rows


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = lake_of(tmp_path_factory.mktemp("live") / "lake", bars())
    with connect(lake.uri) as con:
        publish_live(lake, live_rows(con))
    return lake


def batch(con: DuckDBPyConnection, session: date = SESSION) -> dict[str, dict[str, float | None]]:
    """Return per column and symbol what the batch macros compute on the live bars, or on the bar before them."""
    values = {
        name: dict(con.execute(f"SELECT symbol, value FROM ({query}) QUALIFY {LAST}").fetchall())
        for name, query in BATCH.items()
    }
    for name, query in BEFORE_LIVE.items():
        last = f"SELECT symbol, value FROM ({query}) WHERE date < DATE '{session}' QUALIFY {LAST_DATED}"
        values[name] = dict(con.execute(last).fetchall())
    return values


LAST = "row_number() OVER (PARTITION BY symbol) = count(*) OVER (PARTITION BY symbol)"
LAST_DATED = "row_number() OVER (PARTITION BY symbol ORDER BY date DESC) = 1"


def assert_equal(con: DuckDBPyConnection, table: str, expected: dict[str, dict[str, float | None]]) -> None:
    cursor = con.execute(f"FROM {table}")
    columns = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    assert len(rows) == 5 + len(SHORT)
    for name, values in expected.items():
        for row in rows:
            one, other = row[name], values.get(row["symbol"])
            assert (one is None) == (other is None), (name, row["symbol"], one, other)
            assert one is None or other is None or math.isclose(one, other, rel_tol=1e-9), (name, row["symbol"])
    assert sum(value is not None for values in expected.values() for value in values.values()) > 150


def test_live_indicators_equal_those_of_the_batch_on_bars_live(lake: Lake) -> None:
    with connect(lake.uri) as con:
        queries = {name: query.replace("symbol,", "symbol, date,", 1) for name, query in BATCH.items()}
        expected = batch(con)
        for name, query in queries.items():
            last = f"SELECT symbol, value FROM ({query}) WHERE date = DATE '{SESSION}'"
            expected[name] = dict(con.execute(last).fetchall())
        assert_equal(con, "indicators_live", expected)
