"""An account's objects in the lake: written once, each by a conditional put, and verified before they are believed.

`paper/NAME/account.json` is the account, `paper/NAME/SESSION.json` its state after a session, `paper/NAME/stopped.json`
says that it has been stopped. `state/paper/NAME.json` is no part of the account: each step replaces it by its report.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from stockstream.analytics.paper.account import FORMAT, Account, check_name
from stockstream.analytics.paper.report import Report
from stockstream.analytics.paper.states import State, decode, encode
from stockstream.pipeline.errors import Conflict, LakeError, UsageError
from stockstream.pipeline.lake import PAPER, Lake, paper_key, report_key
from stockstream.sql.errors import did_you_mean

ACCOUNT, STOPPED = "account.json", "stopped.json"
_SESSION = re.compile(r"(\d{4}-\d{2}-\d{2})\.json")
ADVICE = (
    "restore it from a backup, or delete the states from that session on: the next step computes them again, from the "
    "bars as they are now"
)
THREADS = 16
"""Objects that are read at a time."""


class Stop(BaseModel):
    """That an account has been stopped."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    stopped_at: str
    session: date | None
    """The last session of the account then."""


@dataclass(frozen=True)
class Position:
    """Where an account is: its last state, and the engine's state after it."""

    account: Account
    sessions: Sequence[date]
    state: State | None
    """None: the account has no session yet."""
    sha256: str | None
    """Of the object of the state."""
    engine: Mapping[str, Any] | None


def account_names(lake: Lake) -> list[str]:
    """Return the names of the accounts of a lake, sorted.

    Raises:
        LakeError: the lake cannot be listed.
    """
    return sorted({key.split("/")[1] for key in lake.store.list(PAPER) if key.count("/") > 1})


def ledger_of(lake: Lake, name: str) -> Ledger:
    """Return the ledger of an account.

    Raises:
        UsageError: there is none of this name.
    """
    names = account_names(lake)
    if name not in names:
        others = f": there are {', '.join(names)}" if names else ": `stockstream paper start` starts one"
        raise UsageError(f"{lake.uri} has no paper account {name}{others}{did_you_mean(name, names)}")
    return Ledger(lake, name)


