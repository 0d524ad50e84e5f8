"""Renders a result as one self-contained HTML page, which needs no network and no other files.

Equal results are rendered as equal bytes.

The charts are drawn by uPlot (MIT); its released files are in assets/, unchanged, and embedded in the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stockstream.analytics.backtest.model import Result
from stockstream.analytics.backtest.report.charts import PriceHistory, account_curves, price_charts
from stockstream.analytics.backtest.stats import drawdowns, monthly_returns, yearly_returns
from stockstream.pipeline.display import shown

ASSETS = Path(__file__).parent / "assets"
MAX_TRADES = 500
"""Maximum number of trades in the table: those with the largest profits and losses."""
MAX_NOTES = 300
"""Maximum number of notes in the table."""
MAX_ITEMS = 30
"""Maximum number of items shown of a list in the settings."""
MAX_DRAWDOWNS = 10
"""Maximum number of drawdowns in the table."""

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
        "volatility": ("Annual volatility", "percent"),
        "sharpe": ("Sharpe ratio", "ratio"),
        "sortino": ("Sortino ratio", "ratio"),
        "calmar": ("Calmar ratio", "ratio"),
        "max_drawdown": ("Deepest drawdown", "percent"),
        "max_drawdown_days": ("… duration, days", "count"),
        "longest_drawdown_days": ("Longest drawdown, days", "count"),
    },
    "Trades": {
        "trades": ("Closed trades", "count"),
        "win_rate": ("Win rate", "percent"),
        "profit_factor": ("Profit factor", "ratio"),
        "average_win": ("Average win", "money"),
        "average_loss": ("Average loss", "money"),
        "win_loss_ratio": ("Average win / loss", "ratio"),
        "expectancy": ("Expectancy per trade", "money"),
        "average_holding_days": ("Average holding period, days", "days"),
    },
    "Activity": {
        "time_in_market": ("Sessions with a position", "percent"),
        "mean_exposure": ("Mean gross exposure", "percent"),
        "turnover": ("Annual turnover", "percent"),
    },
    "Relative to the benchmark": {
        "beta": ("Beta", "ratio"),
        "alpha": ("Annual alpha", "percent"),
        "correlation": ("Correlation", "ratio"),
        "benchmark_return": ("Benchmark total return", "percent"),
        "benchmark_annual_return": ("… annual return", "percent"),
        "benchmark_volatility": ("… annual volatility", "percent"),
        "benchmark_sharpe": ("… Sharpe ratio", "ratio"),
        "benchmark_max_drawdown": ("… deepest drawdown", "percent"),
    },
}
"""Label and format (a key of `FORMATS`) of each metric of `stats.summary`, by group; costs have their own table."""


def render(result: Result, prices: Mapping[str, PriceHistory]) -> str:
    """Return the page as HTML. If the run failed before its first session ended, it has no metrics and charts.

    Args:
        result: the result of a backtest.
        prices: closes per symbol, on the scale of the trades; the trades of a symbol without closes are not drawn.
    """
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: shown(value) if type(value) is str else value,
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
        notes=result.notes[:MAX_NOTES],
        asset=lambda name: Markup((ASSETS / name).read_text(encoding="utf-8")),
        **(_content(result, prices) if result.curve.dates else {}),
    )


def _content(result: Result, prices: Mapping[str, PriceHistory]) -> dict[str, Any]:
    """Return the template's variables about sessions and trades."""
    curve, closed, still_open = result.curve, result.closed_positions, result.open_positions
    months = monthly_returns(curve)
    largest = sorted(closed, key=lambda trade: -abs(trade.pnl))[:MAX_TRADES]
    return {
        "groups": GROUPS,
        "months": months,
        "largest_month": max((abs(value) for row in months.values() for value in row if value is not None), default=0),
        "years": yearly_returns(curve),
        "drawdowns": drawdowns(curve)[:MAX_DRAWDOWNS],
        "trades": sorted(largest, key=lambda trade: (trade.exit_date, trade.symbol, trade.entry_date)),
        "symbols": len({trade.symbol for trade in closed} | {position.symbol for position in still_open}),
        "account": account_curves(curve),
        "charts": price_charts(curve, closed, still_open, prices),
    }


def flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield name and text of each setting; nested settings are named `outer.inner`, long lists are cut."""
    for key, value in settings.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            more = f", … ({len(value)} in total)" if len(value) > MAX_ITEMS else ""
            yield name, ", ".join(map(str, value[:MAX_ITEMS])) + more
        else:
            yield name, "–" if value is None else str(value)


def number(value: float | None, digits: int = 0) -> str:
    """Format a number as 1,234.50, with a true minus sign and no negative zero; None is a dash."""
    return "–" if value is None else f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")


def percent(value: float | None, digits: int = 2) -> str:
    """Format a fraction in per cent: 0.1 is 10.00%; None is a dash."""
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
