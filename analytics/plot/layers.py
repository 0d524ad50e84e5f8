"""The parts of which charts are drawn: an axis of sessions without gaps, panes, lines, and the strip of all days."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from stockstream.analytics.plot.chart import Chart, altair

WIDTH = 900
STRIP = 44
"""Height of the strip of all days, in pixels."""
GAP = 12
MARGIN = 120
"""Height of title, labels and the menu, in pixels."""
TEXT, MUTED, LINE = "#1b2230", "#667085", "#e4e7ec"
GAIN, LOSS, ACCENT, EXIT = "#16794c", "#b4382c", "#2457a6", "#b54708"
LINES = ["#2457a6", "#b54708", "#7a3e9d", "#0e7490", "#a16207", "#be185d"]
HALF = 0.36
"""Half of the width of a candle, in sessions."""

Records = list[dict[str, Any]]


class Sessions:
    """The x axis: the number of each session, so that days without a session leave no gap; labels are dates."""

    def __init__(self, days: Sequence[date]) -> None:
        self.days = days
        self.alt = altair()
        self.chosen = self.alt.selection_interval(name="chosen", encodings=["x"])
        self.hover = self.alt.selection_point(
            name="hover", on="pointerover", clear="pointerout", fields=["i"], empty=False
        )
        self._data: dict[str, Records] = {}
        self._numbers = {day: number for number, day in enumerate(days)}

    def number(self, day: date) -> int | None:
        """Return the number of the bar that contains a day: the first that ends on it or later; None if none does."""
        if day in self._numbers:
            return self._numbers[day]
        if not self.days or not self.days[0] <= day <= self.days[-1]:
            return None
        return next(number for number, end in enumerate(self.days) if end >= day)

    def x(self, field: str = "i") -> Any:
        """Return the encoding of the chosen sessions."""
        axis = self.alt.Axis(
            labelExpr="labels[datum.value] || ''",
            tickMinStep=1,
            labelFlush=False,
            tickCount=9,
            grid=True,
            title=None,
        )
        scale = self.alt.Scale(domain=self.chosen, nice=False, zero=False)
        return self.alt.X(f"{field}:Q", scale=scale, axis=axis)

    def base(self, records: Records) -> Any:
        """Return a chart of the records of the chosen sessions, each with its number `i`."""
        return self.alt.Chart(self._named(records)).transform_filter(self.chosen)

    def _named(self, records: Records) -> Any:
        """Return a reference to records: inside the layers, altair would check each of them against its schema."""
        name = next((name for name, other in self._data.items() if other is records), f"records_{len(self._data)}")
        self._data[name] = records
        return self.alt.NamedData(name)

    def pane(self, layers: Iterable[Any], height: int, title: str = "") -> Any:
        """Return layers as a pane."""
        heading = self.alt.TitleParams(
            title, anchor="start", frame="group", fontSize=11, color=MUTED, fontWeight="normal", offset=4
        )
        chart = self.alt.layer(*layers).properties(width=WIDTH, height=height)
        return chart.properties(title=heading) if title else chart

    def pointer(self, records: Records, tooltip: Sequence[tuple[str, str, str]]) -> Any:
        """Return the layer that marks the session under the pointer, and shows its numbers: (field, title, format)."""
        alt = self.alt
        shown = [alt.Tooltip("day:N", title="day")]
        shown += [alt.Tooltip(f"{field}:Q", title=title, format=form) for field, title, form in tooltip]
        return (
            self.base(records)
            .mark_rect(color=MUTED, clip=True)
            .encode(
                x=self.x(
                    "start",
                ),
                x2="end:Q",
                tooltip=shown,
                opacity=alt.condition(self.hover, alt.value(0.15), alt.value(0)),
            )
            .add_params(self.hover)
        )

    def lines(self, columns: Mapping[str, Sequence[float | None]], scale: Any) -> list[Any]:
        """Return a layer of lines with a legend of their names; a column whose name ends with `hist` is bars."""
        alt = self.alt
        bars = [name for name in columns if name.endswith("hist")]
        names = [name for name in columns if name not in bars]
        legend = alt.Legend(orient="top", title=None, direction="horizontal", labelColor=TEXT, offset=2, padding=0)
        colour = alt.Color(
            "name:N",
            sort=names,
            scale=alt.Scale(domain=names, range=LINES),
            legend=legend if len(columns) > 1 else None,
        )
        y = alt.Y("value:Q", scale=scale, axis=alt.Axis(title=None, orient="right", tickCount=5))
        layers = [
            self.base(long({name: columns[name]}))
            .mark_rect(clip=True)
            .encode(
                x=self.x(
                    "start",
                ),
                x2="end:Q",
                y=y,
                y2=alt.datum(0),
                color=alt.condition("datum.value >= 0", alt.value(f"{GAIN}88"), alt.value(f"{LOSS}88")),
            )
            for name in bars
        ]
        if names:
            line = self.base(long({name: columns[name] for name in names})).mark_line(strokeWidth=1.3, clip=True)
            layers.append(line.encode(x=self.x(), y=y, color=colour))
        return layers

    def strip(self, values: Sequence[float | None]) -> Any:
        """Return the strip of all sessions, in which the days are chosen."""
        alt = self.alt
        axis = alt.Axis(
            labelExpr="labels[datum.value] || ''", tickMinStep=1, labelFlush=False, tickCount=9, grid=False, title=None
        )
        lowest = min((value for value in values if value is not None and value == value), default=0)
        return (
            alt.Chart(self._named(long({"": values})))
            .mark_area(color=f"{ACCENT}22", line={"color": ACCENT, "strokeWidth": 1})
            .encode(
                x=alt.X("i:Q", scale=alt.Scale(nice=False, zero=False), axis=axis),
                y=alt.Y("value:Q", scale=alt.Scale(zero=False, nice=False), axis=None, stack=False),
                y2=alt.datum(lowest),
            )
            .properties(width=WIDTH, height=STRIP)
            .add_params(self.chosen)
        )

    def chart(self, panes: Sequence[Any], heights: Sequence[int], title: str, subtitle: str) -> Chart:
        """Return the panes as a chart."""
        alt = self.alt
        heading = alt.TitleParams(
            title, subtitle=subtitle, anchor="start", fontSize=16, subtitleColor=MUTED, subtitlePadding=4, offset=12
        )
        with warnings.catch_warnings():  # the parameter `hover` of all panes is one
            warnings.filterwarnings("ignore", "Automatically deduplicated selection parameter")
            stacked = alt.vconcat(*panes, spacing=GAP)
        whole = (
            stacked.add_params(alt.param(name="labels", value=[f"{day:%d %b %Y}".lstrip("0") for day in self.days]))
            .resolve_scale(color="independent")
            .properties(title=heading)
            .configure(font="system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif", background="#ffffff")
            .configure_view(stroke=None)
            .configure_axis(domain=False, gridColor=LINE, tickColor=LINE, labelColor=MUTED, labelFontSize=11)
            .configure_title(color=TEXT)
        )
        height = sum(heights) + (GAP + 22) * len(heights) + MARGIN
        spec = whole.to_dict()
        for pane in spec["vconcat"][:-2]:  # those above the last one that shows the chosen days
            for layer in pane["layer"]:
                layer["encoding"]["x"]["axis"] |= {"labels": False, "ticks": False}
        return Chart(spec | {"datasets": self._data}, f"{title}, {subtitle}", height)


def long(columns: Mapping[str, Sequence[float | None]]) -> Records:
    """Return columns as records of session number, name and value; those without a value are left out."""
    return [
        {"i": number, "start": number - HALF, "end": number + HALF, "name": name, "value": short(value)}
        for name, values in columns.items()
        for number, value in enumerate(values)
        if value is not None and value == value
    ]


def short(value: float) -> float:
    """Return a number with seven significant digits, enough for a chart."""
    return value if isinstance(value, int) else float(f"{value:.7g}")
