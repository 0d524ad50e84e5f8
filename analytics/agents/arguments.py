"""The arguments of the tools: those of the HTTP interface, with smaller pages, as a model's context is small.

`msgspec` checks them, and writes the JSON schemas that a client reads.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from msgspec import Meta, field

from stockstream.analytics.serving import parameters
from stockstream.analytics.serving.backtests.form import MAX_TEXT

MAX_ROWS = 1000
Limit = Annotated[int, Meta(ge=1, le=MAX_ROWS, description="Rows of the answer, which says whether there are more.")]
Generation = Annotated[
    int, Meta(ge=1, description="An earlier answer's generation, to read the same data again; none: the newest.")
]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Symbol = Annotated[str, Meta(min_length=1, max_length=100, description="One symbol.", examples=["BHP"])]


class Help(parameters.Query, kw_only=True):
    """Arguments of `lake_help`."""

    object: (
        Annotated[str, Meta(max_length=100, description="A table or macro, for its columns; none: all objects.")] | None
    ) = None


class Query(parameters.Sql, kw_only=True):
    """Arguments of `query`."""

    limit: Limit = 100
    generation: Generation | None = None


class Bars(parameters.Bars, kw_only=True):
    """Arguments of `bars`."""

    limit: Limit = 100
    generation: Generation | None = None


class Indicators(parameters.Indicators, kw_only=True):
    """Arguments of `indicators`."""

    symbol: Symbol
    limit: Limit = 100
    generation: Generation | None = None


class Checks(parameters.Query, kw_only=True):
    """Arguments of `checks`."""

    generation: Generation | None = None


class Backtest(parameters.Backtest, kw_only=True):
    """Arguments of `backtest`; what they mean is checked as for the form of a run."""

    strategy: Annotated[str, Meta(max_length=100, description="A strategy that Stock Stream ships.")]
    params: Annotated[
        dict[str, Text | int | float | bool], Meta(description="Parameters of the strategy.", examples=[{"fast": 10}])
    ] = field(default_factory=dict)
    symbols: Annotated[Text, Meta(description="Symbols, with commas between them; none: all.")] | None = None
    start: parameters.Start | None = None
    end: parameters.End | None = None
    initial_capital: Annotated[float, Meta(gt=0, description="Money at the start.")] | None = None
    commission: Annotated[Text, Meta(description="As after `stockstream backtest --commission`.")] | None = None
    slippage: Annotated[Text, Meta(description="As after `stockstream backtest --slippage`.")] | None = None
    benchmark: Annotated[Text, Meta(description="One symbol.")] | None = None
    limit: Limit = 100
    generation: Generation | None = None

    def settings(self) -> dict[str, str]:
        """Return the settings of the run that are set, as the texts of the form."""
        names = ("symbols", "start", "end", "initial_capital", "commission", "slippage", "benchmark")
        values = {name: getattr(self, name) for name in names}
        return {name: _text(value) for name, value in values.items() if value is not None}

    def texts(self) -> dict[str, str]:
        """Return the parameters of the strategy as the texts of the form."""
        return {name: _text(value) for name, value in self.params.items()}


def _text(value: str | int | float | bool | date) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
