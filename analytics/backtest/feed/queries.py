"""The columns of a strategy's own SQL query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.analytics.backtest.feed.adjusted import between, in_days, is_one_of
from stockstream.analytics.backtest.model import Setup
from stockstream.sql.errors import UsageError

NUMBERS = ("DOUBLE", "FLOAT", "DECIMAL", "HUGEINT", "UHUGEINT", "UBIGINT")
"""Beginnings of the SQL types that are cast to DOUBLE, so that a strategy receives plain Python numbers."""


def columns_of(con: DuckDBPyConnection, sql: str, existing: Iterable[str]) -> dict[str, str]:
    """Return the SQL expression per column that a strategy's query adds; numbers become DOUBLE or BIGINT, NaN NULL.

    Raises:
        UsageError: the query fails, or returns a column that exists already.
    """
    try:
        rows = con.sql(f"SELECT * FROM ({sql}) LIMIT 0")
        columns = rows.columns
    except duckdb.Error as error:
        raise UsageError(f"the strategy's query: {str(error).splitlines()[0]}") from None
    if not {"symbol", "date"} <= set(columns):
        raise UsageError(f"the strategy's query returns {', '.join(columns)}: it must return symbol and date, too")
    if duplicates := sorted(set(columns) & set(existing)):
        raise UsageError(f"the strategy's query returns {', '.join(duplicates)}, which data already has: rename it")
    kinds = dict(zip(columns, map(str, rows.types), strict=True))
    return {
        name: f'nullif(CAST("{name}" AS DOUBLE), \'nan\') AS "{name}"' if _is_number(kind) else f'"{name}"'
        for name, kind in kinds.items()
        if name not in ("symbol", "date")
    }


def _is_number(kind: str) -> bool:
    return kind.startswith(NUMBERS) and not kind.endswith("]")


def require_match(con: DuckDBPyConnection, sql: str, setup: Setup, src: str, symbols: Sequence[str]) -> None:
    """Check that a strategy's query has a row for a bar of the range; without one, all of its columns would be None.

    Raises:
        UsageError: it has none.
    """
    where = " AND ".join([is_one_of(symbols), "isfinite(close)", *in_days(setup)])
    bars = f"SELECT symbol, date FROM {src} WHERE {where}"
    if con.execute(f"SELECT 1 FROM ({sql}) JOIN ({bars}) USING (symbol, date) LIMIT 1").fetchone() is None:
        raise UsageError(
            f"the strategy's query has no row for any bar{between(setup)}: "
            "its symbol and date must be those of the bars"
        )
