"""Candles with volume, overlays, panes, splits, dividends and trades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stockstream.analytics.plot.chart import Chart
from stockstream.analytics.plot.layers import (
    ACCENT,
    EXIT,
    GAIN,
    HALF,
    LOSS,
    MUTED,
    STRIP,
    Records,
    Sessions,
    short,
)
from stockstream.analytics.plot.panels import PRICES, Panels, Panes, panels_of_frame, panels_of_symbol, trades_of
from stockstream.analytics.prices import Adjustment, Timeframe
from stockstream.analytics.session import AsOf

if TYPE_CHECKING:
    from stockstream.analytics.backtest import Result
    from stockstream.analytics.frames import Frame

PRICE_HEIGHT, PANE_HEIGHT = 340, 90
"""Heights in pixels."""


def candles(
    data: str | Frame,
    start: date | str | None = None,
    end: date | str | None = None,
    timeframe: Timeframe | str | int = "1d",
    adjustment: Adjustment = "split",
    *,
    overlays: Sequence[str] | str = (),
    panes: Panes = (),
    volume: bool = True,
    trades: Result | None = None,
    log: bool = False,
    lake: str | Path | None = None,
    as_of: AsOf | None = None,
) -> Chart:
    """Return a chart of candles, as in `candles("BHP", "2026-01-01", overlays="bbands", panes=["rsi_14", "adx"])`.

    Drag in the strip below the chart to choose the days; the scales of prices follow. Splits are marked by lines,
    dividends by D. A pointer on a bar shows its numbers.

    Args:
        data: a symbol of the lake, or a frame with the bars of one symbol (see `frames.table_of`), whose columns
            dividend and split_ratio are marked, too.
        start: the first day, inclusive.
        end: the last day, inclusive.
        timeframe: of a symbol, as in `bars`. A frame is drawn as it is.
        adjustment: of a symbol, as in `bars`; the indicators are computed from these prices.
        overlays: what is drawn over the candles: indicators that are prices, such as sma_50 or bbands, or columns of
            the frame.
        panes: what is drawn below them, each in a pane of its own: indicators, or columns of the frame; a list of
            several shares a pane, as in `[["macd", "macd_signal", "macd_hist"], "rsi_14"]`.
        volume: whether there is a pane with the volume.
        trades: a backtest, whose trades of this symbol are marked on their days.
        log: whether the scale of prices is logarithmic.
        lake: a folder or s3://bucket/prefix (default `STOCKSTREAM_LAKE`).
        as_of: an earlier generation: its number or a time.

    Raises:
        UsageError: there is no such lake, symbol, indicator or column, no bar in the range, or altair is not installed.
        LakeError: the lake cannot be read.
    """
    if isinstance(data, str):
        panels = panels_of_symbol(data, start, end, timeframe, adjustment, overlays, panes, lake, as_of)
    else:
        panels = panels_of_frame(data, start, end, overlays, panes)
    if trades is not None:
        panels = replace(panels, trades=trades_of(trades, panels.title))
    return drawn(panels, volume=volume, log=log)


def drawn(panels: Panels, *, volume: bool = True, log: bool = False) -> Chart:
    """Return the chart of panels.

    Raises:
        UsageError: altair is not installed.
    """
    sessions = Sessions(panels.days)
    alt = sessions.alt
    records = _records(panels)
    has_volume = volume and any(record["volume"] is not None for record in records)
    below = [name for name, columns in panels.panes.items() if any(map(_has_values, columns.values()))]
    heights = [PRICE_HEIGHT, *[PANE_HEIGHT] * (has_volume + len(below))]
    scale = alt.Scale(zero=False, nice=not log, padding=16, type="log" if log else "linear")
    tooltip = [(name, name, ",.4~f") for name in PRICES] + ([("volume", "volume", ",")] if has_volume else [])
    tooltip += [(key, name, ",.4~f") for key, name, _ in _columns(panels)]
    pointer = sessions.pointer(records, tooltip)

    layers = [*_splits(sessions, panels), *_candles(sessions, records, scale)]
    layers += sessions.lines(panels.overlays, scale) if panels.overlays else []
    layers += [*_dividends(sessions, panels), *_trades(sessions, panels, scale), pointer]
    panes = [sessions.pane(layers, PRICE_HEIGHT)]
    if has_volume:
        panes.append(sessions.pane([_volume(sessions, records), pointer], PANE_HEIGHT, "volume"))
    for name in below:
        lines = sessions.lines(panels.panes[name], alt.Scale(zero=False))
        panes.append(sessions.pane([*lines, pointer], PANE_HEIGHT, name))
    panes.append(sessions.strip(panels.bars["close"]))
    return sessions.chart(panes, [*heights, STRIP], panels.title, panels.subtitle)


def _has_values(values: Sequence[float | None]) -> bool:
    return any(value is not None for value in values)


def _columns(panels: Panels) -> list[tuple[str, str, Sequence[float | None]]]:
    """Return key, name and values of the columns over and below the bars; the keys are names that Vega can read."""
    named = [*panels.overlays.items(), *(item for part in panels.panes.values() for item in part.items())]
    return [(f"column_{number}", name, values) for number, (name, values) in enumerate(dict(named).items())]


def _records(panels: Panels) -> Records:
    columns = {**panels.bars, **{key: values for key, _, values in _columns(panels)}}
    records: Records = []
    for number, day in enumerate(panels.days):
        values = {name: None if (value := each[number]) is None else short(value) for name, each in columns.items()}
        closed = values["close"] or 0.0
        opened = values["open"] if values["open"] is not None else closed
        record: dict[str, Any] = {"volume": None, **values, "open": opened, "rises": closed >= opened, "day": str(day)}
        records.append({"i": number, "start": number - HALF, "end": number + HALF, **record})
    return records


def _candles(sessions: Sessions, records: Records, scale: Any) -> list[Any]:
    alt = sessions.alt
    base = sessions.base(records)
    colour = alt.condition("datum.rises", alt.value(GAIN), alt.value(LOSS))
    axis = alt.Axis(title=None, orient="right", tickCount=5)
    wick = base.mark_rule(strokeWidth=1, clip=True).encode(
        x=sessions.x(), y=alt.Y("low:Q", scale=scale, axis=axis), y2="high:Q", color=colour
    )
    # The stroke shows a body without height, whose open is the close.
    body = base.mark_rect(strokeWidth=0.8, clip=True).encode(
        x=sessions.x("start"),
        x2="end:Q",
        y=alt.Y("open:Q", scale=scale, axis=axis),
        y2="close:Q",
        color=colour,
        stroke=colour,
    )
    return [wick, body]


def _volume(sessions: Sessions, records: Records) -> Any:
    alt = sessions.alt
    return (
        sessions.base(records)
        .mark_rect(clip=True)
        .encode(
            x=sessions.x("start"),
            x2="end:Q",
            y2=alt.datum(0),
            y=alt.Y(
                "volume:Q",
                axis=alt.Axis(
                    title=None, orient="right", format="~s", labelExpr="replace(datum.label, 'G', 'B')", tickCount=3
                ),
            ),
            color=alt.condition("datum.rises", alt.value(f"{GAIN}99"), alt.value(f"{LOSS}99")),
        )
    )


def _splits(sessions: Sessions, panels: Panels) -> list[Any]:
    """Return a line and a label per split; an axis of longer bars has it at the bar that contains its day."""
    alt = sessions.alt
    records = [
        {"i": number, "text": f"{ratio:g}:1 split" if ratio >= 1 else f"1:{1 / ratio:g} split", "day": str(day)}
        for day, ratio in panels.splits.items()
        if (number := sessions.number(day)) is not None
    ]
    if not records:
        return []
    base = sessions.base(records).encode(x=sessions.x(), tooltip=[alt.Tooltip("day:N"), alt.Tooltip("text:N")])
    return [
        base.mark_rule(color=MUTED, strokeDash=[4, 3], clip=True),
        base.mark_text(color=MUTED, align="left", dx=4, fontSize=11).encode(y=alt.value(6), text="text:N"),
    ]


def _dividends(sessions: Sessions, panels: Panels) -> list[Any]:
    """Return a D at the foot of the prices per dividend."""
    alt = sessions.alt
    records = [
        {"i": number, "dividend": short(amount), "day": str(day)}
        for day, amount in panels.dividends.items()
        if (number := sessions.number(day)) is not None
    ]
    if not records:
        return []
    foot = alt.value(PRICE_HEIGHT - 9)
    base = sessions.base(records).encode(
        x=sessions.x(), y=foot, tooltip=["day:N", alt.Tooltip("dividend:Q", format=",.4~f")]
    )
    return [
        base.mark_point(
            shape="circle", size=150, filled=True, color="#ffffff", stroke=ACCENT, strokeWidth=1, opacity=1
        ),
        base.mark_text(color=ACCENT, fontSize=9, fontWeight="bold", baseline="middle", dy=0.5).encode(
            text=alt.value("D")
        ),
    ]


def _trades(sessions: Sessions, panels: Panels, scale: Any) -> list[Any]:
    """Return a triangle per entry and exit, below the bar for what is bought, above it for what is sold."""
    alt = sessions.alt
    marks: Records = []
    for trade in panels.trades:
        is_long = trade.quantity > 0
        for what, day, price, is_bought in (
            ("entry", trade.entry, trade.entry_price, is_long),
            ("exit", trade.exit, trade.exit_price, not is_long),
        ):
            if day is None or (number := sessions.number(day)) is None:
                continue
            value = panels.bars["low" if is_bought else "high"][number]
            at = value if value is not None else panels.bars["close"][number]
            marks.append(
                {
                    "i": number,
                    "value": at,
                    "day": str(day),
                    "what": what,
                    "bought": is_bought,
                    "shares": abs(trade.quantity),
                    "price": price,
                    "profit": trade.pnl,
                }
            )
    tooltip = [
        alt.Tooltip("day:N"),
        alt.Tooltip("what:N", title="trade"),
        alt.Tooltip("shares:Q", format=","),
        alt.Tooltip("price:Q", title="price as traded", format=",.4~f"),
        alt.Tooltip("profit:Q", title="profit of the trade", format=",.2f"),
    ]
    layers = []
    for is_bought, shape, offset, colour in ((True, "triangle-up", 11, ACCENT), (False, "triangle-down", -11, EXIT)):
        records = [mark for mark in marks if mark["bought"] == is_bought]
        if records:
            mark = sessions.base(records).mark_point(
                shape=shape, size=90, filled=True, color=colour, opacity=1, yOffset=offset
            )
            layers.append(mark.encode(x=sessions.x(), y=alt.Y("value:Q", scale=scale), tooltip=tooltip))
    return layers
