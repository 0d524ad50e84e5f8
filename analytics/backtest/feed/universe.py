"""The symbols that are listed on the day of each bar: the columns `is_listed` and `listed_symbols`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

IS_LISTED = "is_listed"
LISTED_SYMBOLS = "listed_symbols"
_IS_PERIOD = "is_listed_on(d.date, m.valid_from, m.valid_to, m.delisting_date)"
"""Whether a period `m` of the view `metadata` counts on the day `d.date`, as in the macro `symbols_on`."""


def add_listings(text: str, columns: Sequence[str]) -> str:
    """Return a query with the columns of listings; that of `listed_symbols` is the day, of which `Universe` knows all.

    Args:
        text: a query with the columns symbol and date.
        columns: `is_listed`, `listed_symbols`, both, or none.
    """
    values = {
        IS_LISTED: f"EXISTS (FROM metadata AS m WHERE m.symbol = d.symbol AND {_IS_PERIOD})",
        LISTED_SYMBOLS: "d.date",
    }
    selected = ", ".join(f"{values[name]} AS {name}" for name in columns)
    return f"SELECT *, {selected} FROM ({text}) AS d" if columns else text


@dataclass(frozen=True)
class Universe:
    """The symbols listed per day."""

    symbols: tuple[str, ...]
    """All symbols, sorted."""
    days: NDArray[np.int32]
    """The days on which a symbol is listed, since 1970-01-01, in order: one per symbol and day."""
    codes: NDArray[np.int32]
    """The position in `symbols` of each symbol, sorted within a day."""

    def column(self, days: NDArray[np.int32]) -> Sequence[Any]:
        """Return the column `listed_symbols` of rows of these days: a tuple per row, the same object for a day."""
        return _Column(self, days)


class _Column(Sequence[Any]):
    def __init__(self, universe: Universe, days: NDArray[np.int32]) -> None:
        self._universe = universe
        self._days = days
        self._of = lru_cache(maxsize=2)(self._on)

    def __len__(self) -> int:
        return len(self._days)

    def __getitem__(self, row: Any) -> Any:
        return self._of(int(self._days[row]))

    def _on(self, day: int) -> tuple[str, ...]:
        first, last = np.searchsorted(self._universe.days, [day, day + 1])
        return tuple(self._universe.symbols[code] for code in self._universe.codes[first:last])


def universe_of(con: DuckDBPyConnection, bars: str, in_range: str) -> Universe:
    """Return the symbols listed on each day of a table of bars.

    Args:
        con: a connection of `analytics.connect`.
        bars: the view or table of the bars.
        in_range: the SQL condition on their `date`.
    """
    days = f"SELECT DISTINCT CAST(date AS DATE) AS date FROM {bars} WHERE {in_range}"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE universe AS SELECT DISTINCT d.date, m.symbol "
        f"FROM ({days}) AS d JOIN metadata AS m ON {_IS_PERIOD}"
    )
    symbols = tuple(name for (name,) in con.execute("SELECT DISTINCT symbol FROM universe ORDER BY 1").fetchall())
    rows = con.sql(
        "SELECT date - DATE '1970-01-01' AS day, CAST(code AS INTEGER) AS code FROM universe JOIN "
        "(SELECT symbol, row_number() OVER (ORDER BY symbol) - 1 AS code FROM (SELECT DISTINCT symbol FROM universe)) "
        "USING (symbol) ORDER BY ALL"
    ).fetchnumpy()
    con.execute("DROP TABLE universe")
    return Universe(symbols, np.asarray(rows["day"], np.int32), np.asarray(rows["code"], np.int32))
