"""The result of a backtest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stockstream.analytics.backtest.model.orders import Order
from stockstream.analytics.backtest.model.portfolio import ClosedPosition, OpenPosition, Transaction

if TYPE_CHECKING:  # the model is imported by every command, numpy only by runs
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from stockstream.analytics.plot import Chart


@dataclass(frozen=True)
class Curve:
    """The account at the close of each session: money, one value per session."""

    dates: list[date]
    equity: NDArray[np.float64]
    cash: NDArray[np.float64]
    long: NDArray[np.float64]
    """Market value of long positions."""
    short: NDArray[np.float64]
    """Market value of short positions, negative."""
    benchmark: NDArray[np.float64] | None = None
    """The benchmark's close, dividends reinvested; NaN before its first bar."""


class LedgerEntry(NamedTuple):
    """A change of the cash. The amounts add up to the cash."""

    date: date
    symbol: str | None
    """None for what concerns the whole account: initial capital, borrow fee, interest."""
    kind: str
    """initial capital, buy, sell, dividend, split (a fraction of a share), delisted, borrow fee or interest."""
    quantity: float
    """Shares: those bought (negative: sold), or those on which a dividend is paid."""
    price: float
    """Money per share."""
    commission: float
    """Money, contained in `amount`."""
    amount: float
    """Change of the cash, negative if paid."""
    cash: float
    """Cash after the change."""


class Movement(NamedTuple):
    """A change of the shares of a position: a fill, a conversion into cash without a fill, or a split."""

    date: date
    symbol: str
    quantity: float
    """Shares added, negative if taken away; 0 for a split."""
    price: float
    commission: float
    ratio: float = 1.0
    """Shares after a split per share before; 1 if it is none."""


@dataclass(frozen=True)
class Costs:
    """Total costs in money."""

    commission: float
    slippage: float
    borrow: float
    """Borrow fees on short positions."""
    interest: float
    """Interest on negative cash."""


@dataclass(frozen=True)
class Note:
    """An event to report to the user: a rejected order, a delisting, a margin call."""

    date: date
    symbol: str | None
    text: str


@dataclass(frozen=True)
class Bars:
    """The bars of a symbol for a chart: one value per session of the run, NaN where the symbol has no bar.

    Prices are adjusted for the splits up to the end of the run, so that a split does not look like a fall.
    """

    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    overlays: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """The strategy's columns that are prices, on the scale of the bars."""
    panes: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Its other columns, such as an RSI or a volume."""


class Excursion(NamedTuple):
    """How far the price of a closed trade went against it and for it, from its mean entry price.

    The bar of the entry counts as a whole, unless orders fill at the close. Of the bar of the exit, only the exit's
    price counts, unless it is at the close. Source: J. Sweeney, Maximum Adverse Excursion, 1997.
    """

    adverse: float
    """Maximum adverse excursion (MAE): a fraction of the entry price, ≤ 0."""
    favourable: float
    """Maximum favourable excursion (MFE): a fraction of the entry price, ≥ 0."""


@dataclass(frozen=True)
class History:
    """The bars of a run beside its account, see `runs.backtest(with_history=True)`."""

    holdings: Mapping[str, NDArray[np.float64]]
    """Value per traded symbol in money at the close, one per session of the run; negative if short, 0 if none."""
    excursions: list[Excursion | None]
    """One per closed trade; None if its symbol has no bar in its days."""
    bars: Mapping[str, Bars]
    """The bars of the symbols with the largest profits and losses."""


@dataclass(frozen=True, repr=False)
class Result:
    """The result of a backtest; `stats.summary` documents the `metrics`."""

    setup: Mapping[str, Any]
    """The run's settings as JSON values: strategy, parameters, symbols, dates, account, costs."""
    provenance: Mapping[str, Any]
    """The inputs: versions of the indicators' SQL, the lake's generation, versions of packages."""
    curve: Curve
    closed_positions: list[ClosedPosition]
    open_positions: list[OpenPosition]
    transactions: list[Transaction]
    costs: Costs
    notes: list[Note]
    metrics: Mapping[str, float | None]
    error: str | None = None
    """Why the run ended early; None if it did not."""
    history: History | None = None
    """Holdings, excursions and bars; None if they were not asked for."""
    orders: list[Order] = field(default_factory=list)
    """All orders in the order of their ids: filled, cancelled, expired, rejected and still open."""
    ledger: list[LedgerEntry] = field(default_factory=list)
    """Every change of the cash, in order: fills, dividends, delistings, borrow fees, …"""
    transfers: list[Movement] = field(default_factory=list)
    """Changes of positions that move no cash: splits, and changes of their symbol's code, at the last close."""

    @property
    def trades(self) -> pl.DataFrame:
        """The closed trades as a frame: the fields of `ClosedPosition`; with a history also MAE and MFE."""
        from stockstream.analytics.results import trades  # a view for people, above the layers of the backtester

        return trades(self)

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one page that needs no network, and return its path; see `report.render`.

        Raises:
            ArgumentError: the path does not end with `.html`.
            LakeError: the file cannot be written.
        """
        from stockstream.analytics.results import to_html

        return to_html(self, path)

    def plot(self, symbol: str | None = None) -> Chart:
        """Return a chart of the account, or of a symbol's bars with its trades and the strategy's columns.

        Raises:
            UsageError: the result has no bars of the symbol (see `backtest(with_history=True)`), the run had no
                session, or the extra `plot` is not installed.
        """
        from stockstream.analytics.results import plot

        return plot(self, symbol)

    def __repr__(self) -> str:
        days = f"{self.curve.dates[0]} to {self.curve.dates[-1]}" if self.curve.dates else "no session"
        state = f"ended early: {self.error}" if self.error else f"{len(self.closed_positions)} closed trades"
        return f"<Result of {self.setup.get('strategy')}, {days}, {state}>"

    def _repr_html_(self) -> str:
        from stockstream.analytics.results import card

        return card(self)

    @property
    def movements(self) -> list[Movement]:
        """All changes of positions: fills, transfers, and conversions into cash, as of a delisting.

        They are in their order; the transfers of a day come before its session.
        """
        changes = [
            Movement(entry.date, entry.symbol, entry.quantity, entry.price, entry.commission)
            for entry in self.ledger
            if entry.symbol is not None and entry.kind != "dividend"
        ]
        return sorted([*self.transfers, *changes], key=lambda move: move.date)
