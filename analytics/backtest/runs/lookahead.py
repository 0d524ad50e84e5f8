"""A check for look-ahead: run a strategy again with changed future bars, and compare the decisions before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from stockstream.analytics.backtest.engine import run
from stockstream.analytics.backtest.feed import open_feed
from stockstream.analytics.backtest.model import Action, Setup, Strategy
from stockstream.analytics.backtest.runs.single import lake_connection
from stockstream.analytics.session import AsOf
from stockstream.sql.errors import ArgumentError
from stockstream.sql.loader import load

CUTS = 4
"""Number of days after which the future is changed, evenly over the range."""
VIEWS = ("latest_bars", "indicators", *load("views/bars_resampled").header["makes"])
"""The views to change: `latest_bars`, from which all bars derive, and the views of stored results."""
ORIGINAL = "_original"
"""Suffix of the name under which the unchanged view stays available to the changed one."""

Decision = tuple[date, tuple[Any, ...]]
"""The session after which the decision was taken, and the symbol with the fields of the action."""


@dataclass(frozen=True)
class Verdict:
    """The result of the check."""

    decisions: int
    """Number of decisions in the run on the original bars."""
    days: tuple[date, ...]
    """The days after which the future was changed."""
    difference: str | None
    """The first decision that changed with later bars, in words; None if there is none."""


def verify(
    make: Callable[[], Strategy],
    lake: str | Path | None = None,
    *,
    as_of: AsOf | None = None,
    sql_path: Sequence[str | Path] = (),
    on_run: Callable[[int, int], None] = lambda done, total: None,
    **settings: Any,
) -> Verdict:
    """Check that a strategy's decisions do not change if all later prices, volumes and dividends change.

    The strategy runs twice on the original bars, and once for each of `CUTS` days after which the bars are changed.

    Splits stay as they are, because stored prices include them. A query that reads files instead of the lake's views
    is not covered.

    Args:
        make: a function without arguments, or a class, that returns a new strategy for each run.
        lake: the lake's URI; by default the one of the settings ($STOCKSTREAM_LAKE).
        as_of: an earlier generation of the lake: its number or a time.
        sql_path: folders with further indicators.
        on_run: called with the number of runs completed, and their total.
        settings: the fields of `Setup`: symbols, start, end, initial_capital, …

    Raises:
        UsageError: a setting is invalid, or there are no bars.
        StrategyError: the strategy failed.
    """
    if not callable(make):
        raise ArgumentError(
            f"make: {make!r} makes no strategy: write a class, or a function that returns a new instance"
        )
    setup = Setup.of(**settings)
    runs: list[tuple[list[Decision], list[date]]] = []

    def decide(cut: date | None) -> tuple[list[Decision], list[date]]:
        strategy, decisions = make(), []
        with lake_connection(None, lake, as_of) as con:
            if cut is not None:
                _change_after(con, cut)
            feed = open_feed(con, setup, strategy.columns, strategy.query, sql_path=sql_path)
            (account,) = run(
                [strategy], feed, setup, on_decided=lambda *decision: decisions.append(_decision(*decision))
            )
        if account.error is not None:
            raise account.error
        runs.append((decisions, account.dates))
        on_run(len(runs), CUTS + 2)
        return decisions, account.dates

    expected, days = decide(None)
    if decide(None)[0] != expected:
        return Verdict(len(expected), (), "two runs on the same bars decide differently")
    cuts = tuple(days[len(days) * (number + 1) // (CUTS + 1)] for number in range(CUTS))
    for cut in dict.fromkeys(cuts):
        actual = [decision for decision in decide(cut)[0] if decision[0] <= cut]
        original = [decision for decision in expected if decision[0] <= cut]
        if actual != original:
            return Verdict(len(expected), cuts, _difference(original, actual, cut))
    return Verdict(len(expected), cuts, None)


def _change_after(con: DuckDBPyConnection, cut: date) -> None:
    """Multiply each later price, volume and dividend by a pseudo-random factor, in all views of the lake."""
    for view in VIEWS:
        rows = con.sql(f"FROM {view} LIMIT 0")
        replacements = ", ".join(
            f'CAST(CASE WHEN date > DATE \'{cut}\' THEN "{name}" * factor ELSE "{name}" END AS {kind}) AS "{name}"'
            for name, kind in zip(rows.columns, map(str, rows.types), strict=True)
            if kind in ("DOUBLE", "BIGINT") and name != "split_ratio"
        )
        con.execute(f"ALTER VIEW {view} RENAME TO {view}{ORIGINAL}")
        con.execute(
            f"CREATE VIEW {view} AS SELECT * EXCLUDE (factor) REPLACE ({replacements}) "
            f"FROM (SELECT *, 0.5 + hash(symbol, date) % 1000 / 500 AS factor FROM {view}{ORIGINAL})"
        )


def _decision(day: date, symbol: str | None, action: Action) -> Decision:
    return day, (symbol, *asdict(action).values())


def _difference(original: Sequence[Decision], actual: Sequence[Decision], cut: date) -> str:
    at = next((n for n, (one, other) in enumerate(zip(original, actual, strict=False)) if one != other), None)
    at = min(len(original), len(actual)) if at is None else at
    texts = [_sentence(side[at]) if at < len(side) else "nothing" for side in (original, actual)]
    return f"with other prices after {cut} it decides {texts[1]} instead of {texts[0]}"


def _sentence(decision: Decision) -> str:
    symbol, *values = decision[1]
    fields: Mapping[str, Any] = dict(zip(Action.__dataclass_fields__, values, strict=True))
    text = ", ".join(f"{name} {value}" for name, value in fields.items() if value not in (None, False))
    return f"({text or 'close'}) at {symbol} on {decision[0]}"
