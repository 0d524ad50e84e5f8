"""Write copies of a lake that end on a day: what the lake would have had after that session, and nothing later.

A copy has no later bar, no split or dividend after its day in a price, no later list of companies, and metadata without
later events. The Parquet files lack the rows. Bars between two cuts are written once, and linked into each later copy.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from duckdb import DuckDBPyConnection

from stockstream.analytics.session import AsOf, open_lake
from stockstream.pipeline.derived import refresh, step_modules
from stockstream.pipeline.lake import MARKER, SESSIONS, Lake, manifest_key, silver_key
from stockstream.pipeline.manifest import Change, DataFile, Manifest, Table
from stockstream.pipeline.steps import resample
from stockstream.sql.session import files_of, quoted

MERGED = """
CREATE TEMP TABLE stored_bars AS
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close, fetch_timestamp, dividend, split_ratio, source,
    price_basis,
    count(close) OVER earlier AS bar_no,
    last_value(close IGNORE NULLS) OVER earlier AS prev_close
FROM latest_bars
WHERE copied_symbols() IS NULL OR list_contains(copied_symbols(), symbol)
WINDOW earlier AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);
CREATE TEMP TABLE factors AS FROM split_factors;
"""
CONSOLIDATED = """
CREATE TEMP TABLE stored_bars AS
FROM silver_bars WHERE copied_symbols() IS NULL OR list_contains(copied_symbols(), symbol);
CREATE TEMP TABLE factors AS FROM split_factors;
"""
"""The same, if silver has all bars."""

RESTATED = """
CREATE TEMP TABLE restated_bars AS
SELECT DISTINCT b.symbol
FROM stored_bars AS b
LEFT JOIN factors AS stored
    ON stored.symbol = b.symbol AND b.price_basis >= stored.basis_from AND b.price_basis < stored.basis_until
        AND b.date >= stored.history_from AND b.date < stored.history_until
LEFT JOIN factors AS cut
    ON cut.symbol = b.symbol AND cut() >= cut.basis_from AND cut() < cut.basis_until
        AND b.date >= cut.history_from AND b.date < cut.history_until
WHERE b.date <= cut()
    AND (
        (b.price_basis > cut() AND cut.later_splits <> stored.later_splits)
        OR (has_adjusted() AND b.adjusted_close IS NOT NULL)
    )
"""
"""The symbols whose stored prices change with the day after which the lake is cut."""

WINDOW = """
SELECT
    symbol, date, open, high, low, close, volume,
    CASE WHEN has_adjusted() THEN adjusted_close END AS adjusted_close,
    least(fetch_timestamp, cut() || 'T23:59:59.999999Z') AS fetch_timestamp,
    dividend, split_ratio, source, least(price_basis, cut()) AS price_basis, bar_no, prev_close
FROM stored_bars
WHERE date > cut_before() AND date <= cut()
    AND symbol NOT IN (SELECT symbol FROM restated_bars)
