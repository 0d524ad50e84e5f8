"""Paper accounts against backtests: every strategy × settings × session of the demo's lake, equal to the last bit.

`python -m tests.benchmarks.paper` steps each account by a new engine per session, which knows no more than the state
that the session before has left: as text, and as the changes that `paper/NAME/SESSION.json` stores. It prints how many
accounts equal the backtest in equity, cash, fills, orders, ledger, notes and costs, and the size of the states.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stockstream.analytics.backtest import SignalStrategy, Strategy, backtest
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

SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "costly": {"slippage": "5bps", "leverage": 2.0, "volume_limit": 0.001, "commission": "5/fill + 0.1% min 6"},
    "adjusted": {"prices": "adjusted", "fill_at": "close", "benchmark": "IBM"},
    "fractional": {"fractional": True, "fill_at": "vwap", "allow_short": False, "delist_after": 5},
}


class Trend(SignalStrategy):
    """A declared strategy."""

    entry = "sma(20) > sma(50) AND volume > 100000"
    exit = "sma(20) < sma(50)"


def stepped(make: Callable[[], Strategy], lake: str, every: int, **settings: Any) -> tuple[Any, int, int, int]:
    """Return the result of an account, its sessions, the bytes of all that was saved, and those of its last state."""
    setup, strategy = Setup.of(**settings), make()
    with open_lake(lake) as con:
        feed = open_feed(con, setup, strategy.columns, strategy.query)
        loop, engine, sessions, saved = started(strategy, feed, setup), None, 0, 0
        for block in feed.blocks(setup.start, setup.end):
            for number in range(len(block.dates)):
                if engine is not None and sessions % every == 0:
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
        return result_of(loop.account, loop.strategy, setup, feed, {}), sessions, saved, len(json.dumps(engine))


def started(strategy: Strategy, feed: Any, setup: Setup) -> Loop:
    loop = Loop(strategy, feed, setup, None)
    loop.initial = initial_of(strategy)
    loop.attempt(loop.start)
    return loop


def main() -> None:
    """Run all accounts and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lake", help="the demo's lake; it is made if there is none")
    parser.add_argument("--every", type=int, default=1, help="sessions between two new engines")
    parser.add_argument("--start", help="first day")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        lake = options.lake or f"{folder}/lake"
        if options.lake is None:
            assert run_cli("demo", "--lake", lake).code == 0
        path = Path(folder) / "my.py"
        path.write_text(STRATEGY)
        everything = find_strategy(f"{path}:Everything")
        strategies: dict[str, Callable[[], Strategy]] = {**SHIPPED, "Everything": everything, "Trend": Trend}
        equal = total = all_sessions = 0
        for name, make in strategies.items():
            for title, settings in SETTINGS.items():
                given = {
                    **settings,
                    "start": options.start,
                    "symbols": ("AAPL", "IBM") if name == "PairsTrade" else None,
                }
                began = time.process_time()
                result, sessions, saved, last = stepped(make, lake, options.every, **given)
                seconds = time.process_time() - began
                is_equal = texts(result) == texts(backtest(make(), lake, **given))
                equal, total, all_sessions = equal + is_equal, total + 1, all_sessions + sessions
                print(
                    f"{name:<24} {title:<11} {sessions:>5} sessions {len(result.transactions):>6} fills "
                    f"{'equal' if is_equal else 'DIFFERENT':<10} {seconds:>6.1f} CPU s, saved "
                    f"{saved / sessions / 1000:.1f} kB per session, the last state {last / 1000:.0f} kB",
                    flush=True,
                )
        print(f"{equal} of {total} accounts equal the backtest, in {all_sessions:,} sessions")
    if equal < total:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