class Ledger:
    """The objects of one account."""

    def __init__(self, lake: Lake, name: str) -> None:
        check_name(name)
        self._lake, self.name = lake, name

    def create(self, account: Account) -> None:
        """Store a new account.

        Raises:
            UsageError: there is one of this name already.
            LakeError: the lake cannot be written.
        """
        try:
            self._lake.store.put(self._key(ACCOUNT), encode(account), replaces=None)
        except Conflict:
            raise UsageError(
                f"{self._lake.uri} has a paper account {self.name} already: choose another name, as no account is ever "
                "overwritten"
            ) from None

    def append(self, state: State) -> str:
        """Store the state of a session; return the SHA-256 of the object.

        Raises:
            Conflict: another process has stored this session.
            LakeError: the lake cannot be written.
        """
        data = encode(state)
        self._lake.store.put(self._key(f"{state.session}.json"), data, replaces=None)
        return hashlib.sha256(data).hexdigest()

    def account(self) -> Account:
        """Return the account.

        Raises:
            LakeError: it is damaged or gone, or has the name of another account.
        """
        account: Account | None = self._read(ACCOUNT, Account)
        if account is None:
            raise LakeError(f"{self._uri(ACCOUNT)} is gone: restore it from a backup, or start another account")
        if account.name != self.name:
            raise LakeError(f"{self._uri(ACCOUNT)} is that of the account {account.name}: an account cannot be renamed")
        return account

    def sessions(self) -> list[date]:
        """Return the sessions that have a state, in order.

        Raises:
            LakeError: the account has an object that is none of its own.
        """
        prefix = paper_key(self.name, "")
        names = {key.removeprefix(prefix) for key in self._lake.store.list(prefix)} - {ACCOUNT, STOPPED}
        sessions = []
        for name in sorted(names):
            match = _SESSION.fullmatch(name)
            try:
                sessions.append(date.fromisoformat(match[1] if match else ""))
            except ValueError:
                raise LakeError(f"{self._uri(name)} is no object of a paper account: move it elsewhere") from None
        return sessions

    def read(self) -> Position:
        """Return where the account is, after its states since the last whole one have been verified.

        Raises:
            LakeError: an object is damaged, gone, or that of another account or session, or the market is another one.
        """
        account, sessions = self.account(), self.sessions()
        market = self._lake.market()
        if market is None or market.name != account.market:
            of = "no market" if market is None else f"the market {market.name}"
            raise LakeError(f"{self._uri(ACCOUNT)} is of the market {account.market}, and the lake is of {of}")
        if not sessions:
            return Position(account, (), None, None, None)
        chain: list[tuple[State, str]] = []
        for session in reversed(sessions):
            state, sha256 = self._state(account, session)
            if chain:
                self._check_link(state, sha256, chain[-1][0])
            chain.append((state, sha256))
            if state.engine is not None:
                break
        chain.reverse()
        first, _ = chain[0]
        if first.engine is None or first.number - 1 != len(sessions) - len(chain):
            self._name_gap(account, sessions)
        engine: Mapping[str, Any] | None = None
        for state, _ in chain:
            try:
                engine = state.engine_after(engine)
            except (KeyError, IndexError, TypeError, AttributeError):
                raise self._damaged(state.session, "its changes are those of another state") from None
        state, sha256 = chain[-1]
        return Position(account, sessions, state, sha256, engine)

    def states(self, sessions: Iterable[date]) -> Iterator[State]:
        """Yield the states of sessions, in order.

        Raises:
            LakeError: one is damaged or gone.
        """
        account = self.account()
        with ThreadPoolExecutor(THREADS) as pool:
            yield from (state for state, _ in pool.map(lambda session: self._state(account, session), sessions))

    def stop(self, last: date | None) -> Stop:
        """Store that the account has been stopped; return it, also if it had been before.

        Raises:
            LakeError: the lake cannot be written.
        """
        stop = Stop(stopped_at=datetime.now(UTC).isoformat(timespec="seconds"), session=last)
        try:
            self._lake.store.put(self._key(STOPPED), encode(stop), replaces=None)
        except Conflict:
            return self.stopped() or stop
        return stop

    def stopped(self) -> Stop | None:
        """Return that the account has been stopped; None if it has not been.

        Raises:
            LakeError: the object is damaged.
        """
        stop: Stop | None = self._read(STOPPED, Stop)
        return stop

    def store_report(self, report: Report) -> None:
        """Replace the report of the last step.

        Raises:
            LakeError: the lake cannot be written.
        """
        self._lake.update(report_key(self.name), lambda _: encode(report))

    def report(self) -> Report | None:
        """Return the report of the last step; None if there is none, or it is damaged: the next step makes it again.

        Raises:
            LakeError: the lake cannot be read.
        """
        stored = self._lake.store.get(report_key(self.name))
        try:
            return None if stored is None else decode(Report, stored.data, self._lake.store.uri(report_key(self.name)))
        except LakeError:
            return None

    def _state(self, account: Account, session: date) -> tuple[State, str]:
        """Return the state of a session, and the SHA-256 of its object."""
        name = f"{session}.json"
        stored = self._lake.store.get(self._key(name))
        if stored is None:
            raise LakeError(f"{self._uri(name)} is gone: {ADVICE}")
        state = decode(State, stored.data, self._uri(name), ADVICE)
        if state.account != account:
            raise self._damaged(session, f"it is that of another account, {state.account.name}")
        if state.session != session:
            raise self._damaged(session, f"it is that of the session {state.session}")
        return state, hashlib.sha256(stored.data).hexdigest()

    def _check_link(self, state: State, sha256: str, after: State) -> None:
        """Check that a state is the one that the state after it goes on from."""
        assert after.previous is not None or after.number == 1
        if after.previous != state.session:
            raise self._gap(after)
        if after.previous_sha256 != sha256:
            raise self._damaged(state.session, f"{after.session}.json goes on from another state of that session")

    def _name_gap(self, account: Account, sessions: Sequence[date]) -> None:
        """Raise the error of the newest session whose predecessor is gone."""
        present = {*sessions}
        for session in reversed(sessions):
            state, _ = self._state(account, session)
            if state.previous is not None and state.previous not in present:
                raise self._gap(state)
        raise self._damaged(sessions[0], "the numbers of the account's sessions are not those of its states")

    def _gap(self, after: State) -> LakeError:
        return LakeError(f"{self._uri(f'{after.previous}.json')} is gone, the session before {after.session}: {ADVICE}")

    def _damaged(self, session: date, reason: str) -> LakeError:
        return LakeError(f"{self._uri(f'{session}.json')} is damaged ({reason}): {ADVICE}")

    def _read(self, name: str, kind: type[Any]) -> Any:
        stored = self._lake.store.get(self._key(name))
        return None if stored is None else decode(kind, stored.data, self._uri(name))

    def _key(self, name: str) -> str:
        return paper_key(self.name, name)

    def _uri(self, name: str) -> str:
        return self._lake.store.uri(self._key(name))