ORDER BY symbol, date
"""
"""Bars after one cut up to the next, of the symbols whose prices do not change."""

UP_TO = """
WITH in_shares AS (
    SELECT
        b.symbol, b.date, b.open, b.high, b.low, b.close, b.volume, b.adjusted_close, b.fetch_timestamp, b.dividend,
        b.split_ratio, b.source, b.price_basis, b.bar_no,
        CASE WHEN b.price_basis > cut()
            THEN coalesce(cut.later_splits, 1.0) / coalesce(stored.later_splits, 1.0) ELSE 1.0
        END AS splits_after,
        left(b.fetch_timestamp, 10) > CAST(cut() AS VARCHAR) AS is_later
    FROM stored_bars AS b
    LEFT JOIN factors AS stored
        ON stored.symbol = b.symbol AND b.price_basis >= stored.basis_from AND b.price_basis < stored.basis_until
            AND b.date >= stored.history_from AND b.date < stored.history_until
    LEFT JOIN factors AS cut
        ON cut.symbol = b.symbol AND cut() >= cut.basis_from AND cut() < cut.basis_until
            AND b.date >= cut.history_from AND b.date < cut.history_until
    WHERE b.date <= cut() AND b.symbol IN (SELECT symbol FROM restated_bars)
),
rescaled AS (
    SELECT
        symbol, date, open * splits_after AS open, high * splits_after AS high, low * splits_after AS low,
        close * splits_after AS close, CAST(round(volume / splits_after) AS BIGINT) AS volume,
        adjusted_close, is_later, least(fetch_timestamp, cut() || 'T23:59:59.999999Z') AS fetch_timestamp,
        dividend * splits_after AS dividend, split_ratio, source, least(price_basis, cut()) AS price_basis,
        bar_no
    FROM in_shares
),
newest AS (
    -- On the day of a fetch, the adjusted close of the newest bar is its close.
    SELECT symbol, arg_max(close / adjusted_close, date) AS dividends_after
    FROM rescaled
    WHERE is_later AND close IS NOT NULL AND adjusted_close <> 0
    GROUP BY symbol
)
SELECT
    r.symbol, r.date, r.open, r.high, r.low, r.close, r.volume,
    CASE WHEN has_adjusted()
        THEN r.adjusted_close * CASE WHEN r.is_later THEN n.dividends_after ELSE 1.0 END
    END AS adjusted_close,
    r.fetch_timestamp, r.dividend, r.split_ratio, r.source, r.price_basis, r.bar_no,
    last_value(r.close IGNORE NULLS) OVER (
        PARTITION BY r.symbol ORDER BY r.date ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS prev_close
FROM rescaled AS r
LEFT JOIN newest AS n ON n.symbol = r.symbol
ORDER BY r.symbol, r.date
"""
"""All bars of the other symbols, in the shares of the day of the cut."""

METADATA = """
SELECT
    symbol, name, sector, type, exchange, currency, figi, listing_date,
    CASE WHEN delisting_date <= cut() THEN delisting_date END AS delisting_date,
    renamed_from,
    CASE WHEN valid_to <= cut() THEN renamed_to END AS renamed_to,
    source, valid_from,
    CASE WHEN valid_to <= cut() THEN valid_to END AS valid_to
FROM metadata
WHERE valid_from <= cut() OR valid_from IS NULL
ORDER BY symbol, valid_from
"""

CALENDAR = """
SELECT date, open_utc, close_utc FROM sessions WHERE year(date) <= year(cut()) + 1 ORDER BY date
"""
LAST = date(9999, 12, 30)
"""The cut of a copy of the whole lake."""
FIRST = date(1000, 1, 1)
"""A day before all bars."""


class Copies:
    """Copies of a lake, one per day."""

    def __init__(
        self,
        con: DuckDBPyConnection,
        folder: Path,
        cuts: Sequence[date],
        symbols: Sequence[str] | None = None,
        *,
        is_complete: bool,
    ) -> None:
        """Write the bars between the cuts.

        Args:
            con: a connection to the lake.
            folder: an empty folder for all copies.
            cuts: the days, in order.
            symbols: copy the bars of these symbols only; None copies all.
            is_complete: also copy stored adjusted closes, which takes longer.
        """
        self._con, self._folder, self._shared = con, folder, folder / "shared"
        self._shared.mkdir()
        self._lake = Lake(str(con.execute("SELECT getvariable('lake')").fetchall()[0][0]))
        names = "CAST(NULL AS VARCHAR[])" if symbols is None else f"[{', '.join(map(quoted, symbols))}]"
        self._define("copied_symbols", names)
        con.execute(MERGED if files_of(con, "fresh_files") else CONSOLIDATED)
        self._define("has_adjusted", str(is_complete))
        self._define("cut", f"DATE '{cuts[0] if cuts else LAST}'")
        con.execute(RESTATED)
        self._windows: list[tuple[date, Path, DataFile]] = []
        after = FIRST
        for cut in [*cuts, LAST]:
            self._define("cut_before", f"DATE '{after}'")
            self._define("cut", f"DATE '{cut}'")
            if (file := self._write(WINDOW, "bars")) is not None:
                self._windows.append((cut, *file))
            after = cut
        self._lists = {name[:10]: self._shared / name for name in self._copy_lists()}

    def write(self, cut: date | None, tables: Sequence[str]) -> str:
        """Write a copy that ends on a day, and return its folder; None copies the whole lake.

        Args:
            cut: the day.
            tables: the stored tables to compute from its bars: indicators, bars_weekly, …
        """
        con, last = self._con, cut or LAST
        self._define("cut", f"DATE '{last}'")
        folder = self._folder / secrets.token_hex(4)
        files = [(path, file) for until, path, file in self._windows if until <= last]
        files += filter(None, [self._write(UP_TO, "bars")])
        stored = {"bars": Table(base=tuple(file for _, file in files), through=None if cut is None else cut)}
        if (periods := self._write(METADATA, "metadata")) is not None:
            stored["metadata"] = Table(base=(periods[1],))
            files.append(periods)
        for path, file in files:
            _link(path, folder / file.key)
        for day, path in self._lists.items():
            if day <= last.isoformat():
                _link(path, folder / "symbols" / path.name)
        if (marker := self._lake.store.get(MARKER)) is not None:
            (folder / MARKER).parent.mkdir(parents=True, exist_ok=True)
            (folder / MARKER).write_bytes(marker.data)
        if files_of(con, "session_files"):
            (folder / SESSIONS).parent.mkdir(parents=True, exist_ok=True)
            con.execute(f"COPY ({CALENDAR}) TO {quoted(str(folder / SESSIONS))} (FORMAT parquet)")
        lake = Lake(str(folder))
        manifest = Manifest().next(Change(tables=stored), "copy")
        if cut is not None:
            manifest = manifest.model_copy(update={"created_at": f"{cut}T23:59:59.999999Z"})
        lake.store.put(manifest_key(1), manifest.to_json(), replaces=None)
        _derive(lake, tables)
        return str(folder)

    def _define(self, name: str, value: str) -> None:
        """Set a value that the queries read as a function: the day of the cut, for example."""
        self._con.execute(f"CREATE OR REPLACE TEMP MACRO {name}() AS {value}")

    def _write(self, query: str, table: str) -> tuple[Path, DataFile] | None:
        """Write the result of a query to a file that copies can link; None if it is empty."""
        key = silver_key(table, 1, "base", secrets.token_hex(4))
        path = self._shared / Path(key).name
        path = path.with_name(f"{table}-{path.name}")
        rows = self._con.execute(f"COPY ({query}) TO {quoted(str(path))} (FORMAT parquet)").fetchall()[0][0]
        if not rows:
            path.unlink()
            return None
        symbols, first, last = self._con.execute(
            f"SELECT count(DISTINCT symbol), {'min(date), max(date)' if table == 'bars' else 'NULL, NULL'} "
            f"FROM read_parquet({quoted(str(path))})"
        ).fetchall()[0]
        with path.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        return path, DataFile(
            key=key, rows=rows, bytes=path.stat().st_size, sha256=sha256, symbols=symbols, first_date=first,
            last_date=last,
        )  # fmt: skip

    def _copy_lists(self) -> list[str]:
        """Copy the lists of companies into the shared folder, and return their names."""
        names = []
        for file in files_of(self._con, "symbol_files"):
            name = file.rsplit("/", 1)[-1]
            if (stored := self._lake.store.get(f"symbols/{name}")) is not None:
                (self._shared / name).write_bytes(stored.data)
                names.append(name)
        return names


def write_copies(
    lake: str,
    as_of: AsOf | None,
    folder: Path,
    cuts: Sequence[date],
    tables: Sequence[str],
    symbols: Sequence[str] | None,
    is_complete: bool,
) -> tuple[list[str], float]:
    """Write copies of a lake; return the folders of the whole copy and of one per cut, and the CPU time.

    Args:
        lake: the URI of the lake.
        as_of: an earlier generation of it.
        folder: an empty folder for the copies.
        cuts: the days, in order.
        tables: the stored tables to compute: indicators, bars_weekly, …
        symbols: copy the bars of these symbols only; None copies all.
        is_complete: also copy stored adjusted closes, which takes longer.
    """
    with open_lake(lake, as_of=as_of) as con:
        copies = Copies(con, folder, cuts, symbols, is_complete=is_complete)
        return [copies.write(cut, tables) for cut in (None, *cuts)], time.process_time()


def _link(path: Path, target: Path) -> None:
    """Make a file available under another path, without a copy if the file system can do that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _derive(lake: Lake, tables: Sequence[str]) -> None:
    """Compute stored tables from the bars of a lake."""
    if intervals := [name.removeprefix("bars_") for name in tables if name.startswith("bars_")]:
        resample.run({"intervals": intervals}, lake)
    modules = step_modules()
    for name in tables:
        if name in modules:
            refresh(lake, name, [modules[name].TABLE])
