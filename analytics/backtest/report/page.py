"""A backtest as one HTML page that needs nothing else: no network, no other file; the same result, the same bytes.

The charts are drawn by uPlot (MIT), whose released files lie unchanged in assets/ and go into the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stockstream.analytics.backtest.model.result import Result
from stockstream.analytics.backtest.report.charts import PriceHistory, account, traded
from stockstream.analytics.backtest.stats.metrics import drawdowns, monthly_returns, yearly_returns

__all__ = ["PriceHistory", "render"]

ASSETS = Path(__file__).parent / "assets"
MOST_TRADES = 500
MOST_NOTES = 300
MOST_WORDS = 30
"""Of a list among the settings."""
WORST = 10
"""Drawdowns."""

GROUPS = {
    "Return": {
        "final_equity": ("Final equity", "money"),
        "total_return": ("Total return", "percent"),
        "annual_return": ("Annual return (252 sessions)", "percent"),
        "cagr": ("CAGR (365.25 days)", "percent"),
        "best_day": ("Best day", "percent"),
        "worst_day": ("Worst day", "percent"),
    },
    "Risk": {
        "volatility": ("Volatility a year", "percent"),
        "sharpe": ("Sharpe ratio", "ratio"),
        "sortino": ("Sortino ratio", "ratio"),
        "calmar": ("Calmar ratio", "ratio"),
        "max_drawdown": ("Deepest drawdown", "percent"),
        "max_drawdown_days": ("… its days", "count"),
        "longest_drawdown_days": ("Longest drawdown, days", "count"),
    },
    "Trades": {
        "trades": ("Closed trades", "count"),
        "win_rate": ("Win rate", "percent"),
        "profit_factor": ("Profit factor", "ratio"),
        "average_win": ("Average win", "money"),
        "average_loss": ("Average loss", "money"),
        "win_loss_ratio": ("Average win / loss", "ratio"),
        "expectancy": ("Expectancy a trade", "money"),
        "average_holding_days": ("Average holding, days", "days"),
    },
    "Activity": {
        "time_in_market": ("Sessions with a position", "percent"),
        "mean_exposure": ("Mean gross exposure", "percent"),
        "turnover": ("Turnover a year", "percent"),
    },
    "Against the benchmark": {
        "beta": ("Beta", "ratio"),
        "alpha": ("Alpha a year", "percent"),
        "correlation": ("Correlation", "ratio"),
        "benchmark_return": ("Benchmark's total return", "percent"),
        "benchmark_annual_return": ("… annual return", "percent"),
        "benchmark_volatility": ("… volatility a year", "percent"),
        "benchmark_sharpe": ("… Sharpe ratio", "ratio"),
        "benchmark_max_drawdown": ("… deepest drawdown", "percent"),
    },
}
"""Label and format of each figure of `metrics.summary`; costs have a table of their own."""


def render(result: Result, prices: Mapping[str, PriceHistory]) -> str:
    """Give the page; of a run that failed before its first session ended, one without figures and charts.

    Args:
        result: of a backtest.
        prices: closes by symbol, as they were traded on or adjusted alike; of a symbol that is not there no trades
            are drawn.
    """
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FORMATS
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment.get_template("report.html.jinja").render(
        result=result,
        curve=result.curve,
        metrics=result.metrics,
        title=result.setup.get("strategy") or "Backtest",
        benchmark=result.setup.get("benchmark") or "Benchmark",
        settings=list(flat(result.setup)),
        provenance=list(flat(result.provenance)),
        notes=result.notes[:MOST_NOTES],
        asset=lambda name: Markup((ASSETS / name).read_text(encoding="utf-8")),
        **(_found(result, prices) if result.curve.dates else {}),
    )


def _found(result: Result, prices: Mapping[str, PriceHistory]) -> dict[str, Any]:
    """Give what the page shows of the sessions."""
    curve, closed, still_open = result.curve, result.closed_positions, result.open_positions
    months = monthly_returns(curve)
    largest = sorted(closed, key=lambda trade: -abs(trade.pnl))[:MOST_TRADES]
    return {
        "groups": GROUPS,
        "months": months,
        "largest_month": max((abs(value) for row in months.values() for value in row if value is not None), default=0),
        "years": yearly_returns(curve),
        "drawdowns": drawdowns(curve)[:WORST],
        "trades": sorted(largest, key=lambda trade: (trade.exit_date, trade.symbol, trade.entry_date)),
        "symbols": len({trade.symbol for trade in closed} | {position.symbol for position in still_open}),
        "account": account(curve),
        "charts": traded(curve, closed, still_open, prices),
    }


def flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Give names and texts, nested ones as `outer.inner`; of a long list its beginning."""
    for key, value in settings.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            more = f", … ({len(value)} in all)" if len(value) > MOST_WORDS else ""
            yield name, ", ".join(map(str, value[:MOST_WORDS])) + more
        else:
            yield name, "–" if value is None else str(value)


def number(value: float | None, digits: int = 0) -> str:
    """Give a number for people: 1,234.50, a true minus sign, none before zero; what is undefined is a dash."""
    return "–" if value is None else f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")


def percent(value: float | None, digits: int = 2) -> str:
    """Give a fraction as per cent."""
    return "–" if value is None else f"{number(100 * value, digits)}%"


FORMATS: dict[str, Callable[[Any], str]] = {
    "number": number,
    "percent": percent,
    "money": lambda value: number(value, 2),
    "ratio": lambda value: number(value, 2),
    "count": number,
    "days": lambda value: number(value, 1),
    "shares": lambda value: number(value, 0 if value == round(value) else 4),
    "price": lambda value: number(value, 2 if abs(value) >= 1 else 4),
}
