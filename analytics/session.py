"""Connections to a lake, now or as of an earlier generation."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection
from datetime import date
from pathlib import Path

from duckdb import DuckDBPyConnection

from stockstream.analytics.arguments import lake_of
from stockstream.pipeline.symbols import matching
from stockstream.sql.errors import ArgumentError, LakeWarning, NoLake
from stockstream.sql.session import connect as open_session
from stockstream.sql.session import is_lake, no_lake, normalise, quoted
from stockstream.sql.session.damage import REPAIR

AsOf = int | str | date
"""A generation: its number, or a time in UTC for the newest one published up to then (for a day: up to its end)."""


def connect(lake: str | Path | None = None, *, as_of: AsOf | None = None, verify: bool = True) -> DuckDBPyConnection:
    """Return a DuckDB connection with the views of a lake (a folder or s3://bucket/prefix; default `STOCKSTREAM_LAKE`).

    The connection reads the files that existed when it was opened. With `as_of` it reads what a generation of
    `stockstream history` published, and nothing newer. `verify` opens each batch file first, and leaves out the
    unreadable ones with a warning for each; in a folder, it also warns of each silver file that is gone or cut. Use one
    connection per thread; `con.cursor()` does not inherit the lake's variables.

    If there is no lake, a `LakeWarning` says so, and all views are empty: a table of one's own needs no lake.

    Raises:
        LakeError: the lake cannot be listed: missing or wrong credentials, no such bucket, no connection.
        UsageError: there is no such generation, or it was deleted; or `lake` cannot be a lake.
    """
    uri = lake_of(lake)
    con = open_session(uri, generation=generation_of(uri, as_of), verify=verify)
    if not is_lake(con):
        _require_answer(uri)
        warnings.warn(f"{no_lake(uri)}; its views are empty", LakeWarning, stacklevel=2)
    elif verify:
        warn_of_missing(con, uri, stacklevel=3)
    return con


def warn_of_missing(con: DuckDBPyConnection, uri: str, stacklevel: int = 2) -> None:
    """Warn of each silver file that is gone or has another size than was published.

    On S3 that would take requests: there, the reader of a file whose index is in the pointer compares the size.
    """
    if uri.startswith("s3://"):
        return
    rows = con.execute(
        "SELECT file.key, file.bytes FROM (SELECT unnest(flatten(list_transform("
        "map_values(getvariable('manifest').tables), lambda t: list_concat(coalesce(t.base, []), coalesce(t.delta, []))"
        "))) AS file) AS files"
    )
    for key, expected in rows.fetchall():
        try:
            size = os.stat(f"{uri}/{key}").st_size  # noqa: PTH116 (the text is the URI of the lake)
            reason = f"it has {size} bytes instead of {expected}" if size != expected else None
        except OSError:
            reason = "it is gone"
        if reason:
            warnings.warn(f"cannot read {uri}/{key}: {reason}: {REPAIR}", LakeWarning, stacklevel=stacklevel)


def open_lake(lake: str, *, as_of: AsOf | None = None, verify: bool = True) -> DuckDBPyConnection:
    """Return the connection of `connect` for a command, whose answer about no lake would be wrong.

    Raises:
        NoLake: there is no lake.
        LakeError, UsageError: as in `connect`.
    """
    if as_of is not None:
        from stockstream.pipeline.lake import Lake

        Lake(lake).require()
    con = open_session(lake, generation=generation_of(lake, as_of), verify=verify)
    if not is_lake(con):
        con.close()
        _require_answer(normalise(lake))
        raise NoLake(no_lake(normalise(lake)))
    if verify:
        warn_of_missing(con, normalise(lake))
    return con


def _require_answer(lake: str) -> None:
    """Check that a lake without files is answered for by S3: to DuckDB, the page of a proxy is an empty list.

    Raises:
        LakeError: something else answers, or the lake cannot be read.
    """
    if lake.startswith("s3://"):
        from stockstream.pipeline.lake import Lake

        Lake(lake).store.list("state/")


def generation_of(lake: str, as_of: AsOf | None) -> int | None:
    """Return the number of a generation; None means the newest one, with the bars fetched since.

    Raises:
        UsageError: there is no such generation, or it was deleted; or `as_of` is no number, text or date.
    """
    if as_of is None:
        return None
    if isinstance(as_of, bool) or not isinstance(as_of, int | str | date):
        raise ArgumentError(f"as_of: {as_of!r} is no generation: write its number, or a time such as 2026-11-20")
    from stockstream.pipeline.generations import as_of as find_generation  # with pydantic's models of the manifests
    from stockstream.pipeline.lake import Lake

    return find_generation(Lake(lake), str(as_of))


def known_symbols(
    con: DuckDBPyConnection, symbols: Collection[str], src: str = "bars", what: str = "no bars of {names} in {src}"
) -> tuple[str, ...]:
    """Return the symbols of a table or view that some names mean (see `pipeline.symbols.matching`), each once.

    `what` is the message about unknown names.

    Raises:
        UsageError: it has no row for a name; the message suggests the most similar symbol that it has. Or a name
            differs from several symbols only by its letter case.
        duckdb.Error: there is no such table, or it has no column `symbol`.
    """
    if not symbols:
        return ()
    listed = ", ".join(map(quoted, symbols))  # in the text, because DuckDB imports pandas to convert a list parameter
    rows = con.execute(f"SELECT DISTINCT symbol FROM {src} WHERE symbol IN ({listed})").fetchall()
    if {symbol for (symbol,) in rows} >= {*symbols}:
        return tuple(dict.fromkeys(symbols))
    return matching(symbols, all_symbols(con, src), what.replace("{src}", src))


def all_symbols(con: DuckDBPyConnection, src: str = "bars") -> list[str]:
    """Return the symbols in a table or view, sorted."""
    rows = con.execute(f"SELECT DISTINCT symbol FROM {src} WHERE symbol IS NOT NULL ORDER BY symbol")
    return [symbol for (symbol,) in rows.fetchall()]
