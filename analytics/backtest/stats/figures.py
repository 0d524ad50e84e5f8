"""The catalogue of figures: label, unit, group, and whether more or less of it is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["percent", "money", "ratio", "count", "days"]
"""How a figure is formatted: a fraction in per cent, money, a plain ratio, a whole number, or days with a decimal."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of `stats.summary`, as reports, tables and rankings need it; `summary` computes it."""

    label: str
    kind: Kind
    group: str
    better: Literal["more", "less"] = "more"
    """Which values a ranking puts first. Drawdowns, losses and the value at risk are negative: more is better."""


RETURN, RISK, TAILS, TRADES = "Return", "Risk", "Distribution of daily returns", "Trades"
ACTIVITY, COSTS, RELATIVE = "Activity", "Costs", "Relative to the benchmark"

FIGURES: dict[str, Figure] = {
    "final_equity": Figure("Final equity", "money", RETURN),
    "total_return": Figure("Total return", "percent", RETURN),
    "annual_return": Figure("Annual return (252 sessions)", "percent", RETURN),
    "cagr": Figure("CAGR (365.25 days)", "percent", RETURN),
    "volatility": Figure("Annual volatility", "percent", RISK, "less"),
    "sharpe": Figure("Sharpe ratio", "ratio", RISK),
    "sortino": Figure("Sortino ratio", "ratio", RISK),
    "calmar": Figure("Calmar ratio", "ratio", RISK),
    "max_drawdown": Figure("Deepest drawdown", "percent", RISK),
    "max_drawdown_days": Figure("… duration, days", "count", RISK, "less"),
    "longest_drawdown_days": Figure("Longest drawdown, days", "count", RISK, "less"),
    "ulcer_index": Figure("Ulcer index", "percent", RISK, "less"),
    "best_day": Figure("Best day", "percent", TAILS),
    "worst_day": Figure("Worst day", "percent", TAILS),
    "value_at_risk": Figure("Value at risk, 5 %", "percent", TAILS),
    "conditional_value_at_risk": Figure("Conditional value at risk, 5 %", "percent", TAILS),
    "skew": Figure("Skewness", "ratio", TAILS),
    "kurtosis": Figure("Excess kurtosis", "ratio", TAILS, "less"),
    "tail_ratio": Figure("Tail ratio (95 % / 5 %)", "ratio", TAILS),
    "omega": Figure("Omega ratio", "ratio", TAILS),
    "trades": Figure("Closed trades", "count", TRADES),
    "win_rate": Figure("Win rate", "percent", TRADES),
    "profit_factor": Figure("Profit factor", "ratio", TRADES),
    "average_win": Figure("Average win", "money", TRADES),
    "average_loss": Figure("Average loss", "money", TRADES),
    "win_loss_ratio": Figure("Average win / loss", "ratio", TRADES),
    "expectancy": Figure("Expectancy per trade", "money", TRADES),
    "average_holding_days": Figure("Average holding period, days", "days", TRADES, "less"),
    "open_positions": Figure("Open positions at the end", "count", TRADES, "less"),
    "open_pnl": Figure("… their profit so far", "money", TRADES),
    "time_in_market": Figure("Sessions with a position", "percent", ACTIVITY, "less"),
    "mean_exposure": Figure("Mean gross exposure", "percent", ACTIVITY, "less"),
    "turnover": Figure("Annual turnover", "percent", ACTIVITY, "less"),
    "commission": Figure("Commission", "money", COSTS, "less"),
    "slippage": Figure("Slippage", "money", COSTS, "less"),
    "borrow": Figure("Borrow", "money", COSTS, "less"),
    "interest": Figure("Interest", "money", COSTS, "less"),
    "costs": Figure("Total", "money", COSTS, "less"),
    "benchmark_return": Figure("Benchmark total return", "percent", RELATIVE),
    "benchmark_annual_return": Figure("… annual return", "percent", RELATIVE),
    "benchmark_volatility": Figure("… annual volatility", "percent", RELATIVE, "less"),
    "benchmark_sharpe": Figure("… Sharpe ratio", "ratio", RELATIVE),
    "benchmark_max_drawdown": Figure("… deepest drawdown", "percent", RELATIVE),
    "beta": Figure("Beta", "ratio", RELATIVE, "less"),
    "alpha": Figure("Annual alpha", "percent", RELATIVE),
    "correlation": Figure("Correlation", "ratio", RELATIVE, "less"),
    "tracking_error": Figure("Annual tracking error", "percent", RELATIVE, "less"),
    "information_ratio": Figure("Information ratio (per session)", "ratio", RELATIVE),
}
"""Every figure of `stats.summary`, in its order."""

GROUPS: dict[str, dict[str, Figure]] = {
    group: {name: figure for name, figure in FIGURES.items() if figure.group == group}
    for group in (RETURN, RISK, TAILS, TRADES, ACTIVITY, RELATIVE, COSTS)
}
"""The figures per group, in the order in which reports show them."""
