"""The folders of `stockstream serve --backtests … --strategies …`, opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stockstream.analytics.serving.backtests.processes import Limits
from stockstream.analytics.serving.backtests.queue import Jobs
from stockstream.analytics.serving.backtests.stored import StoredRuns
from stockstream.analytics.serving.backtests.strategies import Strategies


@dataclass(frozen=True)
class Backtests:
    """A folder of backtests, the strategies that can be run into it, and the runs of this server."""

    stored: StoredRuns
    strategies: Strategies
    jobs: Jobs


def opened(folder: Path, strategies: Path | None, limits: Limits) -> Backtests:
    """Return the backtests of a folder, and of strategies the shipped ones and those of another folder.

    Raises:
        UsageError: there is no such folder.
    """
    stored = StoredRuns(folder)
    return Backtests(stored, Strategies(strategies), Jobs(stored.folder, limits))
