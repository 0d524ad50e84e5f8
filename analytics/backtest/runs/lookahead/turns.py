"""Days before which a strategy would like to know the next one: splits, dividends, large moves, last bars."""

from __future__ import annotations

from collections.abc import Collection

from duckdb import DuckDBPyConnection

from stockstream.analytics.backtest.model import Setup
from stockstream.sql.session import quoted

PER_KIND = 12
"""Number of days per kind: the largest splits, dividends, rises and falls, and the first symbols to end."""

TURNS = """
WITH neighbours AS (
    SELECT
        symbol, date, dividend, split_ratio, close,
        lag(date) OVER by_day AS day_before,
        lag(close) OVER by_day AS close_before,
        lead(date) OVER by_day IS NULL AS is_last
    FROM bars_as_traded
    WHERE {where} AND close > 0
    WINDOW by_day AS (PARTITION BY symbol ORDER BY date)
),
sized AS (
    SELECT day_before AS day, 'split' AS kind, abs(ln(split_ratio)) AS size
    FROM neighbours WHERE split_ratio > 0 AND split_ratio <> 1
    UNION ALL
    SELECT day_before, 'dividend', dividend / close FROM neighbours WHERE dividend > 0
    UNION ALL
    SELECT
        day_before,
        CASE WHEN close > close_before THEN 'rise' ELSE 'fall' END,
        abs(ln(close / close_before))
    FROM neighbours WHERE split_ratio = 1
    UNION ALL
    SELECT day_before, 'end', 1 FROM neighbours WHERE is_last AND date < (SELECT max(date) FROM neighbours)
)
SELECT day
FROM sized
WHERE day IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY kind ORDER BY size DESC, day) <= {count}
ORDER BY row_number() OVER (PARTITION BY kind ORDER BY size DESC, day), kind
"""


def turning_days(con: DuckDBPyConnection, setup: Setup, symbols: Collection[str]) -> list[str]:
    """Return the sessions before the largest splits, dividends and moves of some symbols, and before their last bars.

    The first of each kind come first.
    """
    conditions = [f"symbol IN ({', '.join(map(quoted, sorted(symbols)))})"] if symbols else ["true"]
    conditions += [f"date {sign} DATE '{day}'" for sign, day in ((">=", setup.start), ("<=", setup.end)) if day]
    rows = con.execute(TURNS.format(where=" AND ".join(conditions), count=PER_KIND)).fetchall()
    return list(dict.fromkeys(day.isoformat() for (day,) in rows))
