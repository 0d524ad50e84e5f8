"""Compare the decisions and the rows of two runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from stockstream.analytics.backtest.runs.lookahead.tasks import FIELDS, Decision, Report

ROUNDING = 1e-9
"""Largest relative difference of two numbers that are the same: prices that are restated for a split are rounded."""


def first_difference(one: Sequence[Decision], other: Sequence[Decision]) -> int | None:
    """Return the number of the first decision in which two lists differ; None if they do not."""
    if one == other:
        return None
    for number, (first, second) in enumerate(zip(one, other, strict=False)):
        if first != second and not (len(first) == len(second) and all(map(is_same, first, second))):
            return number
    return None if len(one) == len(other) else min(len(one), len(other))


def is_same(one: Any, other: Any) -> bool:
    """Return whether two values are the same, but for the rounding of a number."""
    if isinstance(one, float) and isinstance(other, int | float) and not isinstance(other, bool):
        return math.isclose(one, other, rel_tol=ROUNDING) or (math.isnan(one) and math.isnan(other))
    return one == other or (isinstance(other, float) and not isinstance(one, float) and is_same(other, one))


def sentence(decisions: Sequence[Decision], number: int) -> str:
    """Return a decision in words; `nothing` after the last one."""
    if number >= len(decisions):
        return "nothing"
    day, symbol, *values = decisions[number]
    texts = [f"{name} {value}" for name, value in zip(FIELDS, values, strict=True) if value not in (None, False)]
    return f"({', '.join(texts) or 'close'}) at {symbol} on {day}"


def peeking_columns(whole: Report, cut: Report, day: str) -> dict[str, str]:
    """Return the columns whose value on a day changes when the lake ends with that day, each with a sentence."""
    examples: dict[str, str] = {}
    without = cut.rows.get(day, {})
    for symbol, values in whole.rows.get(day, {}).items():
        for name, value, other in zip(whole.columns, values, without.get(symbol, values), strict=True):
            if name not in examples and not is_same(value, other):
                examples[name] = (
                    f"{symbol} has {name} {_shown(value)} on {day}, and {_shown(other)} without the later bars"
                )
    return examples


def _shown(value: Any) -> str:
    return "NULL" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
