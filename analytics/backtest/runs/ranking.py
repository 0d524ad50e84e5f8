"""What decides which trial of a search is the best, and which combinations of parameters are possible."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb

from stockstream.analytics.backtest.stats import FIGURES
from stockstream.sql.errors import ArgumentError, UsageError, did_you_mean

Params = Mapping[str, Any]
"""The arguments of a strategy's `__init__`, by name."""
Figures = Mapping[str, float | None]
"""The figures of `stats.summary`."""
Objective = str | Callable[[Figures], float | None]
"""A figure, an SQL expression of figures, or a function of the figures; of the last two, more is better."""
Constraint = str | Callable[[Params], Any]
"""A condition on parameters: SQL, or a function that returns whether they are possible."""
OBJECTIVE = "objective"
"""The column of the scores of an expression or a function."""


@dataclass(frozen=True)
class Ranking:
    """The objective of a search.

    Raises:
        UsageError: it is neither a figure nor a valid expression of figures.
    """

    objective: Objective

    def __post_init__(self) -> None:
        if not isinstance(self.objective, str):
            if not callable(self.objective):
                raise ArgumentError(f"rank: {self.objective!r} is neither a figure nor an expression nor a function")
        elif not self.is_figure:
            if re.fullmatch(r"\w+", self.objective):
                hint = did_you_mean(self.objective, FIGURES)
                raise UsageError(f"no metric {self.objective}: there are {', '.join(FIGURES)}{hint}")
            _evaluate(self.objective, dict.fromkeys(FIGURES, 1.0))

    @property
    def is_figure(self) -> bool:
        """Whether the objective is a figure itself."""
        return self.objective in FIGURES

    @property
    def name(self) -> str:
        """The column with the figure or the score."""
        return str(self.objective) if self.is_figure else OBJECTIVE

    def value(self, figures: Figures) -> float | None:
        """Return the figure, or the value of the expression or function; None if it is undefined."""
        if not figures:
            return None
        if not isinstance(self.objective, str):
            number = self.objective(figures)
            return None if number is None or not math.isfinite(number) else float(number)
        return figures.get(self.objective) if self.is_figure else _evaluate(self.objective, figures)

    def score(self, figures: Figures) -> float | None:
        """Return the value with the sign by which more is better; None if it is undefined."""
        value = self.value(figures)
        is_less_better = isinstance(self.objective, str) and self.is_figure and FIGURES[self.objective].better == "less"
        return -value if value is not None and is_less_better else value


def _evaluate(expression: str, figures: Figures) -> float | None:
    """Return the value of an SQL expression of figures; None if it is NULL or not finite.

    Raises:
        UsageError: it is invalid, or names a figure that there is not.
    """
    return _scores(expression, tuple(figures.items()))


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Return an empty database for expressions; opening one takes as long as twenty of them."""
    return duckdb.connect()


@cache
def _scores(expression: str, figures: tuple[tuple[str, float | None], ...]) -> float | None:
    columns = ", ".join(f"CAST(${number} AS DOUBLE) AS {name}" for number, (name, _) in enumerate(figures, 1))
    query = f"SELECT CAST(({expression}) AS DOUBLE) FROM (SELECT {columns})"
    try:
        (value,) = _database().execute(query, [value for _, value in figures]).fetchall()[0]
    except duckdb.Error as error:
        raise UsageError(f"rank {expression}: {str(error).splitlines()[0]}") from None
    return value if value is not None and math.isfinite(value) else None


def unmet(where: Constraint, combinations: Sequence[Params]) -> list[str | None]:
    """Return per combination that the constraint is not met, in words, or None.

    Raises:
        UsageError: the condition is no valid SQL, or names a parameter that there is not.
    """
    if not isinstance(where, str):
        reason = f"{getattr(where, '__name__', 'where')}: these parameters do not meet the constraint"
        return [None if where(params) else reason for params in combinations]
    reasons: list[str | None] = []
    for params in combinations:
        columns = ", ".join(f"${number} AS {quoted_name(name)}" for number, name in enumerate(params, 1))
        query = f"SELECT CAST(({where}) AS BOOLEAN) FROM (SELECT {columns or '1'})"
        try:
            ((is_met,),) = _database().execute(query, list(params.values())).fetchall()
        except duckdb.Error as error:
            raise UsageError(f"where {where}: {str(error).splitlines()[0]}") from None
        reasons.append(None if is_met else f"{where}: these parameters do not meet the constraint")
    return reasons


def quoted_name(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
