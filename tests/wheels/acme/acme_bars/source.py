"""Bars from Acme: the same close on every weekday."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from duckdb import DuckDBPyConnection

from stockstream.pipeline.sources.base import Answer, Source, Window

_BARS = """
SELECT $symbol AS symbol, CAST(day AS DATE) AS date, 7.0 AS close, 100 AS volume, 0 AS dividend, 1 AS split_ratio,
    CAST(day AS DATE) AS price_basis
FROM generate_series(CAST($start AS TIMESTAMP), CAST($end AS TIMESTAMP), INTERVAL 1 DAY) AS r (day)
WHERE isodow(day) < 6
"""


class AcmeSource(Source):
    """Answer every window with a close of 7 on each weekday."""

    name = "acme"

    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        """Yield one answer per window."""
        for window in windows:
            values = {"symbol": window.symbol, "start": str(window.start), "end": str(window.end)}
            yield Answer((window.symbol,), con.sql(_BARS, params=values))
