"""One run of a strategy in a process of its own, from the import of the strategy's file to its decisions."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from stockstream.analytics.backtest.engine import run
from stockstream.analytics.backtest.feed import Feed, Rows, numbers, open_feed, symbols_of
from stockstream.analytics.backtest.model import Action, FileFunction, Setup, Strategy
from stockstream.analytics.backtest.runs.lookahead.confinement import Confinement, importable, use_lake
from stockstream.analytics.backtest.runs.lookahead.recipes import Recipe
from stockstream.analytics.backtest.runs.lookahead.turns import turning_days
from stockstream.analytics.backtest.runs.single import lake_connection
from stockstream.analytics.session import AsOf
from stockstream.sql import session
from stockstream.sql.errors import StockStreamError
from stockstream.sql.session import explained, quoted
from stockstream.sql.session.catalogue_file import path_of_catalogue

EPOCH = date(1970, 1, 1).toordinal()
SCALES = """
SELECT t.date, t.symbol, a.close / t.close, s.close / t.close
FROM bars_as_traded AS t
JOIN bars_adjusted AS a ON a.symbol = t.symbol AND a.date = t.date
JOIN bars_split_adjusted AS s ON s.symbol = t.symbol AND s.date = t.date
WHERE t.date IN (SELECT unnest($days)) AND t.close > 0
"""
WATCHED = 500
"""Number of symbols per day whose rows a report has; of more, about so many."""

Decision = list[Any]
"""The day after whose session the decision was taken, as text, the symbol, and the values of the action's fields."""


@dataclass(frozen=True)
class SavedRows:
    """The rows of a copy, in files that have no later row."""

    feed: Feed
    paths: Sequence[str]
    columns: Sequence[str]
    """The columns that the strategy requests; with others, the rows are computed from the copy."""


@dataclass(frozen=True)
class Task:
    """What a process is to run."""

    recipe: Recipe
    setup: Setup
    lake: str
    scratch: Path
    """A folder for temporary files, and for the report."""
    as_of: AsOf | None = None
    sql_path: Sequence[str | Path] = ()
    copy_of: str | None = None
    """The lake that `lake` is a copy of: the process is confined to the copy."""
    runs: int = 1
    """Number of runs, one after the other in the same process."""
    universe: int | None = None
    """Number of symbols of the run on the original lake, for a copy, which may have fewer of them."""
    days: Sequence[date] = ()
    """The days of which the report has the rows."""
    saves_rows: bool = False
    """Whether to write the rows up to each of these days to files in `scratch`."""
    rows: SavedRows | None = None
    """The rows of a copy that ends on a day, if no query of the strategy is in them: they need not be computed."""
    looks_for_turns: bool = False
    """Whether the report has the days before splits, dividends and large moves."""


@dataclass
class Report:
    """What became of a task."""

    decisions: list[list[Decision]] = field(default_factory=list)
    """The decisions of each run."""
    dates: list[str] = field(default_factory=list)
    """The days of the sessions."""
    error: str | None = None
    """Why the strategy failed, or could not run."""
    refused: list[str] = field(default_factory=list)
    """Files and servers that the process was refused."""
    is_confined: bool = True
    """Whether code that is not Python was confined, too."""
    names: list[str] = field(default_factory=list)
    """The symbols of the run."""
    columns: list[str] = field(default_factory=list)
    """The columns of the rows."""
    requested: list[str] = field(default_factory=list)
    """The columns that the strategy requests."""
    feed: dict[str, Any] = field(default_factory=dict)
    """Fields of the feed."""
    files: list[str] = field(default_factory=list)
    """The files with the rows up to each of the task's days."""
    calendar: list[str] = field(default_factory=list)
    """The sessions of the exchange, as in the feed."""
    delistings: dict[str, list[str]] = field(default_factory=dict)
    """As in the feed."""
    rows: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    """The values of `columns` per day and symbol, for the days that the task names."""
    scales: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """The adjusted and the split-adjusted close per close as traded, per day and symbol, for the same days."""
    first_bars: dict[str, str] = field(default_factory=dict)
    """The day of the first bar per symbol."""
    tables: list[str] = field(default_factory=list)
    """The lake's stored tables."""
    query: str | None = None
    turns: list[str] = field(default_factory=list)
    error_kind: str = ""
    """The class of the error."""
    seconds: list[float] = field(default_factory=list)
    """CPU time of each run."""
    total: float = 0.0
    """CPU time of the process."""


class Here:
    """What this process is."""

    is_task = False
    """Whether it runs a task: the strategy's file must not start a check in it."""


def execute(task: Task) -> dict[str, Any]:
    """Run a task in this process, which serves no other purpose; return the fields of the report.

    The environment of the process is changed, and it may be confined.
    """
    report, Here.is_task = Report(), True
    use_lake(task.lake, task.scratch)
    confinement = None
    if task.copy_of is not None:
        readable = [*map(Path, task.sql_path), Path(".env"), *map(Path, task.rows.paths if task.rows else ())]
        readable += filter(None, [path_of_catalogue()])
        functions = [item for item in (task.setup.commission, task.setup.slippage) if isinstance(item, FileFunction)]
        files = [*filter(None, [task.recipe.file]), *[function.path for function in functions]]
        code = [*[file.parent for file in files], *importable(sys.path)]
        confinement = Confinement(task.lake, task.copy_of, task.scratch, readable, code)
        confinement.enter()
        report.is_confined = confinement.is_complete
    try:
        make = task.recipe.maker()  # once, so that a second run finds the globals of the first
        for _ in range(task.runs):
            started = time.process_time()
            _run(task, report, make())
            report.seconds.append(time.process_time() - started)
    except Exception as error:
        report.error, report.error_kind = _text(error), type(error).__name__
    if confinement is not None:
        report.refused = confinement.refused
    report.total = time.process_time()
    return vars(report)


