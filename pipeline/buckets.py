"""Buckets of symbols: a step computes one after the other, so that its memory does not grow with the lake.

A bucket is a range of the sorted symbols. The SQL of a step restricts what it reads to the range in the variables
`bucket_from` (inclusive) and `bucket_until` (exclusive). A small lake is one bucket.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from duckdb import DuckDBPyConnection

from stockstream.sql.session import quoted, set_variable

ROWS = 500_000
"""Rows of the symbols of a bucket, about: buckets have equal sizes. The intermediate results of the indicators need
400 MB for so many."""
MEMORY = "800MB"
"""What DuckDB may use for its data; it writes the rest to disk. Some of its memory is beyond that limit."""


@dataclass(frozen=True)
class Bucket:
    """The symbols from `first`, and before `until`."""

    first: str = ""
    until: str = "\U0010ffff"
    """No symbol begins with it, as it is no character."""

    @property
    def condition(self) -> str:
        """The bucket as a condition in SQL on the column symbol."""
        return f"symbol >= {quoted(self.first)} AND symbol < {quoted(self.until)}"

    def select(self, con: DuckDBPyConnection) -> None:
        """Let the steps of a session compute these symbols only."""
        set_variable(con, "bucket_from", self.first)
        set_variable(con, "bucket_until", self.until)


WHOLE = Bucket()
"""All symbols."""


def buckets_of(con: DuckDBPyConnection, source: str, max_rows: int | None = None) -> list[Bucket]:
    """Return buckets of about ROWS rows that contain all symbols, also those that are not in `source`.

    `source` is what follows FROM, with a column symbol. It is not read if it is known to have at most `max_rows` rows,
    and these are few.
    """
    if max_rows is not None and max_rows <= ROWS:
        return [WHOLE]
    starts = con.execute(  # without a parameter, for which DuckDB imports pandas: a second of a small step's time
        "SELECT min(symbol) FROM (SELECT symbol, sum(rows) OVER (ORDER BY symbol) - rows AS before, "
        f"sum(rows) OVER () AS total FROM (SELECT symbol, count(*) AS rows FROM {source} GROUP BY symbol)) "
        f"GROUP BY floor(before * greatest(round(total / {ROWS}), 1) / total) ORDER BY min(symbol)"
    ).fetchall()
    edges = [WHOLE.first, *(symbol for (symbol,) in starts[1:]), WHOLE.until]
    return [Bucket(*pair) for pair in pairwise(edges)]


def limit_memory(con: DuckDBPyConnection, folder: Path) -> None:
    """Let a session use MEMORY, and a folder for what does not fit."""
    con.execute(f"SET memory_limit = '{MEMORY}'; SET temp_directory = {quoted(str(folder / 'spilled'))}")
