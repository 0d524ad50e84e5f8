"""Starts accounts, and lets them take their steps: one per published session, each saved before the next one begins.

All sessions that an account has not had yet are stepped on the newest generation, in order. An earlier generation is no
record of what was known on a day: most sessions of a lake come with its first run, and generations are deleted after a
week. So an account that starts in the past is the backtest of these days, and one that is stepped every day has in each
state the bars as they were published then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path

from duckdb import DuckDBPyConnection

from stockstream.analytics.backtest.engine import records_of
from stockstream.analytics.backtest.feed import SOURCE
from stockstream.analytics.backtest.runs import Run, Session
from stockstream.analytics.paper.account import Account, new_account
from stockstream.analytics.paper.comparison import compare
from stockstream.analytics.paper.ledger import Ledger, Position
from stockstream.analytics.paper.report import Comparison, Report
from stockstream.analytics.paper.states import State, next_state
from stockstream.analytics.session import known_symbols, open_lake
from stockstream.pipeline.errors import Conflict, StockStreamError, UsageError
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import Lake
from stockstream.sql.session import explained

logger = logging.getLogger(__name__)

OnSession = Callable[[str, date], None]
"""Called with the name of an account and a session that it has processed."""


@dataclass(frozen=True)
class Outcome:
    """What became of an account in a step."""

    account: str
    stepped: tuple[date, ...] = ()
    """The sessions that this process has stored."""
    state: State | None = None
    """The last state."""
    report: Report | None = None
    is_stopped: bool = False
    error: str | None = None
    """Why the account could not go on."""


def start(lake: Lake, name: str, run: Run, sql_path: list[Path], now: datetime | None = None) -> Ledger:
    """Start an account; it has no session before its first step.

    Without a start, its first session is the newest one that is published.

    Raises:
        UsageError: a setting or the strategy is invalid, the lake has no generation, or it has this account already.
        LakeError: the lake cannot be read or written.
    """
    ledger, generation, market = Ledger(lake, name), newest_generation(lake), lake.market()
    assert market is not None
    with explained(lake.uri), open_lake(lake.uri, as_of=generation) as con:
        first = run.settings.get("start") or newest_session(con, run.settings.get("symbols"))
        account = new_account(name, market.name, run, sql_path, first, now or datetime.now(UTC))
        # Opened once before the account is stored, so that wrong symbols, columns and settings are named now.
        Session(account.new_strategy(), con=con, sql_path=account.sql_path, **account.settings)
    ledger.create(account)
    return ledger


def step(lake: Lake, ledger: Ledger, on_session: OnSession = lambda name, session: None) -> Outcome:
    """Let an account process the sessions of the newest generation after its last one, and compare it with a backtest.

    If another process steps the account at the same time, each session is stored once, and both end with it. Errors of
    the account are in the outcome and in the report that is stored.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    generation = newest_generation(lake)
    stepped: list[date] = []
    try:
        if ledger.stopped() is not None:
            return Outcome(ledger.name, state=ledger.read().state, report=ledger.report(), is_stopped=True)
        position, is_one_generation = _advance(lake, ledger, generation, stepped, on_session)
        report = _report(lake, ledger, position, generation, is_one_generation)
        return Outcome(ledger.name, tuple(stepped), position.state, report)
    except StockStreamError as error:
        reason = str(error)
    except Exception as error:  # of a strategy's own `state`, for example: the other accounts go on
        logger.exception("%s", ledger.name)
        reason = f"unexpected {type(error).__name__}: {error}"
    return Outcome(ledger.name, tuple(stepped), error=_failed(ledger, generation, reason))


def newest_generation(lake: Lake) -> int:
    """Return the number of the newest generation.

    Raises:
        UsageError: there is none yet.
    """
    if not (generation := head(lake).generation):
        raise UsageError(f"{lake.uri} has no generation yet, and accounts trade on published bars: `stockstream run`")
    return generation


def newest_session(con: DuckDBPyConnection, symbols: tuple[str, ...] | None) -> date:
    """Return the newest session with a bar of some symbols, or of any.

    Raises:
        UsageError: there is no such bar, or a symbol is unknown.
    """
    names = known_symbols(con, symbols, SOURCE) if symbols else None
    where = "symbol IN (SELECT unnest($names))" if names else "$names IS NULL"
    [(day,)] = con.execute(
        f"SELECT max(date) FROM {SOURCE} WHERE close IS NOT NULL AND {where}", {"names": list(names) if names else None}
    ).fetchall()
    if day is None:
        raise UsageError("the lake has no bars")
    newest: date = day
    return newest


def _advance(
    lake: Lake, ledger: Ledger, generation: int, stepped: list[date], on_session: OnSession
) -> tuple[Position, bool]:
    """Step the sessions that are left; return where the account is, and whether all of it was computed here and now."""
    while True:
        position, before = ledger.read(), len(stepped)
        is_new = position.state is None
        try:
            return _stepped(lake, ledger, position, generation, stepped, on_session), is_new
        except Conflict:  # another process has stored the session: go on from its state
            if len(ledger.sessions()) <= len(position.sessions) + len(stepped) - before:
                raise


def _stepped(
    lake: Lake, ledger: Ledger, position: Position, generation: int, stepped: list[date], on_session: OnSession
) -> Position:
    account, state, sha256, engine = position.account, position.state, position.sha256, position.engine
    sessions, program = list(position.sessions), version("stock-stream")
    with Session(
        account.new_strategy(), lake.uri, as_of=generation, sql_path=account.sql_path, **account.settings
    ) as session:
        if engine is not None:
            session.restore(engine)
        for bars in session.bars():
            session.step(bars)
            after = session.state()
            state = next_state(
                state,
                sha256,
                engine,
                after,
                records_of(after),
                account=account,
                inputs=session.checksums(bars),
                generation=generation,
                now=datetime.now(UTC),
                program=program,
            )
            sha256, engine = ledger.append(state), after
            sessions.append(bars.date)
            stepped.append(bars.date)
            on_session(ledger.name, bars.date)
    return Position(account, sessions, state, sha256, engine)


def _report(lake: Lake, ledger: Ledger, position: Position, generation: int, is_new: bool) -> Report:
    """Compare the account with a backtest, unless that has been done; store and return the report."""
    session = position.state.session if position.state else None
    before = ledger.report()
    if before and before.error is None and (before.generation, before.session) == (generation, session):
        return before
    is_comparable = position.state is not None and not is_new
    comparison = compare(lake, ledger, position, generation) if is_comparable else None
    return _stored(ledger, generation, session, position.account, None, comparison)


def _failed(ledger: Ledger, generation: int, error: str) -> str:
    """Store why an account could not go on; return it."""
    try:
        sessions = ledger.sessions()
        _stored(ledger, generation, sessions[-1] if sessions else None, None, error, None)
    except StockStreamError as second:
        logger.error("%s: the report cannot be stored: %s", ledger.name, second)
    return error


def _stored(
    ledger: Ledger,
    generation: int,
    session: date | None,
    account: Account | None,
    error: str | None,
    comparison: Comparison | None,
) -> Report:
    report = Report(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        generation=generation,
        session=session,
        error=error,
        notes=tuple(account.notes()) if account else (),
        comparison=comparison,
    )
    ledger.store_report(report)
    return report
