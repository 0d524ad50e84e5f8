"""What happens to symbols apart from their bars: delistings, code changes, and actions on days without a close."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.analytics.backtest.feed.adjusted import adjusted_view, in_days, is_one_of
from stockstream.analytics.backtest.model import Setup


class Rename(NamedTuple):
    """A change of a company's code; tuples sort by date."""

    date: date
    """The date of the first list of companies with the new code."""
    symbol: str
    new: str


class LooseAction(NamedTuple):
    """A split or dividend on a day on which its symbol has no close; tuples sort by date."""

    date: date
    symbol: str
    dividend: float
    """Money per share, after the split."""
    split_ratio: float


def listings(con: DuckDBPyConnection, symbols: Sequence[str]) -> tuple[dict[str, list[date]], list[Rename]]:
    """Return the last days of the listings per symbol, and the code changes; none without a view `metadata`.

    A period that another one of the same symbol continues is no delisting, nor is one that a change of the code ends.
    """
    try:
        rows = con.execute(
            "SELECT symbol, valid_to, nullif(renamed_to, symbol), "
            "coalesce(lead(valid_from) OVER w <= valid_to + 1, false) "
            f"FROM metadata WHERE {is_one_of(symbols)} WINDOW w AS (PARTITION BY symbol ORDER BY valid_from) "
            "ORDER BY valid_to, symbol"
        ).fetchall()
    except duckdb.CatalogException:
        return {}, []
    ends: dict[str, list[date]] = {}
    for symbol, end, new, goes_on in rows:
        if end is not None and new is None and not goes_on:
            ends.setdefault(symbol, []).append(end)
    return ends, [Rename(end, symbol, new) for symbol, end, new, _ in rows if end is not None and new is not None]


def loose_actions(con: DuckDBPyConnection, setup: Setup, src: str, symbols: Sequence[str]) -> list[LooseAction]:
    """Return the splits and dividends in the range on days without a close, in order."""
    view = adjusted_view(con, src, symbols)
    where = " AND ".join(["traded_close IS NULL", "(dividend <> 0 OR split_ratio <> 1)", *in_days(setup)])
    rows = con.execute(
        "SELECT CAST(date AS DATE), symbol, CAST(dividend AS DOUBLE), CAST(split_ratio AS DOUBLE) "
        f"FROM {view} WHERE {where} ORDER BY 1, 2"
    )
    return [LooseAction(*row) for row in rows.fetchall()]
