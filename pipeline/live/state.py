"""The state of a session: its live bars and the position in the journal up to which they are folded.

`live/SESSION/bars/NNNNNN.json`: each save is a new object with the next number, put only if there is none. So readers
(the view `live`) see a whole state or the one before, and two processes cannot save the same session. Old states are
deleted when no query can still be opening them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from stockstream.pipeline.errors import Conflict, LakeError
from stockstream.pipeline.lake import LIVE, Lake, live_key
from stockstream.pipeline.live.bar import SCALE, Bar
from stockstream.pipeline.live.events import KINDS
from stockstream.pipeline.live.fold import Fold

KEPT = timedelta(seconds=30)
"""Age up to which replaced states are kept, for queries that have listed them."""
KEPT_SESSIONS = timedelta(days=10)
"""Age up to which the states of earlier sessions are kept, for days whose batch bars are late."""
_PER_TURN = 250
"""Bars of a snapshot after which other tasks get their turn."""


class Memory(msgspec.Struct):
    """What the fold remembers about a bar beside its columns: the fields of `Bar`, in types that JSON has."""

    name: str
    volume: int
    total: int | None
    outside: int
    day_open: float
    first: int
    closing: int
    last: int
    seen: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]+$")]
    ids: dict[str, int]
    position: Annotated[str, msgspec.Meta(pattern="^[0-9-]*$")]


class Columns(msgspec.Struct):
    """A live bar as others read it: the columns of the view `live`."""

    symbol: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    previous_close: float | None
    split_ratio: float
    change: float | None
    change_percent: float | None
    moving_average: float
    at: int
    missed: float | None
    late: int
    events: int


class Row(Columns):
    """A live bar in a state, with the memory of the fold."""

    memory: Memory


class State(msgspec.Struct):
    """A saved state."""

    session: str
    source: str
    """What the frames come from, as on the command line."""
    position: Annotated[str, msgspec.Meta(pattern="^[0-9]*$")]
    """Position of the newest frame that is folded."""
    kind: Literal["A", "AM", "T", "D"] | None
    """Type of the events in the bars; None before the first."""
    counts: dict[str, int]
    saved_at: str
    bars: list[Row]
    format: int = 1
    marks: dict[str, str] = msgspec.field(default_factory=dict)
    """Of a source that is a log itself: how far it has been read."""


def columns_of(bar: Bar) -> Columns:
    """Return the columns of a bar."""
    return Columns(
        symbol=bar.symbol,
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume / SCALE,
        previous_close=bar.previous_close,
        split_ratio=bar.split_ratio,
        change=bar.change,
        change_percent=bar.change_percent,
        moving_average=bar.moving_average,
        at=bar.at,
        missed=bar.missed,
        late=bar.late,
        events=bar.events,
    )


def row_of(name: str, bar: Bar) -> Row:
    """Return the row of a bar; `name` is the feed's name of the symbol."""
    memory = Memory(
        name=name,
        volume=bar.volume,
        total=bar.total,
        outside=bar.outside,
        day_open=bar.day_open,
        first=bar.first,
        closing=bar.closing,
        last=bar.last,
        seen=f"{bar.seen:x}",
        ids=bar.ids,
        position=bar.position,
    )
    return Row(
        bar.symbol,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume / SCALE,
        bar.previous_close,
        bar.split_ratio,
        bar.change,
        bar.change_percent,
        bar.moving_average,
        bar.at,
        bar.missed,
        bar.late,
        bar.events,
        memory,
    )


def bar_of(row: Row) -> Bar:
    """Return the bar of a row."""
    memory = row.memory
    return Bar(
        symbol=row.symbol,
        previous_close=row.previous_close,
        split_ratio=row.split_ratio,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=memory.volume,
        events=row.events,
        total=memory.total,
        outside=memory.outside,
        late=row.late,
        day_open=memory.day_open,
        first=memory.first,
        closing=memory.closing,
        at=row.at,
        last=memory.last,
        seen=int(memory.seen, 16),
        ids=memory.ids,
        position=memory.position,
    )


