"""Compare the lake's bars with those of another source, batch by batch, and publish the differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.reconciliation.sides import Days, LakeSide, Losses, Side, SourceSide
from stockstream.pipeline.reconciliation.table import publish_rows
from stockstream.pipeline.staging import staging_folder
from stockstream.pipeline.symbols import matching
from stockstream.sql.loader import load, rules
from stockstream.sql.session import quoted, set_variable

BATCH = 200
"""Symbols that are compared at once: they bound the memory."""
STEPS = (
    "judged",
    "sides",
    "pairs",
    "shifts",
    "ratios",
    "reasons",
    "prices",
    "volumes",
    "actions",
    "findings",
    "counts",
)
"""The SQL files `sql/steps/reconcile_NAME.sql`, in order."""
CLEAN = ("equal", "within_tolerance")
"""Verdicts on symbols without a difference."""
NOT_COMPARED = ("failed", "no_bars")
"""Verdicts on symbols that could not be compared."""


@dataclass(frozen=True)
class Limits:
    """The tolerances."""

    ticks: float = 1.0
    """Largest difference of prices, in ticks; half a tick is rounding in any case."""
    tick: float | None = None
    """Size of a tick; None: one unit of the last digit of the coarser side's prices of the symbol, at most 0.01."""
    volume: float = 0.01
    """Largest difference of volumes, as a share of the larger one."""


@dataclass
class Reconciliation:
    """The result of a reconciliation, with the verdict per symbol as rows of the view `reconciled_symbols`."""

    lake: str
    other: str
    began: str
    """When it began: no row of its result has an earlier time."""
    generation: int | None = None
    verdicts: Counter[str] = field(default_factory=Counter)
    """Number of symbols by verdict."""
    losses: Losses = field(default_factory=Losses)
    notes: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """Return equal, partial (symbols or values of the other source are missing) or different."""
        if any(verdict not in (*CLEAN, *NOT_COMPARED) for verdict in self.verdicts):
            return "different"
        return "partial" if self.losses.number_of_cells or any(map(self.verdicts.get, NOT_COMPARED)) else "equal"


def reconcile(
    lake: Lake,
    other: Side,
    days: Days,
    symbols: Sequence[str] | None = None,
    limits: Limits | None = None,
    on_symbols: Callable[[int, int], None] = lambda done, total: None,
) -> Reconciliation:
    """Compare the bars of a lake with another source, and publish the differences as the table `reconciled`.

    `symbols` restricts the comparison; otherwise all symbols of the lake are compared, and all that the other source
    lists. The stored result replaces that of an earlier reconciliation of the same symbols with the same source.
    `on_symbols` is called with the number of symbols that were compared, and that of all.

    Raises:
        UsageError: the lake has no bars, or neither side has one of `symbols`.
        LakeError: a lake cannot be read or written.
    """
    result = Reconciliation(lake.uri, other.name, _now())
    with LakeSide(lake) as here, staging_folder() as folder:
        chosen = _symbols(here, other, symbols)
        files = []
        for at in range(0, len(chosen), BATCH):
            batch = chosen[at : at + BATCH]
            files.append(folder / f"batch-{at}.parquet")
            _compare(here, other, batch, days, limits or Limits(), files[-1], result)
            on_symbols(at + len(batch), len(chosen))
        if isinstance(other, SourceSide):
            result.notes = other.notes()
        result.generation = publish_rows(lake, other.name, chosen, files, folder)
    return result


def _symbols(here: Side, other: Side, symbols: Sequence[str] | None) -> list[str]:
    ours, theirs = here.symbols(), other.symbols()
    if not ours:
        raise UsageError(f"{here.name} holds no bars: there is nothing to compare")
    if isinstance(other, LakeSide) and not theirs:
        raise UsageError(f"{other.name} holds no bars: there is nothing to compare with")
    if symbols is None:
        return sorted({*ours, *theirs})
    if not theirs:  # a vendor, which lists none, is asked
        return sorted(set(symbols))
    return sorted(matching(symbols, {*ours, *theirs}, f"neither {here.name} nor {other.name} has bars of {{names}}"))


def _compare(
    here: Side, other: Side, batch: Sequence[str], days: Days, limits: Limits, path: Path, result: Reconciliation
) -> None:
    """Write the differences of a batch to a Parquet file, and add the counts to the result."""
    ours, theirs = path.with_suffix(".here"), path.with_suffix(".there")
    here.write(batch, {}, days, ours)
    with duckdb.connect() as con:
        con.execute(f"CREATE TEMP TABLE here_rows AS FROM read_parquet({quoted(str(ours))})")
        starts = dict(con.execute("SELECT symbol, min(date) FROM here_rows GROUP BY symbol").fetchall())
        losses = other.write(batch, starts, days, theirs)
        con.execute(f"CREATE TEMP TABLE there_rows AS FROM read_parquet({quoted(str(theirs))})")
        _set_up(con, batch, days, limits, losses, other.name)
        for name in [*rules(), *(f"steps/reconcile_{step}" for step in STEPS)]:
            con.execute(load(name).text)
        query = f"{load('steps/reconcile_verdicts').text} ORDER BY symbol, date, column_name"
        con.execute(f"COPY ({query}) TO {quoted(str(path))} (FORMAT parquet)")
        counts = con.execute(
            f"SELECT verdict, count(*) FROM read_parquet({quoted(str(path))}) WHERE column_name = 'symbol' GROUP BY ALL"
        ).fetchall()
    for file in (ours, theirs):
        file.unlink()
    result.verdicts.update(dict(counts))
    result.losses.failed |= losses.failed
    result.losses.number_of_cells += losses.number_of_cells
    result.losses.cells = [*result.losses.cells, *losses.cells][:3]


def _set_up(
    con: DuckDBPyConnection, batch: Sequence[str], days: Days, limits: Limits, losses: Losses, other: str
) -> None:
    """Create the tables and variables that the steps read."""
    set_variable(con, "first_day", days.first)
    set_variable(con, "last_day", days.last)
    failures = {symbol: losses.failed.get(symbol) for symbol in batch}
    values = ", ".join(f"({quoted(one)}, {quoted(why) if why else 'NULL'})" for one, why in failures.items())
    tick = "NULL" if limits.tick is None else repr(limits.tick)
    con.execute(f"CREATE TEMP TABLE batch (symbol VARCHAR, failure VARCHAR); INSERT INTO batch VALUES {values}")
    con.execute(f"CREATE TEMP TABLE origin AS SELECT {quoted(other)} AS other, '{_now()}' AS compared_at")
    con.execute(
        f"CREATE TEMP TABLE limits AS SELECT {tick}::DOUBLE AS tick, {limits.ticks!r}::DOUBLE AS price_ticks,"
        f" {limits.volume!r}::DOUBLE AS volume_share"
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
