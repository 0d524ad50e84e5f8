"""What a person does with the result of a backtest: its trades as a frame, its report, charts, a card in a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stockstream.analytics.backtest.model import Result
from stockstream.analytics.backtest.report import render, render_card, trade_rows
from stockstream.analytics.plot.panels import PRICES, Panels, trades_of
from stockstream.sql.errors import ArgumentError, LakeError, UsageError, did_you_mean
from stockstream.sql.session.whole_files import write_whole

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from stockstream.analytics.plot import Chart


def trades(result: Result) -> pl.DataFrame:
    """Return the closed trades as a frame, one row per trade."""
    import polars as pl

    kinds = {"BIGINT": pl.Int64, "BOOLEAN": pl.Boolean, "DATE": pl.Date, "DOUBLE": pl.Float64, "VARCHAR": pl.String}
    rows, types = trade_rows(result)
    return pl.DataFrame(rows, schema={name: kinds[kind] for name, kind in types.items()})


def to_html(result: Result, path: str | Path) -> Path:
    """Write the report of a result as one page, and return its path.

    Raises:
        ArgumentError: the path does not end with `.html`.
        LakeError: the file cannot be written.
    """
    if not isinstance(path, str | Path) or Path(path).suffix.lower() != ".html":
        raise ArgumentError(f"path: {path!r}: write a name that ends with .html")
    target = Path(path)
    try:
        write_whole(target, render(result))
    except OSError as error:
        raise LakeError(f"cannot write {target}: {error.strerror or error}") from None
    return target


def card(result: Result) -> str:
    """Return the headline figures of a result as a piece of HTML."""
    return render_card(result)


def plot(result: Result, symbol: str | None = None) -> Chart:
    """Return a chart of the account of a result, or of the bars and trades of a symbol.

    Raises:
        UsageError: the result has no bars of the symbol, the run had no session, or altair is not installed.
    """
    from stockstream.analytics.plot.accounts import account
    from stockstream.analytics.plot.candlesticks import drawn

    return account(result) if symbol is None else drawn(_panels(result, symbol))


def _panels(result: Result, symbol: str) -> Panels:
    """Return what the chart of a symbol shows: the bars that the run traded on, without sessions without a bar."""
    if result.history is None:
        raise UsageError(
            "the result has no bars: run backtest(…, with_history=True), or draw plot.candles(symbol, trades=result)"
        )
    if (bars := result.history.bars.get(symbol)) is None:
        hint = did_you_mean(symbol, result.history.bars)
        raise UsageError(f"symbol: the result has no bars of {symbol}: it has those of the symbols it traded{hint}")
    at = [number for number, close in enumerate(bars.close.tolist()) if close == close]
    days = [result.curve.dates[number] for number in at]

    def column(values: NDArray[np.float64]) -> list[float | None]:
        listed = values.tolist()
        return [None if listed[number] != listed[number] else listed[number] for number in at]

    return Panels(
        title=symbol,
        subtitle=f"{result.setup.get('strategy')}, shares as of the end of the run, {days[0]} to {days[-1]}",
        days=days,
        bars={name: column(getattr(bars, name)) for name in PRICES},
        overlays={name: column(values) for name, values in bars.overlays.items()},
        panes={name: {name: column(values)} for name, values in bars.panes.items()},
        splits={move.date: move.ratio for move in result.transfers if move.symbol == symbol and move.ratio != 1},
        dividends={
            entry.date: entry.price for entry in result.ledger if entry.symbol == symbol and entry.kind == "dividend"
        },
        trades=trades_of(result, symbol),
    )
