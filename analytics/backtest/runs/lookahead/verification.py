"""The check for look-ahead: run a strategy on lakes that end on many days, and compare its decisions up to them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from stockstream.analytics.arguments import lake_of
from stockstream.analytics.backtest.engine import StrategyError
from stockstream.analytics.backtest.feed import LISTED_SYMBOLS, Feed
from stockstream.analytics.backtest.model import Setup, Strategy
from stockstream.analytics.backtest.runs.lookahead.comparison import (
    first_difference,
    peeking_columns,
    scaled_columns,
    sentence,
)
from stockstream.analytics.backtest.runs.lookahead.copies import write_copies
from stockstream.analytics.backtest.runs.lookahead.cut_days import choose_days, event_days
from stockstream.analytics.backtest.runs.lookahead.limits import unseen
from stockstream.analytics.backtest.runs.lookahead.processes import Server
from stockstream.analytics.backtest.runs.lookahead.recipes import Recipe, recipe_of
from stockstream.analytics.backtest.runs.lookahead.tasks import Here, Report, SavedRows, Task, execute
from stockstream.analytics.backtest.runs.lookahead.verdict import Outcome, Verdict
from stockstream.analytics.session import AsOf
from stockstream.sql.catalogue import added
from stockstream.sql.errors import LakeError, NoLake, UsageError

ERRORS = {kind.__name__: kind for kind in (UsageError, LakeError, NoLake)}
"""The errors of a run that are raised again as they are; all others are the strategy's."""


def verify(
    make: str | Callable[..., Strategy],
    lake: str | Path | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    as_of: AsOf | None = None,
    sql_path: Sequence[str | Path] = (),
    jobs: int | None = None,
    on_run: Callable[[int, int], None] = lambda done, total: None,
    **settings: Any,
) -> Verdict:
    """Check that a strategy decides the same on lakes that end on the day of the decision.

    The strategy runs twice on the lake, once on a copy of it, and on copies that end on some dozens of days: those on
    which it decided, days before events, and others. Each copy is read in a process of its own that can read nothing
    else. The decisions up to the day must be the same.

    Args:
        make: a shipped strategy's name, `file.py:Class`, or a class or function that returns a new strategy. What no
            other process can import, such as a class of a notebook, is copied to it with the objects that it uses.
        lake: the lake's URI; by default the one of the settings ($STOCKSTREAM_LAKE).
        params: the arguments of `make`, by name.
        as_of: an earlier generation of the lake: its number or a time.
        sql_path: folders with further indicators.
        jobs: number of processes; by default one per core.
        on_run: called with the number of runs completed, and their total.
        settings: the fields of `Setup`: symbols, start, end, initial_capital, …

    Raises:
        UsageError: a setting is invalid, or there are no bars.
        StrategyError: the strategy failed on the lake itself.
        LakeError: the lake cannot be read.
    """
    if Here.is_task:
        raise UsageError("the strategy's file starts a check when it is imported: write `if __name__ == '__main__':`")
    setup = Setup.of(**settings).model_copy(update={"benchmark": None})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stockstream-"))).resolve()
        recipe = recipe_of(make, params or {})
        check = _Check(recipe, setup, lake_of(lake), as_of, sql_path, folder, on_run)
        stack.callback(check.close)
        check.start(jobs or os.cpu_count() or 1)
        return check.run()


