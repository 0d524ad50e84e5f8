"""Renders a walk-forward analysis as a page: the chained equity of the tests, and what each window chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from stockstream.analytics.backtest.report.charts import day_numbers, short
from stockstream.analytics.backtest.report.pages import flat, rendered
from stockstream.analytics.backtest.report.search_page import kind_of, label_of
from stockstream.analytics.backtest.stats import Array, series


def render_walk(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    parameters: Mapping[str, str],
    rank: str,
    dates: Sequence[date],
    equity: Array,
    metrics: Mapping[str, float | None],
    settings: Mapping[str, Any],
) -> str:
    """Return the page of a walk-forward analysis as HTML.

    Args:
        title: the strategy's name.
        rows: one per window: its days, parameters, the training's figure `trained_…`, and the figures of the test.
        parameters: the label of each parameter, per column of the rows.
        rank: the column of the figure that chose the parameters.
        dates: the test sessions, and the one before them.
        equity: the chained equity per date, 1 at first.
        metrics: the figures of the chained returns.
        settings: the settings of the runs.
    """
    trained = f"trained_{rank}"
    pairs = [(row[trained], row[rank]) for row in rows if row[trained] is not None and row[rank] is not None]
    return rendered(
        "walk.html.jinja",
        title=title,
        rank=label_of(rank),
        kind=kind_of(rank),
        parameters=parameters,
        rows=rows,
        trained=trained,
        tested=rank,
        figures=[(label_of(name), kind_of(name), value) for name, value in metrics.items()],
        mean_trained=sum(one for one, _ in pairs) / len(pairs) if pairs else None,
        mean_tested=sum(other for _, other in pairs) / len(pairs) if pairs else None,
        errors=[row for row in rows if row["error"]],
        sessions=len(dates) - 1,
        dates=dates,
        settings=list(flat(settings)),
        charts={
            "days": day_numbers(dates),
            "equity": short(equity),
            "drawdown": short(series.drawdown(equity)),
            "starts": day_numbers([row["test_from"] for row in rows]),
            "rank": label_of(rank),
            "trained": [_number(row[trained]) for row in rows],
            "tested": [_number(row[rank]) for row in rows],
        },
    )


def _number(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
