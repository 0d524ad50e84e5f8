"""The value of an account at the live bars of a session that has no published bar yet. It changes no state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from stockstream.analytics.backtest.engine import Records
from stockstream.pipeline.lake import LIVE, Lake, no_files
from stockstream.sql.session import explained


@dataclass(frozen=True)
class LiveMark:
    """An account at live bars."""

    session: date
    equity: float
    at: datetime
    """The newest event of a position, UTC."""
    symbols: int
    """Positions with a live bar; the others are at their last close."""
    of: int
    """Positions."""


def mark(lake: Lake, records: Records, session: date) -> LiveMark | None:
    """Return the value at the live bars of the newest session after `session`; None without one of a position.

    An account keeps its shares until a split is published, so that they are multiplied by the ratio of the live bar.

    Raises:
        LakeError: the lake cannot be read.
    """
    sessions = {key.split("/")[1] for key in lake.store.list(LIVE)}
    if not records.positions or not any(name > str(session) for name in sessions):
        return None
    with explained(lake.uri), lake.session(no_files, "views/live") as con:
        rows = con.execute(
            "SELECT symbol, session, close, split_ratio, live.at FROM live WHERE session > $session "
            "QUALIFY session = max(session) OVER ()",
            {"session": session},
        ).fetchall()
    bars = {symbol: (close, ratio or 1.0, at) for symbol, _, close, ratio, at in rows if close is not None}
    held = [position for position in records.positions if position.symbol in bars]
    if not held:
        return None
    equity = records.cash
    for position in records.positions:
        if position.symbol in bars:
            close, ratio, _ = bars[position.symbol]
            equity += position.quantity * records.shares.get(position.symbol, 1.0) * ratio * close
        else:
            equity += position.value
    newest: date = rows[0][1]
    return LiveMark(newest, equity, max(bars[one.symbol][2] for one in held), len(held), len(records.positions))
