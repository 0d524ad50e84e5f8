"""Compare the decisions and the rows of two runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from stockstream.analytics.backtest.runs.lookahead.tasks import FIELDS, Decision, Report

ROUNDING = 1e-9
"""Largest relative difference of two numbers that are the same: prices that are restated for a split are rounded."""

SCALE = 1e-6
"""Largest relative difference of two ratios of prices or volumes that are the same: volumes are whole numbers."""


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
    """Return the columns whose value on a day changes when the lake ends with that day, each with a sentence.

    Those that are adjusted for later splits or dividends change only in their scale, and are not among them.
    """
    examples: dict[str, str] = {}
    for symbol, name, value, other in _changes(whole, cut, day):
        if name not in examples and not _is_scaled(value, other, whole.scales.get(day, {}).get(symbol, [])):
            examples[name] = f"{symbol} has {name} {_shown(value)} on {day}, and {_shown(other)} without the later bars"
    return examples


def scaled_columns(whole: Report, cut: Report, day: str) -> set[str]:
    """Return the columns whose values on a day are in the scale of a later day."""
    return {name for _, name, _, _ in _changes(whole, cut, day)}


def _changes(whole: Report, cut: Report, day: str) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield each value of a day that changes when the lake ends with it: the symbol, the column, and both values."""
    without = cut.rows.get(day, {})
    for symbol, values in whole.rows.get(day, {}).items():
        for name, value, other in zip(whole.columns, values, without.get(symbol, values), strict=True):
            if not is_same(value, other):
                yield symbol, name, value, other


def _is_scaled(value: Any, other: Any, scales: Sequence[float]) -> bool:
    """Return whether a price or a volume is another by the factor of the symbol's later splits, or of all actions."""
    if not isinstance(value, float | int) or not isinstance(other, float | int) or isinstance(value, bool) or not other:
        return False
    ratio = value / other
    return any(
        math.isclose(ratio, factor, rel_tol=SCALE) or math.isclose(ratio, 1 / factor, rel_tol=SCALE)
        for factor in scales
        if factor > 0
    )


def _shown(value: Any) -> str:
    return "NULL" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
