"""Frames of daily bars that a user passes: polars, pandas or Arrow, checked before anything is computed from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.sql.errors import ArgumentError, did_you_mean
from stockstream.sql.session import connect

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    Frame = pl.DataFrame | pl.LazyFrame | pd.DataFrame | pa.Table

PRICES = ("open", "high", "low", "close", "volume")
ACTIONS = ("dividend", "split_ratio")
_SORT = "sort the frame: df.sort('symbol', 'date') in polars, df.sort_values(['symbol', 'date']) in pandas"


def table_of(name: str, frame: object, columns: Sequence[str] = ("close",)) -> pa.Table:
    """Return a frame of daily bars as an Arrow table: one row per symbol and date, per symbol in the order of days.

    `symbol` is text, `date` becomes a date, the `columns` and PRICES and ACTIONS become DOUBLE; other columns stay.
    A frame of pandas may have symbol and date in its index, and any frame names such as `Close`.

    Args:
        name: the argument's, for errors.
        frame: a frame of polars (also lazy), pandas or Arrow.
        columns: the columns that it must have besides symbol and date, as numbers.

    Raises:
        ArgumentError: it is no frame; it lacks a column; a value is missing, not finite or of another type; or its
            rows are not in order, or two are of the same symbol and day. The message names the first such row.
    """
    table = _renamed(name, _arrow(name, frame))
    if missing := [column for column in ("symbol", "date", *columns) if column not in table.column_names]:
        hint = "; add one, such as 'BHP'" if missing == ["symbol"] else did_you_mean(missing[0], table.column_names)
        raise ArgumentError(f"{name}: it has no column {', '.join(missing)}{hint}")
    if not table.num_rows:
        raise ArgumentError(f"{name}: it has no rows")
    numbers = [column for column in table.column_names if column in {*columns, *PRICES, *ACTIONS}]
    with duckdb.connect() as con:
        con.register("frame", table)
        _require(con, name, "symbol", "VARCHAR", "trim(value) <> ''", "a symbol")
        _require(con, name, "date", "TIMESTAMP", "isfinite(value)", "a day, such as 2026-01-31,")
        _require(con, name, "date", "TIMESTAMP", "value = date_trunc('day', value)", "a day without a time")
        for column in numbers:
            _require(con, name, column, "DOUBLE", "isfinite(value)", "a finite number")
        types = {"symbol": "VARCHAR", "date": "DATE"} | dict.fromkeys(numbers, "DOUBLE")
        casts = ", ".join(f"CAST({column} AS {kind}) AS {column}" for column, kind in types.items())
        con.execute(f"CREATE TEMP TABLE rows AS SELECT * REPLACE ({casts}) FROM frame")
        _require_order(con, name)
        return con.sql("FROM rows ORDER BY rowid").to_arrow_table()


@contextmanager
def connection_to(**tables: pa.Table) -> Iterator[DuckDBPyConnection]:
    """Yield a connection with every view and macro but no lake, and with tables by their names."""
    with TemporaryDirectory(prefix="stockstream-no-lake-") as folder, connect(folder, verify=False) as con:
        for name, table in tables.items():
            con.register(name, table)
        yield con


def checksum_of(table: pa.Table) -> str:
    """Return the SHA-256 of the names, types and values of a table."""
    import pyarrow as pa

    target = pa.BufferOutputStream()
    with pa.ipc.new_stream(target, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return hashlib.sha256(target.getvalue()).hexdigest()


def _arrow(name: str, frame: Any) -> pa.Table:
    """Return a frame as an Arrow table; the index of pandas becomes columns.

    Raises:
        ArgumentError: it is no frame, or Arrow has no type for a column.
    """
    import pyarrow as pa

    kind = f"{type(frame).__module__.partition('.')[0]}.{type(frame).__name__}"
    try:
        if isinstance(frame, pa.Table):
            return frame
        if kind == "pandas.DataFrame":
            if frame.index.names != [None] or str(frame.index.dtype).startswith("datetime"):
                frame = frame.rename_axis([label or "date" for label in frame.index.names]).reset_index()
            frame.columns = [str(column) for column in frame.columns]
            return pa.Table.from_pandas(frame, preserve_index=False)
        if kind in ("polars.DataFrame", "polars.LazyFrame"):
            return frame.lazy().collect().to_arrow()
    except (pa.ArrowException, ValueError) as error:
        raise ArgumentError(f"{name}: {str(error).splitlines()[0]}") from None
    raise ArgumentError(f"{name}: a {type(frame).__name__} is no frame: write one of polars, pandas or Arrow")


def _renamed(name: str, table: pa.Table) -> pa.Table:
    """Return a table whose columns of bars have their names in lower case: of `Close` and `Split Ratio`, too.

    Days with a time zone become those of the zone.

    Raises:
        ArgumentError: two columns have the same name.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    lower = [column.strip().lower().replace(" ", "_") for column in table.column_names]
    bars = {"symbol", "date", *PRICES, *ACTIONS}
    names = [low if low in bars else column for low, column in zip(lower, table.column_names, strict=True)]
    if twice := sorted({column for column in names if names.count(column) > 1}):
        raise ArgumentError(f"{name}: two columns are called {twice[0]}")
    table = table.rename_columns(names)
    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz:
            table = table.set_column(at, field.name, pc.local_timestamp(table.column(at)))
    return table


def _require(con: DuckDBPyConnection, name: str, column: str, kind: str, condition: str, what: str) -> None:
    """Check that each value of a column is one of a type that meets a condition, and that none is missing.

    Raises:
        ArgumentError: one is not; the message names the first.
    """
    try:
        fault = con.execute(
            f"SELECT text, symbol, day, count(*) OVER () FROM (SELECT TRY_CAST({column} AS {kind}) AS value, "
            f"CAST({column} AS VARCHAR) AS text, CAST(symbol AS VARCHAR) AS symbol, CAST(date AS VARCHAR) AS day "
            f"FROM frame) WHERE NOT coalesce({condition}, false) LIMIT 1"
        ).fetchone()
    except duckdb.Error:
        kind = str(con.sql(f"SELECT {column} FROM frame LIMIT 0").types[0])
        raise ArgumentError(f"{name}: the column {column} is of the type {kind}: {what} is needed") from None
    if fault is not None:
        text, symbol, day, count = fault
        row = {"symbol": f"on {day}", "date": f"of {symbol}"}.get(column, f"of {symbol} on {day}")
        more = f" ({count:,} such rows)" if count > 1 else ""
        advice = ": fill it, or drop the rows" if text in (None, "nan", "NaN") else ""
        raise ArgumentError(f"{name}: the {column} {row} is {text or 'missing'}{more}: {what} is needed{advice}")


def _require_order(con: DuckDBPyConnection, name: str) -> None:
    """Check that the rows of a symbol are in the order of days, each day once.

    Raises:
        ArgumentError: they are not.
    """
    twice = con.execute(
        "SELECT symbol, date, count(*) FROM rows GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
    ).fetchone()
    if twice is not None:
        raise ArgumentError(f"{name}: {twice[2]} rows are of {twice[0]} on {twice[1]}: keep one of them")
    late = con.execute(
        "SELECT symbol, date, before FROM (SELECT symbol, date, lag(date) OVER (PARTITION BY symbol ORDER BY rowid) AS "
        "before FROM rows) WHERE before > date ORDER BY ALL LIMIT 1"
    ).fetchone()
    if late is not None:
        raise ArgumentError(f"{name}: {late[1]} of {late[0]} comes after {late[2]}: {_SORT}")