def _run(task: Task, report: Report, strategy: Strategy) -> None:
    decisions: list[Decision] = []
    report.decisions.append(decisions)
    rows = task.rows
    if rows is not None and strategy.query is None and list(strategy.columns) == list(rows.columns):
        _decide(task, report, strategy, rows.feed.read_from([*map(Path, rows.paths)]), decisions)
        return
    report.query = _in_copy(strategy.query, task)
    with _connected(task) as con:
        con.execute(f"SET temp_directory = {quoted(str(task.scratch / 'spill'))}")
        feed = _feed(task, con, strategy, report.query)
        report.columns, report.requested = list(feed.names), list(strategy.columns)
        report.feed = {"names": list(feed.names), "aliases": feed.aliases, "versions": feed.versions}
        report.calendar = [day.isoformat() for day in feed.calendar()] if task.saves_rows else []
        report.delistings = {name: [day.isoformat() for day in days] for name, days in feed.delistings.items()}
        if task.saves_rows:
            paths = feed.save_until(task.days, task.scratch)
            feed, report.files = feed.read_from(paths), [str(path) for path in paths]
        if task.days:
            feed = replace(feed, rows=partial(_watched, feed.rows, task, report))
            report.scales = _scales(con, task.days) if task.saves_rows and strategy.query is not None else {}
        _decide(task, report, strategy, feed, decisions)
        if task.looks_for_turns and len(report.decisions) == task.runs:
            report.tables = con.execute("SELECT map_keys(getvariable('silver'))").fetchall()[0][0] or []
            report.turns = turning_days(con, task.setup, {str(decision[1]) for decision in decisions})


def _decide(task: Task, report: Report, strategy: Strategy, feed: Feed, decisions: list[Decision]) -> None:
    """Run the strategy, and note its decisions."""

    def note(day: date, symbol: str | None, action: Action) -> None:
        decisions.append([day.isoformat(), symbol, *[_plain(getattr(action, name)) for name in FIELDS]])

    (account,) = run([strategy], feed, task.setup, on_decided=note)
    report.dates, report.names = [day.isoformat() for day in account.dates], list(feed.symbols)
    if account.error is not None:
        raise account.error


@contextmanager
def _connected(task: Task) -> Iterator[DuckDBPyConnection]:
    """Yield a connection to the lake or to its copy."""
    if task.copy_of is None:
        with lake_connection(None, task.lake, task.as_of) as con:
            yield con
        return
    with explained(task.lake), session.connect(task.lake, verify=False) as con:
        yield con


def _feed(task: Task, con: DuckDBPyConnection, strategy: Strategy, query: str | None) -> Feed:
    """Return the feed of a run; in a copy, some of the requested symbols may have no bar yet."""
    setup, requested = task.setup, task.setup.symbols
    if task.universe is not None and requested is not None:
        since = f"WHERE date >= DATE '{setup.start}'" if setup.start else ""
        names = {symbol for (symbol,) in con.execute(f"SELECT DISTINCT symbol FROM bars {since}").fetchall()}
        setup = setup.model_copy(update={"symbols": tuple(name for name in requested if name in names)})
    feed = open_feed(con, setup, strategy.columns, query, sql_path=task.sql_path, universe=task.universe)
    return feed if task.universe is None or requested is None else replace(feed, symbols=tuple(sorted(requested)))


def _in_copy(query: str | None, task: Task) -> str | None:
    """Return a query that names the files of the original lake with the files of the copy."""
    if query is None or task.copy_of is None:
        return query
    for name in dict.fromkeys([str(Path(task.copy_of).absolute()), os.path.realpath(task.copy_of), task.copy_of]):
        query = query.replace(f"'{name}/", f"'{task.lake}/")
    return query


def _watched(source: Rows, task: Task, report: Report) -> Iterator[pa.RecordBatch]:
    """Pass on rows; note the first day of each symbol, and the rows of the task's days, in the report."""
    watched = np.array([day.toordinal() - EPOCH for day in task.days], np.int32)
    step = max(1, (task.universe or 0) // WATCHED)
    for batch in source():
        days, (symbols, codes) = numbers(batch, "date"), symbols_of(batch)
        for code, row in zip(*(array.tolist() for array in np.unique(codes, return_index=True)), strict=True):
            report.first_bars.setdefault(symbols[code], _text_of(days[row]))
        for row in np.flatnonzero(np.isin(days, watched)).tolist():
            if crc32((symbol := symbols[codes[row]]).encode()) % step == 0:
                values = [_plain(batch.column(name)[row].as_py()) for name in report.columns]
                report.rows.setdefault(_text_of(days[row]), {})[symbol] = values
        yield batch


def _scales(con: DuckDBPyConnection, days: Sequence[date]) -> dict[str, dict[str, list[float]]]:
    scales: dict[str, dict[str, list[float]]] = {}
    for day, symbol, *factors in con.execute(SCALES, {"days": list(days)}).fetchall():
        scales.setdefault(day.isoformat(), {})[symbol] = factors
    return scales


def _text_of(day: Any) -> str:
    return date.fromordinal(EPOCH + int(day)).isoformat()


FIELDS = [item.name for item in fields(Action)]


def _plain(value: Any) -> Any:
    """Return a value as one that JSON has."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return value if type(value) in (int, float) else value.item() if isinstance(value, np.generic) else float(value)
    return value.item() if isinstance(value, np.generic) else str(value)


def _text(error: Exception) -> str:
    return str(error) if isinstance(error, StockStreamError) else f"{type(error).__name__}: {error}"