def state_of(fold: Fold, source: str, position: str) -> State:
    """Return the state of a fold, to be saved."""
    kind: Any = next((name for name, kind in KINDS.items() if kind is fold.kind), None)
    rows = [row_of(name, bar) for name, bar in fold.bars.items() if bar.position]
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return State(fold.session.date, source, position, kind, dict(fold.counts), now, rows)


async def snapshot(fold: Fold, source: str, position: str) -> State:
    """Return the state of a fold as `state_of` does, while the fold goes on: the loop is never held up for long.

    Bars that have changed meanwhile are as of a later position than the state. Each has its own, so that a process
    which continues from the state does not fold its records again.
    """
    state = state_of(Fold(fold.session, kind=fold.kind, counts=Counter(fold.counts)), source, position)
    encode = msgspec.json.Encoder().encode
    rows: list[Any] = []
    for number, (name, bar) in enumerate(list(fold.bars.items())):
        if bar.position:
            rows.append(msgspec.Raw(encode(row_of(name, bar))))
        if number % _PER_TURN == _PER_TURN - 1:
            await asyncio.sleep(0)
    state.bars = rows
    return state


def restore(fold: Fold, state: State) -> None:
    """Let a fold continue from a state."""
    fold.kind = KINDS[state.kind] if state.kind else None
    fold.counts = Counter(state.counts)
    fold.bars = {row.memory.name: bar_of(row) for row in state.bars}


class StateTable:
    """The saved states of a session in a lake."""

    def __init__(self, lake: Lake, session: str) -> None:
        self._store, self._session = lake.store, session
        self._prefix = live_key(session, "bars/")
        self._number = 0

    @property
    def number(self) -> int:
        """The number of the state that was loaded or saved last; 0: none."""
        return self._number

    def load(self, but: int = 0) -> State | None:
        """Return the newest state; None if there is none, or its number is `but`.

        Raises:
            LakeError: it cannot be read, or a newer version of this program has written it.
        """
        keys = self._keys()
        stored = self._store.get(keys[-1]) if keys and self._numbered(keys[-1]) != but else None
        if stored is None:
            return None
        self._number = self._numbered(keys[-1])
        try:
            state = msgspec.json.decode(stored.data, type=State)
            if state.session != self._session:
                raise ValueError(f"it is of {state.session}")
        except (msgspec.DecodeError, ValueError) as error:
            advice = "`stockstream stream --restart` begins the session again"
            raise LakeError(f"{self._store.uri(keys[-1])} is damaged ({error}): {advice}") from None
        if state.format != 1:
            raise LakeError(f"{self._store.uri(keys[-1])} has format {state.format}, which this version does not know")
        return state

    def save(self, state: State) -> str:
        """Save a state and return its key; states that no reader needs any more are deleted.

        Raises:
            LakeError: the lake cannot be written, or another process saves this session.
        """
        key = f"{self._prefix}{self._number + 1:06d}.json"
        try:
            self._store.put(key, msgspec.json.encode(state), replaces=None)
        except Conflict:
            raise LakeError(f"another process writes the session {self._session}: only one stream may do so") from None
        self._number += 1
        listed = {key: item for key, item in self._store.list(self._prefix).items() if self._numbered(key)}
        self._store.delete([one for one, item in listed.items() if item.age > KEPT and one != key])
        return key

    def discard(self, except_for: Collection[str] = ()) -> None:
        """Delete everything of the session, to begin it again, but what has one of these names or prefixes."""
        kept = tuple(live_key(self._session, name) for name in except_for)
        self._store.delete([key for key in self._store.list(live_key(self._session, "")) if not key.startswith(kept)])

    def _keys(self) -> list[str]:
        return [key for key in self._store.list(self._prefix) if self._numbered(key)]

    def _numbered(self, key: str) -> int:
        number = key.removeprefix(self._prefix).removesuffix(".json")
        return int(number) if number.isdecimal() else 0


def forget_old_sessions(lake: Lake) -> None:
    """Delete the live bars of sessions long ago, whose batch bars have taken their place."""
    listed = lake.store.list(LIVE)
    newest: dict[str, timedelta] = {}
    for key, item in listed.items():
        folder = key.split("/")[1]
        newest[folder] = min(item.age, newest.get(folder, item.age))
    lake.store.delete([key for key in listed if newest[key.split("/")[1]] > KEPT_SESSIONS])
