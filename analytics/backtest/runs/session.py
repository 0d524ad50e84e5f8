"""An account that is run session by session, saved in between, and continued in another process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self

from duckdb import DuckDBPyConnection

from stockstream.analytics.backtest.engine import Loop, initial_of, restore, state_of
from stockstream.analytics.backtest.feed import SOURCE, Block, Checksums, open_feed
from stockstream.analytics.backtest.model import Result, Setup, Strategy
from stockstream.analytics.backtest.runs.single import lake_connection, provenance, result_of
from stockstream.analytics.session import AsOf
from stockstream.sql.errors import UsageError


class Bars(NamedTuple):
    """The bars of one session."""

    block: Block
    number: int
    """Number of the session in the block."""

    @property
    def date(self) -> date:
        """The session."""
        return self.block.dates[self.number]


class Session:
    """Runs a strategy session by session, by the loop of a backtest.

    with Session(MyStrategy(), "./lake", symbols=["BHP"], start="2026-01-01") as session:
        session.restore(json.loads(path.read_text()))
        for bars in session.bars():  # those after the last one processed
            session.step(bars)
        path.write_text(json.dumps(session.state()))
    """

    def __init__(
        self,
        strategy: Strategy,
        lake: str | Path | None = None,
        *,
        con: DuckDBPyConnection | None = None,
        src: str = SOURCE,
        as_of: AsOf | None = None,
        sql_path: Sequence[str | Path] = (),
        **settings: Any,
    ) -> None:
        """Open the lake; the arguments are those of `backtest`.

        Raises:
            UsageError: a setting is invalid, or there are no bars.
            StrategyError: `on_start` failed.
        """
        self._setup, self._stack = Setup.of(**settings), ExitStack()
        self._con = self._stack.enter_context(lake_connection(con, lake, as_of))
        self._src = src
        self._feed = open_feed(self._con, self._setup, strategy.columns, strategy.query, src=src, sql_path=sql_path)
        self._checksums: tuple[Block, Checksums] | None = None
        self._loop = Loop(strategy, self._feed, self._setup, None)
        self._loop.initial = initial_of(strategy)
        self._loop.attempt(self._loop.start)
        self._raise()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def bars(self) -> Iterator[Bars]:
        """Yield the bars of each session in the range after the last one that was processed."""
        last = self._loop.day
        first = self._setup.start if last is None else last + timedelta(days=1)
        for block in self._feed.blocks(first, self._setup.end):
            for number in range(len(block.dates)):
                yield Bars(block, number)

    def step(self, bars: Bars) -> None:
        """Execute the open orders in a session, then let the strategy decide on its close.

        Raises:
            UsageError: the session is not after the last one.
            StrategyError: the strategy failed; the account stays as it was then.
        """
        if self._loop.day is not None and bars.date <= self._loop.day:
            raise UsageError(f"the session {bars.date} is not after {self._loop.day}, the last one")
        self._loop.attempt(self._loop.step, bars.block, bars.number)
        self._raise()

    def checksums(self, bars: Bars) -> dict[str, str]:
        """Return a checksum per symbol of all that the account receives of a session: prices, actions, columns."""
        if self._checksums is None or self._checksums[0] is not bars.block:
            self._checksums = bars.block, Checksums(bars.block, self._feed.names)
        return self._checksums[1].of(bars.date)

    def state(self) -> dict[str, Any]:
        """Return the state of the account, the orders and the strategy, as values for `json.dumps`.

        The attributes of the strategy that differ from those of a new object are part of it. A strategy that keeps
        values that JSON does not have defines `state()` and `restore(state)`.

        Raises:
            UsageError: an attribute of the strategy cannot be saved; the message names it.
        """
        return state_of(self._loop)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, also of another process.

        Raises:
            UsageError: this session has processed bars, or the state is of another strategy, version or setting.
        """
        if self._loop.day is not None:
            raise UsageError(f"restore a state into a new session: this one has processed {self._loop.day}")
        restore(self._loop, state)

    def result(self) -> Result:
        """End the run as a backtest does, and return its result.

        Raises:
            StrategyError: the strategy failed.
        """
        self._loop.attempt(self._loop.finish)
        self._raise()
        strategy = self._loop.strategy
        origin = provenance(self._con, self._src, self._feed, strategy)
        return result_of(self._loop.account, strategy, self._setup, self._feed, origin)

    def _raise(self) -> None:
        if self._loop.account.error is not None:
            raise self._loop.account.error
