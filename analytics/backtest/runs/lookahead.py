"""Whether a strategy's decisions depend on what comes after them: future rows are changed, and it is run again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from stockstream.analytics.backtest.engine.loop import run
from stockstream.analytics.backtest.feed.source import open_feed
from stockstream.analytics.backtest.model.orders import Action
from stockstream.analytics.backtest.model.setup import Setup
from stockstream.analytics.backtest.model.strategy import Strategy
from stockstream.analytics.backtest.runs.single import opened
from stockstream.analytics.session import AsOf
from stockstream.sql.loader import load

CUTS = 4
"""Days after which the future is changed, evenly over the range."""
VIEWS = ("latest_bars", "indicators", *load("views/bars_resampled").header["makes"])
"""All bars come from the first one; the others are made ahead and stored."""
TRUE = "_as_it_is"

Decision = tuple[date, tuple[Any, ...]]


@dataclass(frozen=True)
class Verdict:
    """What was found."""

    decisions: int
    """Of the run on the bars as they are."""
    days: tuple[date, ...]
    """After which the future was changed."""
    difference: str | None
    """The first decision that changed with the future, in a sentence; None: there is none."""


def verify(
    make: Callable[[], Strategy],
    lake: str | None = None,
    *,
    as_of: AsOf | None = None,
    sql_path: Sequence[str | Path] = (),
    on_run: Callable[[int, int], None] = lambda done, of: None,
    **given: Any,
) -> Verdict:
    """Compare the decisions of a strategy with those it makes when every later price, volume and dividend is another.

    `make` gives it anew for each run. Splits are left as they are: stored prices have them inside. SQL of one's own
    that reads files instead of the lake's views is not seen through.

    Raises:
        UsageError: a setting is wrong, or there are no bars; the strategy decides by chance.
        StrategyError: it failed.
    """
    setup = Setup.of(**given)
    runs: list[tuple[list[Decision], list[date]]] = []

    def decide(cut: date | None) -> tuple[list[Decision], list[date]]:
        strategy, found = make(), []
        with opened(None, lake, as_of) as con:
            if cut is not None:
                _change_after(con, cut)
            feed = open_feed(con, setup, strategy.columns, strategy.query, sql_path=sql_path)
            (account,) = run([strategy], feed, setup, on_decided=lambda *decision: found.append(_told(*decision)))
        if account.error is not None:
            raise account.error
        runs.append((found, account.dates))
        on_run(len(runs), CUTS + 2)
        return found, account.dates

    expected, days = decide(None)
    if decide(None)[0] != expected:
        return Verdict(len(expected), (), "it decides otherwise when it is run twice on the same bars")
    cuts = tuple(days[len(days) * (number + 1) // (CUTS + 1)] for number in range(CUTS))
    for cut in dict.fromkeys(cuts):
        found = [decision for decision in decide(cut)[0] if decision[0] <= cut]
        should = [decision for decision in expected if decision[0] <= cut]
        if found != should:
            return Verdict(len(expected), cuts, _difference(should, found, cut))
    return Verdict(len(expected), cuts, None)


def _change_after(con: DuckDBPyConnection, cut: date) -> None:
    """Multiply every price, volume and dividend after a day by a factor of its own, in all views of the lake."""
    for view in VIEWS:
        rows = con.sql(f"FROM {view} LIMIT 0")
        changed = ", ".join(
            f'CAST(CASE WHEN date > DATE \'{cut}\' THEN "{name}" * factor ELSE "{name}" END AS {kind}) AS "{name}"'
            for name, kind in zip(rows.columns, map(str, rows.types), strict=True)
            if kind in ("DOUBLE", "BIGINT") and name != "split_ratio"
        )
        con.execute(f"ALTER VIEW {view} RENAME TO {view}{TRUE}")
        con.execute(
            f"CREATE VIEW {view} AS SELECT * EXCLUDE (factor) REPLACE ({changed}) "
            f"FROM (SELECT *, 0.5 + hash(symbol, date) % 1000 / 500 AS factor FROM {view}{TRUE})"
        )


def _told(day: date, symbol: str | None, action: Action) -> Decision:
    return day, (symbol, *asdict(action).values())


def _difference(should: Sequence[Decision], found: Sequence[Decision], cut: date) -> str:
    at = next((n for n, (one, other) in enumerate(zip(should, found, strict=False)) if one != other), None)
    at = min(len(should), len(found)) if at is None else at
    texts = [_sentence(side[at]) if at < len(side) else "nothing more" for side in (should, found)]
    return f"with other prices after {cut} it decides {texts[1]}, and not {texts[0]}"


def _sentence(decision: Decision) -> str:
    symbol, *values = decision[1]
    named: Mapping[str, Any] = dict(zip(Action.__dataclass_fields__, values, strict=True))
    told = ", ".join(f"{name} {value}" for name, value in named.items() if value not in (None, False))
    return f"({told or 'close'}) at {symbol} on {decision[0]}"
