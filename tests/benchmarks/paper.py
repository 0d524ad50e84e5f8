"""Paper accounts against backtests: every strategy × settings × session of the demo's lake, equal to the last bit.

`python -m tests.benchmarks.paper` steps each account by a new engine per session, which knows no more than the state
that the session before has left: as text, and as the changes that `paper/NAME/SESSION.json` stores. It says how many
accounts equal the backtest in equity, cash, fills, orders, ledger, notes and costs, and the size of the states.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stockstream.analytics.backtest import Result, Strategy, backtest
from stockstream.analytics.backtest.engine import Loop, initial_of, restore, state_of
from stockstream.analytics.backtest.feed import open_feed
from stockstream.analytics.backtest.model import Setup
from stockstream.analytics.backtest.runs import find_strategy
from stockstream.analytics.backtest.runs.single import result_of
from stockstream.analytics.backtest.strategies import SHIPPED
from stockstream.analytics.paper.changes import change_between, changed
from stockstream.analytics.session import open_lake
from tests.analytics.backtest.test_session import texts
from tests.analytics.paper.published import STRATEGY
from tests.analytics.test_cli import run_cli
from tests.benchmarks._harness import Figure, main

SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "costly": {"slippage": "5bps", "leverage": 2.0, "volume_limit": 0.001, "commission": "5/fill + 0.1% min 6"},
    "adjusted": {"prices": "adjusted", "fill_at": "close", "benchmark": "IBM"},
    "fractional": {"fractional": True, "fill_at": "vwap", "allow_short": False, "delist_after": 5},
}


def stepped(make: Callable[[], Strategy], lake: str, **settings: Any) -> tuple[Result, int, int]:
    """Return the result of an account, its sessions, and the bytes of the engine's states that were saved."""
    setup, strategy = Setup.of(**settings), make()
    with open_lake(lake) as con:
        feed = open_feed(con, setup, strategy.columns, strategy.query)
        loop, engine, sessions, saved = started(strategy, feed, setup), None, 0, 0
        for block in feed.blocks(setup.start, setup.end):
            for number in range(len(block.dates)):
                if engine is not None:
                    loop = started(make(), feed, setup)
                    restore(loop, json.loads(json.dumps(engine)))
                loop.attempt(loop.step, block, number)
                if loop.account.error:
                    raise loop.account.error
                sessions += 1
                change = json.dumps(change_between(engine, state_of(loop)), separators=(",", ":"))
                saved += len(change)
                engine = changed(engine, json.loads(change))
        loop.attempt(loop.finish)
        return result_of(loop.account, loop.strategy, setup, feed, {}), sessions, saved


def started(strategy: Strategy, feed: Any, setup: Setup) -> Loop:
    loop = Loop(strategy, feed, setup, None)
    loop.initial = initial_of(strategy)
    loop.attempt(loop.start)
    return loop


def measure(quick: bool) -> Iterator[Figure]:
    """Yield how many accounts equal the backtest, and what their states take; a line per account on standard error."""
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        lake, path = f"{folder}/lake", Path(folder) / "my.py"
        assert run_cli("demo", "--lake", lake).code == 0
        path.write_text(STRATEGY)
        everything = find_strategy(f"{path}:Everything")
        strategies: dict[str, Callable[[], Strategy]] = {**SHIPPED, "Everything": everything}
        equal = total = all_sessions = all_saved = 0
        for name, make in strategies.items():
            for title, settings in SETTINGS.items():
                start = "2012-12-03" if quick else None
                given = {**settings, "start": start, "symbols": ("AAPL", "IBM") if name == "PairsTrade" else None}
                result, sessions, saved = stepped(make, lake, **given)
                is_equal = texts(result) == texts(backtest(make(), lake, **given))
                equal, total = equal + is_equal, total + 1
                all_sessions, all_saved = all_sessions + sessions, all_saved + saved
                fills, verdict = len(result.transactions), "equal" if is_equal else "DIFFERENT"
                print(f"{name} {title}: {sessions} sessions, {fills} fills, {verdict}", file=sys.stderr, flush=True)
        print(f"{equal} of {total} accounts equal, in {all_sessions:,} sessions", file=sys.stderr)
    yield Figure("accounts that do not equal the backtest", total - equal, f"of {total}", 0)
    yield Figure("sessions that were stepped, each by a new engine", all_sessions, "sessions")
    yield Figure("states, on average", all_saved / all_sessions / 1000, "kB per session")


if __name__ == "__main__":
    main("Paper accounts", measure)
