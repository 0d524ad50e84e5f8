"""Exports a result in the layout that pyfolio and quantstats read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stockstream.analytics.backtest.model import Result
from stockstream.analytics.backtest.stats import series
from stockstream.sql.errors import LakeError, UsageError

if TYPE_CHECKING:
    import pandas as pd


class PyfolioFrames(NamedTuple):
    """The inputs of `pyfolio.create_full_tear_sheet`; `quantstats.reports` reads `returns` and `benchmark`.

    Their index is the session, without a time zone.
    """

    returns: pd.Series
    """Simple return per session, a fraction; 0 for the first one."""
    positions: pd.DataFrame
    """Value per symbol at the close in money, negative if short, and `cash`."""
    transactions: pd.DataFrame
    """`amount` (shares, negative if sold), `price` (slippage included) and `symbol` per fill, as traded."""
    benchmark: pd.Series | None
    """Simple return of the benchmark per session; None without one."""


def pyfolio_frames(result: Result) -> PyfolioFrames:
    """Return the frames of a result.

    Raises:
        UsageError: the result has no holdings, or no session.
    """
    import pandas as pd

    if result.history is None or not result.curve.dates:
        raise UsageError("an export needs the holdings of at least one session: run backtest(…, with_history=True)")
    curve = result.curve
    index = pd.DatetimeIndex(curve.dates, name="date")
    fills = result.transactions
    benchmark = None
    if curve.benchmark is not None:
        benchmark = pd.Series(np.r_[0.0, series.returns(curve.benchmark)], index, name="benchmark")
    return PyfolioFrames(
        returns=pd.Series(np.r_[0.0, series.returns(curve.equity)], index, name="returns"),
        positions=pd.DataFrame({**result.history.holdings, "cash": curve.cash}, index),
        transactions=pd.DataFrame(
            {
                "amount": [fill.quantity for fill in fills],
                "price": [fill.price for fill in fills],
                "symbol": [fill.symbol for fill in fills],
            },
            pd.DatetimeIndex([fill.date for fill in fills], name="date"),
        ),
        benchmark=benchmark,
    )


def write_pyfolio(result: Result, folder: Path) -> list[Path]:
    """Write returns.csv, positions.csv, transactions.csv and, if there is one, benchmark.csv; return their paths.

    Raises:
        UsageError: as in `pyfolio_frames`.
        LakeError: the folder is not writable.
    """
    frames = pyfolio_frames(result)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for name, frame in frames._asdict().items():
            if frame is not None:
                paths.append(folder / f"{name}.csv")
                frame.to_csv(paths[-1], lineterminator="\n")
        return paths
    except OSError as error:
        raise LakeError(f"cannot write to {folder}: {error.strerror or error}") from None
