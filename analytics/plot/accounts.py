"""The account of a backtest over time: equity, benchmark and drawdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.analytics.plot.chart import Chart
from stockstream.analytics.plot.layers import LOSS, STRIP, Sessions, long
from stockstream.sql.errors import UsageError

if TYPE_CHECKING:
    from stockstream.analytics.backtest import Result

HEIGHT, DRAWDOWN_HEIGHT = 300, 110
"""Heights in pixels."""


def account(result: Result) -> Chart:
    """Return a chart of a backtest's account: equity in money, with the benchmark scaled to it, and the drawdown.

    Raises:
        UsageError: the run failed before its first session ended, or altair is not installed.
    """
    from stockstream.analytics.backtest.report import account_curves

    curve = result.curve
    if not curve.dates:
        raise UsageError(f"the run has no session to draw: {result.error}")
    sessions, curves = Sessions(curve.dates), account_curves(curve)
    alt = sessions.alt
    benchmark = result.setup.get("benchmark") or "benchmark"
    lines = {"equity": curves["equity"]} | ({benchmark: curves["benchmark"]} if curves["benchmark"] else {})
    columns = {**lines, "drawdown": curves["drawdown"]}
    keys = {f"column_{number}": (name, values) for number, (name, values) in enumerate(columns.items())}
    records = [
        {"i": number, "start": number - 0.5, "end": number + 0.5, "day": str(day)}
        | {key: values[number] for key, (_, values) in keys.items()}
        for number, day in enumerate(curve.dates)
    ]
    tooltip = [(key, name, ".1%" if name == "drawdown" else ",.0f") for key, (name, _) in keys.items()]
    pointer = sessions.pointer(records, tooltip)
    equity = sessions.lines(lines, alt.Scale(zero=False))
    drawdown = (
        sessions.base(long({"drawdown": curves["drawdown"]}))
        .mark_area(color=f"{LOSS}33", line={"color": LOSS, "strokeWidth": 1}, clip=True)
        .encode(
            x=sessions.x(),
            y=alt.Y("value:Q", axis=alt.Axis(title=None, orient="right", format=".0%", tickCount=4)),
        )
    )
    panes = [
        sessions.pane([*equity, pointer], HEIGHT, "equity, money"),
        sessions.pane([drawdown, pointer], DRAWDOWN_HEIGHT, "drawdown"),
        sessions.strip(curves["equity"]),
    ]
    title = str(result.setup.get("strategy") or "Backtest")
    symbols = result.setup.get("symbols", [])
    subtitle = f"{', '.join(symbols[:5])}{' …' if len(symbols) > 5 else ''}, {curve.dates[0]} to {curve.dates[-1]}"
    return sessions.chart(panes, [HEIGHT, DRAWDOWN_HEIGHT, STRIP], title, subtitle)
