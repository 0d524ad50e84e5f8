"""The orders for the next session as alerts, in the record from which alerts are delivered: to people, to no broker."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from stockstream.analytics.paper.states import OpenOrder, State
from stockstream.pipeline.alerts.channels import is_one_configured
from stockstream.pipeline.alerts.model import PAPER, Alert
from stockstream.pipeline.lake import Lake
from stockstream.sql.extras import require

CHANNELS = ("webhook", "email", "sns")
MAX_AGE = timedelta(days=7)
"""Age of a session after which its orders are no news, as when an account starts in the past."""


def record_orders(lake: Lake, states: Iterable[State], now: datetime) -> int:
    """Remember the orders of accounts for the next session, one alert per account and symbol; return how many are new.

    Nothing is remembered if no channel is configured. The step `send_alerts` and `stockstream alerts send` deliver.

    Raises:
        UsageError: a channel is configured, and the package of the record is not installed.
        LakeError: the record cannot be read or written.
    """
    recent = [state for state in states if state.orders and now.date() - state.session <= MAX_AGE]
    if not recent or not is_one_configured():
        return 0
    require("msgspec", by="alerting")
    from stockstream.pipeline.alerts.memory import AlertMemory  # with msgspec, only if there is a channel

    new = 0
    for session in sorted({state.session for state in recent}):
        memory = AlertMemory(lake, str(session), deletes=False)
        memory.load()
        alerts = [alert for state in recent if state.session == session for alert in _alerts(state, now)]
        new += len(memory.add(alerts, {}))
    return new


def _alerts(state: State, now: datetime) -> Iterable[Alert]:
    by_symbol: dict[str, list[OpenOrder]] = {}
    for order in state.orders:
        by_symbol.setdefault(order.symbol, []).append(order)
    for symbol, orders in by_symbol.items():
        yield Alert(
            rule=f"{PAPER}{state.account.name}",
            symbol=symbol,
            session=str(state.session),
            at=now.isoformat(timespec="milliseconds"),
            severity="info",
            value=None,
            message=f"paper account {state.account.name}, after {state.session}: "
            + "; ".join(order.text for order in orders),
            channels=CHANNELS,
        )
