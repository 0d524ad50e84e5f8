"""Ways to run a strategy: once, as a parameter search, as a walk-forward analysis, or as a check for look-ahead."""

from stockstream.analytics.backtest.runs.forward import Walk, walk_forward
from stockstream.analytics.backtest.runs.grid import LUCK, Search, Trial, search
from stockstream.analytics.backtest.runs.load import Run, find_strategy, make_strategy, read_run
from stockstream.analytics.backtest.runs.lookahead import Outcome, Verdict, verify
from stockstream.analytics.backtest.runs.parameters import parameter_grid
from stockstream.analytics.backtest.runs.single import backtest

__all__ = [
    "LUCK",
    "Outcome",
    "Run",
    "Search",
    "Trial",
    "Verdict",
    "Walk",
    "backtest",
    "find_strategy",
    "make_strategy",
    "parameter_grid",
    "read_run",
    "search",
    "verify",
    "walk_forward",
]
