"""Compares an account with the backtest of the same days on a generation: what later corrections would have changed.

An account is never rewritten. The same engine runs from the first session again, on the bars as they are now, and its
checksums and records are compared with those of the account to the last bit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from itertools import takewhile
from typing import Any

from stockstream.analytics.backtest.engine import StrategyError, records_of
from stockstream.analytics.backtest.runs import Session
from stockstream.analytics.paper.ledger import Ledger, Position
from stockstream.analytics.paper.report import Comparison, Difference
from stockstream.analytics.paper.states import digest
from stockstream.pipeline.lake import Lake

MAX_DIFFERENCES = 250
"""Sessions that a report lists; it counts all of them."""
MAX_SYMBOLS = 50
"""Symbols that are listed per session."""
COMPARED = ("dates", "curve", "portfolio", "broker")
"""The parts of an engine's state that are its records."""


def compare(
    lake: Lake,
    ledger: Ledger,
    position: Position,
    generation: int,
    on_session: Callable[[date], None] = lambda session: None,
) -> Comparison:
    """Run the backtest of an account's sessions on a generation, and compare.

    Raises:
        AccountError, UsageError: the strategy or the bars cannot be loaded.
        LakeError: the lake cannot be read.
    """
    assert position.state is not None
    assert position.engine is not None
    last = position.state.session
    inputs: dict[date, Mapping[str, str]] = {}
    account = position.account
    with Session(
        account.new_strategy(), lake.uri, as_of=generation, sql_path=account.sql_path, **account.settings
    ) as session:
        sha256 = ""
        try:
            for bars in takewhile(lambda bars: bars.date <= last, session.bars()):
                inputs[bars.date] = session.checksums(bars)
                sha256 = digest(sha256, inputs[bars.date])
                session.step(bars)
                on_session(bars.date)
        except StrategyError as error:
            return _failed(position, generation, str(error))
        engine = session.state()
    return _compared(ledger, position, engine, inputs, sha256, generation)


def _failed(position: Position, generation: int, error: str) -> Comparison:
    assert position.state is not None
    return Comparison(
        generation=generation,
        session=position.state.session,
        differences=(),
        different_sessions=0,
        first_other_equity=None,
        account_equity=position.state.equity,
        backtest_equity=None,
        backtest=(),
        error=error,
    )


def _compared(
    ledger: Ledger,
    position: Position,
    engine: Mapping[str, Any],
    inputs: Mapping[date, Mapping[str, str]],
    sha256: str,
    generation: int,
) -> Comparison:
    assert position.state is not None
    assert position.engine is not None
    ours, theirs = records_of(position.engine), records_of(engine)
    equity = dict(zip(ours.dates, ours.equity, strict=True))
    now = dict(zip(theirs.dates, theirs.equity, strict=True))
    different: dict[date, tuple[str, ...]] = {}
    if sha256 != position.state.inputs_sha256:  # only then the states of all sessions are read
        different = dict(_different(ledger, position, inputs))
    first = next((day for day in sorted({*equity, *now}) if repr(equity.get(day)) != repr(now.get(day))), None)
    if first is None and _text(position.engine) != _text(engine):
        first = position.state.session
    return Comparison(
        generation=generation,
        session=position.state.session,
        differences=tuple(
            Difference(
                session=day,
                symbols=symbols[:MAX_SYMBOLS],
                account_equity=equity.get(day),
                backtest_equity=now.get(day),
            )
            for day, symbols in list(different.items())[:MAX_DIFFERENCES]
        ),
        different_sessions=len(different),
        first_other_equity=first,
        account_equity=ours.equity[-1],
        backtest_equity=theirs.equity[-1] if theirs.equity else account_capital(position),
        backtest=tuple(now.items()) if first is not None else (),
        error=None,
    )


def account_capital(position: Position) -> float:
    """Return the initial capital of an account."""
    return float(position.account.settings["initial_capital"])


def _different(
    ledger: Ledger, position: Position, inputs: Mapping[date, Mapping[str, str]]
) -> Iterator[tuple[date, tuple[str, ...]]]:
    """Yield the sessions whose inputs are others now, with the symbols."""
    before = {state.session: state.inputs for state in ledger.states(position.sessions)}
    for session in sorted({*before, *inputs}):
        ours, theirs = before.get(session, {}), inputs.get(session, {})
        symbols = tuple(symbol for symbol in sorted({*ours, *theirs}) if ours.get(symbol) != theirs.get(symbol))
        if symbols:
            yield session, symbols


def _text(engine: Mapping[str, Any]) -> str:
    return json.dumps([engine[part] for part in COMPARED])
