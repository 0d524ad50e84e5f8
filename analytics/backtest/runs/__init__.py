"""Ways to run a strategy: once, as a parameter search, as a walk-forward analysis, or as a check for look-ahead."""

from stockstream.analytics.backtest.runs.blends import BlendRun, read_blend
from stockstream.analytics.backtest.runs.export import PyfolioFrames, pyfolio_frames, write_pyfolio
from stockstream.analytics.backtest.runs.forward import Walk, walk_forward
from stockstream.analytics.backtest.runs.grid import LUCK, Search, Trial, param_columns, search
from stockstream.analytics.backtest.runs.load import Run, find_strategy, make_strategy, read_run
from stockstream.analytics.backtest.runs.lookahead import Outcome, Verdict, verify
from stockstream.analytics.backtest.runs.parameters import parameter_grid, parameter_space, plain_params
from stockstream.analytics.backtest.runs.ranking import Constraint, Objective, Ranking
from stockstream.analytics.backtest.runs.sampling import RUNS, Method, sample
from stockstream.analytics.backtest.runs.session import Session
from stockstream.analytics.backtest.runs.single import backtest
from stockstream.analytics.backtest.runs.sleeves import Blend, blend
from stockstream.analytics.backtest.stats import monte_carlo

__all__ = [
    "LUCK",
    "RUNS",
    "Blend",
    "BlendRun",
    "Constraint",
    "Method",
    "Objective",
    "Outcome",
    "PyfolioFrames",
    "Ranking",
    "Run",
    "Search",
    "Session",
    "Trial",
    "Verdict",
    "Walk",
    "backtest",
    "blend",
    "find_strategy",
    "make_strategy",
    "monte_carlo",
    "param_columns",
    "parameter_grid",
    "parameter_space",
    "plain_params",
    "pyfolio_frames",
    "read_blend",
    "read_run",
    "sample",
    "search",
    "verify",
    "walk_forward",
    "write_pyfolio",
]
