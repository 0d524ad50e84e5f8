"""Renders a search as a page: the best runs, and heat maps of a figure over two parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stockstream.analytics.backtest.report.pages import flat, rendered
from stockstream.analytics.backtest.stats import FIGURES

MAX_ROWS = 100
"""Maximum number of runs in the table: the best."""
MAX_ERRORS = 100
"""Maximum number of combinations without a result in the table."""
MAP_FIGURES = (
    "sharpe", "total_return", "annual_return", "volatility", "max_drawdown", "calmar", "sortino", "ulcer_index",
    "trades", "win_rate", "profit_factor", "turnover", "costs",
)  # fmt: skip
"""The figures that heat maps offer, besides the one that ranks the runs."""
TABLE_FIGURES = ("total_return", "annual_return", "sharpe", "max_drawdown", "trades", "win_rate")
"""The figures in the table, besides the one that ranks the runs."""


def render_search(
    title: str,
    ranked: Sequence[Mapping[str, Any]],
    parameters: Mapping[str, str],
    rank: str,
    notes: Sequence[str],
    settings: Mapping[str, Any],
) -> str:
    """Return the page of a search as HTML.

    Args:
        title: the strategy's name.
        ranked: the rows of the table of runs, the best first: parameters, figures, `error`.
        parameters: the label of each parameter, per column of the rows.
        rank: the column that ranks the runs.
        notes: sentences about the search, such as how likely it is that the best is luck.
        settings: the settings of the runs.
    """
    results = [row for row in ranked if row[rank] is not None and not row["error"]]
    figures = [rank, *(name for name in MAP_FIGURES if name != rank)]
    return rendered(
        "search.html.jinja",
        title=title,
        rank=label_of(rank),
        parameters=parameters,
        columns=[(name, label_of(name), kind_of(name)) for name in dict.fromkeys((rank, *TABLE_FIGURES))],
        rows=results[:MAX_ROWS],
        results=len(results),
        errors=[row for row in ranked if row["error"]][:MAX_ERRORS],
        failures=sum(bool(row["error"]) for row in ranked),
        notes=notes,
        settings=list(flat(settings)),
        charts={
            "parameters": [
                {"name": name, "label": label, "values": _values(results, name)} for name, label in parameters.items()
            ],
            "figures": [
                {"name": name, "label": label_of(name), "kind": kind_of(name), "less": _is_less_better(name)}
                for name in figures
            ],
            "rows": [
                [*(str(row[name]) for name in parameters), *(_short(row.get(name)) for name in figures)]
                for row in results
            ],
        },
    )


def _values(rows: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """Return the different values of a parameter as texts, in the order of the numbers or texts."""
    values = {str(row[name]): row[name] for row in rows}
    if all(isinstance(value, int | float) for value in values.values()):
        return sorted(values, key=values.__getitem__)
    return sorted(values)


def label_of(name: str) -> str:
    """Return the label of a figure; the score of an expression or a function is called the objective."""
    label = FIGURES[name].label.removeprefix("… ") if name in FIGURES else name
    return label[:1].upper() + label[1:]


def kind_of(name: str) -> str:
    """Return how a figure is formatted."""
    return FIGURES[name].kind if name in FIGURES else "ratio"


def _is_less_better(name: str) -> bool:
    return name in FIGURES and FIGURES[name].better == "less"


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