class _Check:
    """One check, and the processes that it uses."""

    def __init__(
        self,
        recipe: Recipe,
        setup: Setup,
        lake: str,
        as_of: AsOf | None,
        sql_path: Sequence[str | Path],
        folder: Path,
        on_run: Callable[[int, int], None],
    ) -> None:
        self._recipe, self._setup, self._lake, self._as_of = recipe, setup, lake, as_of
        self._sql_path, self._folder, self._on_run = sql_path, folder, on_run
        self._servers: list[Server] = []
        self._free: SimpleQueue[Server] = SimpleQueue()
        self._runs, self._seconds, self._scratch = 0, 0.0, 0
        self._total = 0

    def start(self, jobs: int) -> None:
        """Start the processes."""
        environment = {"PYTHONHASHSEED": "0", **os.environ}  # the order of a set is the same in all processes
        for number in range(jobs):
            folder = self._folder / f"server-{number}"
            folder.mkdir()
            self._servers.append(Server(folder, environment))
            self._free.put(self._servers[-1])

    def close(self) -> None:
        """End the processes."""
        for server in self._servers:
            server.close()

    def run(self) -> Verdict:
        """Run the strategy as often as necessary, and return the verdict."""
        original = self._execute(self._task(self._lake, runs=2, looks_for_turns=True, as_of=self._as_of))
        if original.error is not None:
            raise ERRORS.get(original.error_kind, StrategyError)(original.error)
        first, again = original.decisions
        verdict = Verdict(Outcome.clear, len(first), backtest_seconds=original.seconds[0])
        if (at := first_difference(first, again)) is not None:
            text = f"decides {sentence(again, at)} instead of {sentence(first, at)}"
            return self._looks_ahead(verdict, f"two runs on the same bars decide differently: the second {text}")
        if not first:
            return self._doubtful(verdict, "it decides nothing on these bars, so that there is nothing to compare")
        if self._setup.symbols is not None:
            self._setup = self._setup.model_copy(update={"symbols": tuple(original.names)})
        for server in self._servers:
            server.prepare(original.requested)
        decided = list(dict.fromkeys(decision[0] for decision in first))
        days = choose_days(decided, original.dates, original.turns)
        if not days:
            return self._doubtful(verdict, "its decisions are all after the last session: no bar can be removed")
        verdict = self._compare(original, verdict, days)
        further = event_days(decided, original.dates, original.turns, days)
        if not verdict.columns or verdict.outcome is not Outcome.not_proved or not further:
            return verdict
        # The rows look ahead, and it can be that the strategy uses them before events only.
        rare = self._compare(original, verdict, further)
        return rare if rare.outcome is Outcome.looks_ahead else replace(verdict, seconds=self._seconds)

    def _compare(self, original: Report, verdict: Verdict, days: Sequence[str]) -> Verdict:
        """Compare the decisions on copies of the lake that end on some days with those on the lake itself."""
        verdict = replace(verdict, days=tuple(map(date.fromisoformat, days)))
        self._total = self._runs + len(days) + 1
        named = [name for name in original.tables if original.query is not None and name in original.query]
        has_adjusted = original.query is not None and "adjusted_close" in original.query
        every = [name for name in original.tables if name not in ("bars", "metadata", "raw", "reconciled")]
        # First the least that can suffice: named symbols, tables in the query. If it does not, everything.
        attempts = (([name for name in named if name in every], self._setup.symbols, has_adjusted), (every, None, True))
        for tables, symbols, is_complete in attempts:
            lakes = self._copies(verdict.days, tables, symbols, is_complete)
            whole = self._execute(self._task(lakes[0], original, days=verdict.days, saves_rows=True))
            is_same = whole.error is None and first_difference(original.decisions[0], whole.decisions[0]) is None
            if is_same or whole.refused:
                break
        verdict = replace(verdict, unseen=unseen(whole, verdict, self._recipe, self._setup))
        if whole.error is not None:
            return self._failed(whole, verdict)
        expected = whole.decisions[0]
        if (at := first_difference(original.decisions[0], expected)) is not None:
            text = f"it decides {sentence(expected, at)} instead of {sentence(original.decisions[0], at)}"
            blocks = self._execute(self._task(lakes[0], original))
            if blocks.error is None and first_difference(original.decisions[0], blocks.decisions[0]) is None:
                text = f"on the same bars in other blocks of memory, {text}: it reads rows that it is not given"
                return self._looks_ahead(verdict, text)
            return self._doubtful(verdict, f"on a copy of the lake, {text}: the copy lacks something that it uses")
        columns: dict[str, str] = {}
        scaled: set[str] = set()
        tasks = [self._cut(number, folder, original, whole, verdict.days) for number, folder in enumerate(lakes[1:])]
        for day, cut in zip(days, self._in_parallel(tasks), strict=True):
            columns = {**peeking_columns(whole, cut, day), **columns}
            scaled |= scaled_columns(whole, cut, day)
            before = [decision for decision in expected if decision[0] <= day]
            actual = cut.decisions[-1] if cut.decisions else []
            at = first_difference(before, actual)
            if cut.error is not None:
                return self._looks_ahead(verdict, f"in a lake that ends on {day} it fails: {cut.error}", columns)
            if at is not None:
                text = f"it decides {sentence(actual, at)} instead of {sentence(before, at)}"
                return self._looks_ahead(verdict, f"in a lake that ends on {day}, {text}", columns)
        cuts = {*days}
        verdict = replace(verdict, columns=columns, checked=sum(decision[0] in cuts for decision in expected))
        if columns:
            texts = "; ".join(columns.values())
            return self._doubtful(
                verdict, f"its rows have later bars in them, although no decision changed with them: {texts}"
            )
        if scaled:
            level = f"The level of {', '.join(sorted(scaled))}, which is adjusted for later splits or dividends."
            verdict = replace(verdict, unseen=(*verdict.unseen, level))
        return replace(verdict, seconds=self._seconds)

    def _failed(self, whole: Report, verdict: Verdict) -> Verdict:
        """Return the verdict on a strategy that fails when it can read nothing but a copy of the lake."""
        place = os.path.realpath(self._lake)
        if any(f"{name}/" in text for text in [str(whole.error), *whole.refused] for name in (self._lake, place)):
            return self._looks_ahead(
                verdict, f"it reads files of the lake by their path, with all bars in them: {whole.error}"
            )
        text = f"it uses something that cannot be cut, and fails without it: {whole.error}"
        return self._doubtful(verdict, text)

    def _copies(
        self, cuts: Sequence[date], tables: Sequence[str], symbols: Sequence[str] | None, is_complete: bool
    ) -> list[str]:
        folder = self._new_folder()
        lakes, seconds = self._servers[0].run(
            write_copies, self._lake, self._as_of, folder, cuts, tables, symbols, is_complete
        )
        self._seconds += seconds
        return list(lakes)

    def _task(self, lake: str, original: Report | None = None, **options: Any) -> Task:
        """Return a run on the lake, or on a copy if `original` is the run on the lake."""
        scratch = self._new_folder()
        if original is not None:
            options |= {"copy_of": self._lake, "universe": len(original.names)}
        return Task(self._recipe, self._setup, lake, scratch, sql_path=self._sql_path, **options)

    def _cut(self, number: int, lake: str, original: Report, whole: Report, days: Sequence[date]) -> Task:
        """Return a run on a copy that ends on a day.

        Rows of shipped indicators are those of the whole copy up to the day, as the tests of the shipped SQL prove that
        it uses no later bars; some copies are computed nevertheless.
        """
        day, rows = days[number], None
        is_shipped = not (original.query or self._sql_path or added()[0] or LISTED_SYMBOLS in original.requested)
        if is_shipped and number not in (0, len(days) // 2, len(days) - 1):
            names = self._setup.symbols or [name for name, first in whole.first_bars.items() if first <= str(day)]
            ended = {
                name: [date.fromisoformat(end) for end in ends if end <= str(day)]
                for name, ends in whole.delistings.items()
            }
            calendar = [date.fromisoformat(session) for session in whole.calendar if session[:4] <= str(day.year + 1)]
            feed = Feed(
                tuple, symbols=tuple(sorted(names)), sessions=0, delistings=ended, calendar=partial(tuple, calendar),
                **{**whole.feed, "names": tuple(whole.feed["names"])},
            )  # fmt: skip
            rows = SavedRows(feed, whole.files[: number + 1], whole.requested)
        return self._task(lake, original, days=[day], rows=rows)

    def _new_folder(self) -> Path:
        self._scratch += 1
        folder = self._folder / f"{self._scratch}"
        folder.mkdir()
        return folder

    def _execute(self, task: Task) -> Report:
        runner = self._free.get()
        try:
            report = Report(**runner.run(execute, task))
        finally:
            self._free.put(runner)
        self._seconds += report.total
        self._runs += task.runs
        self._on_run(self._runs, self._total or task.runs + self._runs)
        return report

    def _in_parallel(self, tasks: Sequence[Task]) -> Iterator[Report]:
        """Yield the reports of tasks in their order; the tasks that are left when the caller stops do not run."""
        pool = ThreadPoolExecutor(len(self._servers))
        try:
            yield from pool.map(self._execute, tasks)
        except BaseException:  # also when the caller stops
            self.close()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _looks_ahead(self, verdict: Verdict, text: str, columns: Mapping[str, str] | None = None) -> Verdict:
        return replace(
            verdict, outcome=Outcome.looks_ahead, difference=text, columns=columns or {}, seconds=self._seconds
        )

    def _doubtful(self, verdict: Verdict, text: str) -> Verdict:
        return replace(verdict, outcome=Outcome.not_proved, doubt=text, seconds=self._seconds)
