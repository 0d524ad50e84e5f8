"""The alerts of a session so far: which rule has alerted about which symbol, and what has been delivered.

`live/SESSION/alerts/NNNNNN.json`: each change is a new object with the next number, put only if there is none, as the
live bars are saved (`pipeline/live/state.py`). A process alerts about what it has put itself: of two processes that
find the same alert, one puts it, and the other reads it and stays silent. So does a stream that replays events after a
kill.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.errors import Conflict, LakeError
from stockstream.pipeline.lake import Lake, live_key

FOLDER = "alerts/"
"""Below the session's folder."""
KEPT = timedelta(seconds=30)
"""Age up to which replaced objects are kept, for other processes that have listed them."""
ATTEMPTS = 20
FORMAT = 1


@dataclass
class Remembered:
    """An alert, and the time of its delivery (ISO 8601, UTC) per channel that has it."""

    alert: Alert
    delivered: dict[str, str] = field(default_factory=dict)

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The channels that it has not been delivered to."""
        return tuple(name for name in self.alert.channels if name not in self.delivered)


@dataclass
class _Saved:
    session: str
    alerts: list[Remembered]
    format: int = FORMAT


class AlertMemory:
    """The alerts of a session in a lake. All methods may be called from any thread."""

    def __init__(self, lake: Lake, session: str, *, deletes: bool = True) -> None:
        """Prepare the memory. Without `deletes`, replaced objects stay, for a process that has no right to delete."""
        self._store, self._session, self._deletes = lake.store, session, deletes
        self._prefix = live_key(session, FOLDER)
        self._lock = threading.Lock()
        self._number = 0
        self._alerts: list[Remembered] = []

    def load(self) -> None:
        """Read what has been remembered.

        Raises:
            LakeError: it cannot be read, or a newer version of this program has written it.
        """
        with self._lock:
            self._load()

    @property
    def alerts(self) -> list[Remembered]:
        """All alerts of the session, the oldest first."""
        with self._lock:
            return list(self._alerts)

    @property
    def keys(self) -> set[tuple[str, str]]:
        """The rule and the symbol of each alert."""
        return {(one.alert.rule, one.alert.symbol) for one in self.alerts}

    @property
    def undelivered(self) -> list[Remembered]:
        """The alerts that a channel has not got: after a kill, they are delivered again."""
        return [one for one in self.alerts if one.waits_for]

    def add(self, alerts: Iterable[Alert], cooldowns: Mapping[str, timedelta | None]) -> list[Alert]:
        """Remember new alerts and return them; those of rules that have alerted about their symbol are left out.

        `cooldowns` has, per rule, the time by the clock of the events after which it alerts about a symbol again; None:
        not in this session.

        Raises:
            LakeError: the lake cannot be read or written; no alert is remembered.
        """
        listed = list(alerts)
        with self._lock:
            for _ in range(ATTEMPTS):
                new = _new(listed, self._alerts, cooldowns)
                if not new or self._put([*self._alerts, *(Remembered(alert) for alert in new)]):
                    return new
                self._load()
        raise LakeError(f"{self._store.uri(self._prefix)} is written by other processes all the time")

    def mark_delivered(self, identities: Collection[str], channel: str, at: str) -> None:
        """Remember that a channel has alerts, by their `Alert.identity`.

        Raises:
            LakeError: the lake cannot be read or written.
        """
        with self._lock:
            for _ in range(ATTEMPTS):
                changed = [
                    Remembered(one.alert, {**one.delivered, channel: at})
                    if one.alert.identity in identities and channel not in one.delivered
                    else one
                    for one in self._alerts
                ]
                if changed == self._alerts or self._put(changed):
                    return
                self._load()
        raise LakeError(f"{self._store.uri(self._prefix)} is written by other processes all the time")

    def _put(self, alerts: list[Remembered]) -> bool:
        """Save a new state; return whether no other process has saved one since the last that was read."""
        key = f"{self._prefix}{self._number + 1:06d}.json"
        try:
            self._store.put(key, msgspec.json.encode(_Saved(self._session, alerts)), replaces=None)
        except Conflict:
            return False
        self._number += 1
        self._alerts = alerts
        if not self._deletes:
            return True
        old = [name for name, item in self._store.list(self._prefix).items() if item.age > KEPT and name < key]
        self._store.delete(old)
        return True

    def _load(self) -> None:
        for _ in range(ATTEMPTS):
            keys = sorted(key for key in self._store.list(self._prefix) if _number(key, self._prefix))
            if not keys:
                self._number, self._alerts = 0, []
                return
            stored = self._store.get(keys[-1])
            if stored is None:
                continue  # replaced, and deleted after a long pause of this process
            self._number = _number(keys[-1], self._prefix)
            self._alerts = _decode(stored.data, self._store.uri(keys[-1]))
            return
        raise LakeError(f"{self._store.uri(self._prefix)} is written by other processes all the time")


def _decode(data: bytes, uri: str) -> list[Remembered]:
    try:
        saved = msgspec.json.decode(data, type=_Saved)
    except msgspec.DecodeError as error:
        advice = "delete it: then the alerts before it are the memory, or none, and alerts may come twice"
        raise LakeError(f"{uri} is damaged ({error}): {advice}") from None
    if saved.format != FORMAT:
        raise LakeError(f"{uri} has format {saved.format}, which this version does not know")
    return saved.alerts


def _number(key: str, prefix: str) -> int:
    number = key.removeprefix(prefix).removesuffix(".json")
    return int(number) if number.isdecimal() else 0


def _new(
    alerts: Iterable[Alert], remembered: Iterable[Remembered], cooldowns: Mapping[str, timedelta | None]
) -> list[Alert]:
    """Return the alerts that are due: the first of a key, and those after the cooldown since the last of their key."""
    last = {one.alert.key: one.alert.at for one in remembered}
    new = []
    for alert in alerts:
        before, cooldown = last.get(alert.key), cooldowns.get(alert.rule)
        if before is None or (cooldown and _time(alert.at) >= _time(before) + cooldown):
            last[alert.key] = alert.at
            new.append(alert)
    return new


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
