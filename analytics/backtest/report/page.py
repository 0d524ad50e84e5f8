"""Renders a result as one self-contained HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stockstream.analytics.backtest.model import ClosedPosition, Curve, Excursion, Order, Result, Status
from stockstream.analytics.backtest.report.charts import chart_data
from stockstream.analytics.backtest.report.pages import flat, params_text, rendered
from stockstream.analytics.backtest.stats import (
    FIGURES,
    GROUPS,
    by_side,
    by_symbol,
    cautions,
    drawdowns,
    largest_holdings,
    monte_carlo,
    monthly_returns,
    round_trips,
    trip_figures,
    yearly_returns,
)

MAX_TRADES = 500
"""Maximum number of trades in the table: those with the largest profits and losses."""
HEADLINE = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown", "trades", "win_rate", "final_equity")
"""The figures that a notebook shows of a result."""
MAX_NOTES = 300
"""Maximum number of rows in the tables of notes and of orders that were not filled."""
MAX_DRAWDOWNS = 10
"""Maximum number of drawdowns in the table."""
MAX_SYMBOLS = 50
"""Maximum number of symbols in the tables of results and holdings per symbol."""


def render(result: Result, parts: Mapping[str, Result] | None = None) -> str:
    """Return the page as HTML. If the run failed before its first session ended, it has no metrics and charts.

    Without `result.history`, the page has no prices, holdings and excursions. `parts` are the results of the strategies
    of a blend, by name.
    """
    benchmark = result.setup.get("benchmark") or "Benchmark"
    return rendered(
        "report.html.jinja",
        result=result,
        curve=result.curve,
        metrics=result.metrics,
        title=result.setup.get("strategy") or "Backtest",
        benchmark=benchmark,
        settings=list(flat(result.setup)),
        provenance=list(flat(result.provenance)),
        notes=result.notes[:MAX_NOTES],
        strategies={name: part for name, part in (parts or {}).items() if part.curve.dates},
        **(_content(result, benchmark) if result.curve.dates else {}),
    )


def render_card(result: Result) -> str:
    """Return the headline figures of a result as a piece of HTML, for a notebook."""
    return rendered(
        "card.html.jinja",
        result=result,
        curve=result.curve,
        title=result.setup.get("strategy") or "Backtest",
        params=params_text(result.setup.get("params", {})),
        symbols=result.setup.get("symbols", []),
        figures=[(FIGURES[name], result.metrics.get(name)) for name in HEADLINE],
        cautions=cautions(len(result.curve.dates), result.metrics) if result.curve.dates else [],
    )


def _content(result: Result, benchmark: str) -> dict[str, Any]:
    """Return the template's variables about sessions and trades."""
    curve, closed, still_open = result.curve, result.closed_positions, result.open_positions
    months = monthly_returns(curve)
    numbers = sorted(range(len(closed)), key=lambda number: -abs(closed[number].pnl))[:MAX_TRADES]
    numbers.sort(key=lambda number: (closed[number].exit_date, closed[number].symbol, closed[number].entry_date))
    excursions = result.history.excursions if result.history is not None else [None] * len(closed)
    holdings = result.history.holdings if result.history is not None else {}
    trips = round_trips(result.movements)
    return {
        "groups": GROUPS,
        "cautions": cautions(len(curve.dates), result.metrics),
        "months": months,
        "largest_month": max((abs(value) for row in months.values() for value in row if value is not None), default=0),
        "years": yearly_returns(curve),
        "benchmark_years": _benchmark_years(curve),
        "drawdowns": drawdowns(curve)[:MAX_DRAWDOWNS],
        "trades": [(closed[number], excursions[number]) for number in numbers],
        "excursions": _mean_excursions(closed, excursions),
        "symbols": len({trade.symbol for trade in closed} | {position.symbol for position in still_open}),
        "sides": by_side(closed, still_open),
        "parts": by_symbol(closed, still_open),
        "max_symbols": MAX_SYMBOLS,
        "holdings": largest_holdings(holdings, curve.equity, MAX_SYMBOLS),
        "trips": trip_figures(trips) if trips else None,
        "unfilled": _unfilled(result.orders),
        "unfilled_orders": [order for order in result.orders if order.status != Status.filled][-MAX_NOTES:],
        "monte_carlo": monte_carlo(result),
        "charts": chart_data(result, benchmark),
    }


def _benchmark_years(curve: Curve) -> dict[int, float | None]:
    """Return the benchmark's return per calendar year; empty without a benchmark."""
    if curve.benchmark is None or np.isnan(curve.benchmark).all():
        return {}
    first = int(np.flatnonzero(~np.isnan(curve.benchmark))[0])
    closes = curve.benchmark[first:]
    return yearly_returns(Curve(curve.dates[first:], closes, closes, closes, closes))


def _mean_excursions(
    closed: Sequence[ClosedPosition], excursions: Sequence[Excursion | None]
) -> list[tuple[str, int, float, float]]:
    """Return the number of trades and their mean MAE and MFE, of wins and of the others, as far as there are any."""
    rows = []
    for name, is_win in (("Wins", True), ("Losses", False)):
        part = [
            excursion
            for trade, excursion in zip(closed, excursions, strict=True)
            if excursion is not None and (trade.pnl > 0) == is_win
        ]
        if part:
            adverse, favourable = np.array(part).mean(axis=0).tolist()
            rows.append((name, len(part), adverse, favourable))
    return rows


def _unfilled(orders: Sequence[Order]) -> list[tuple[str, str, int]]:
    """Return (status, reason, number) of the orders that were not filled, the most frequent first."""
    counts = Counter((order.status.value, order.end_reason or order.reason) for order in orders
                     if order.status != Status.filled)  # fmt: skip
    return [(status, reason, count) for (status, reason), count in counts.most_common()]
