"""The state of an account after a session: a sealed JSON document that says by itself what it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from stockstream.analytics.backtest.engine import Records
from stockstream.analytics.backtest.model import Order
from stockstream.analytics.paper.account import FORMAT, Account
from stockstream.analytics.paper.changes import Change, change_between, changed
from stockstream.pipeline.errors import LakeError, NewerFormat
from stockstream.pipeline.sealing import is_sealed, seal, unseal

ADVICE = "restore it from a backup, or start another account"
WHOLE_EVERY = 64
"""Sessions from a state with the whole state of the engine to the next; the others have what has changed."""


class Fill(BaseModel):
    """A full or partial fill of a session."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbol: str
    quantity: float
    price: float
    commission: float
    kind: str
    order: int


class OpenOrder(BaseModel):
    """An order for the next session."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int
    symbol: str
    quantity: float
    """Shares still to fill, negative to sell."""
    kind: str
    text: str
    """In words."""


class State(BaseModel):
    """An account after a session."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    account: Account
    session: date
    number: int
    """Of the session in the life of the account, from 1."""
    previous: date | None
    """The session before, None for the first one."""
    previous_sha256: str | None
    """Of the object of the session before."""
    generation: int
    """The generation of the lake that the bars of the session come from."""
    stepped_at: str
    program: str
    inputs: dict[str, str]
    """A checksum per symbol of what the account received of the session: prices, actions, the strategy's columns."""
    inputs_sha256: str
    """Of the inputs of all sessions so far: that of the session before, and these."""
    equity: float
    cash: float
    fills: tuple[Fill, ...]
    orders: tuple[OpenOrder, ...]
    engine: dict[str, Any] | None = None
    """The state of the engine, every `WHOLE_EVERY` sessions."""
    changes: Change | None = None
    """The changes of the engine's state since the session before; see `changes.py`."""

    def engine_after(self, before: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the state of the engine; `before` is that of the session before.

        Raises:
            KeyError, IndexError, TypeError: the changes are those of another state.
        """
        engine: dict[str, Any] = self.engine if self.engine is not None else changed(before, self.changes)
        return engine


def next_state(
    last: State | None,
    last_sha256: str | None,
    engine_before: Mapping[str, Any] | None,
    engine: Mapping[str, Any],
    records: Records,
    *,
    account: Account,
    inputs: Mapping[str, str],
    generation: int,
    now: datetime,
    program: str,
) -> State:
    """Return the state after the last session of `records`; `last` is the one before."""
    session, number = records.dates[-1], last.number + 1 if last else 1
    is_whole = number % WHOLE_EVERY == 1
    return State(
        format=FORMAT,
        account=account,
        session=session,
        number=number,
        previous=last.session if last else None,
        previous_sha256=last_sha256,
        generation=generation,
        stepped_at=now.isoformat(timespec="seconds"),
        program=program,
        inputs=dict(inputs),
        inputs_sha256=digest(last.inputs_sha256 if last else "", inputs),
        equity=records.equity[-1],
        cash=records.cash,
        fills=tuple(
            Fill(
                symbol=one.symbol,
                quantity=one.quantity,
                price=one.price,
                commission=one.commission,
                kind=one.kind,
                order=one.order,
            )
            for one in fills_of(records, session)
        ),
        orders=tuple(
            OpenOrder(id=one.id, symbol=one.symbol, quantity=one.remaining, kind=one.kind, text=order_text(one))
            for one in records.orders
        ),
        engine=dict(engine) if is_whole else None,
        changes=None if is_whole else change_between(engine_before, engine),
    )


def fills_of(records: Records, session: date) -> Sequence[Any]:
    """Return the fills of the newest session, which are the last ones."""
    first = len(records.transactions)
    while first and records.transactions[first - 1].date == session:
        first -= 1
    return records.transactions[first:]


def digest(before: str, inputs: Mapping[str, str]) -> str:
    """Return the SHA-256 of the inputs of a session and of those before."""
    text = "".join(f" {symbol}={checksum}" for symbol, checksum in inputs.items())
    return hashlib.sha256(f"{before}{text}".encode()).hexdigest()


def order_text(order: Order) -> str:
    """Return an order in words: `buy 100 AAPL at most at 25.5, stop-loss 24, for one session`."""
    verb = "buy" if order.remaining > 0 else "sell"
    parts = [f"{verb} {abs(order.remaining):,g} {order.symbol} {_price(order)}"]
    for name, value in (("stop-loss", order.stop_loss), ("take-profit", order.take_profit)):
        parts += [f"{name} {value:,.10g}"] if value is not None else []
    if order.exit_trail is not None:
        parts.append(f"trailing stop-loss {_distance(order.exit_trail, order.exit_trail_is_share)}")
    parts += ["for one session"] if order.day else []
    parts += [order.reason] if order.reason else []
    return ", ".join(parts)


def _price(order: Order) -> str:
    if order.trail is not None:
        return f"at a stop that trails by {_distance(order.trail, order.trail_is_share)}"
    side = "most" if order.remaining > 0 else "least"
    limit = f"at {side} at {order.limit:,.10g}" if order.limit is not None else ""
    if order.stop is not None:
        return " ".join(filter(None, (f"at the stop {order.stop:,.10g}", limit)))
    return limit or "at the market"


def _distance(distance: float, is_share: bool) -> str:
    return f"{100 * distance:,.10g}%" if is_share else f"{distance:,.10g}"


Document = TypeVar("Document", bound=BaseModel)


def encode(document: BaseModel) -> bytes:
    """Return a document as sealed JSON; floats keep every bit."""
    values = document.model_dump(mode="json")
    return seal(json.dumps(values, allow_nan=False, separators=(",", ":")).encode())


def decode(kind: type[Document], data: bytes, uri: str, advice: str = ADVICE) -> Document:
    """Return a document of a lake; `advice` is what to do if it is damaged.

    Raises:
        NewerFormat: a newer version of this program has written it.
        LakeError: it is damaged.
    """
    document = unseal(data)
    try:
        if document is None or not is_sealed(data):
            raise ValueError("its text does not have the checksum that it begins with")
        values = json.loads(document)
        number = values.get("format") if isinstance(values, dict) else None
        if isinstance(number, int) and number > FORMAT:
            raise NewerFormat(
                f"{uri} was written by a newer Stock Stream (format {number}; this one reads up to {FORMAT}): upgrade "
                "stock-stream"
            )
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except ValueError as error:
        reason = str(error)
    raise LakeError(f"{uri} is damaged ({reason}): {advice}")
