"""Aggregates of bars of which some have no value, as SQL computes them: of the other bars.

The kernels compute windows as if each bar had a value. Few windows contain a NULL: those are computed again here,
exactly.
"""

from __future__ import annotations

import numpy as np

from stockstream.sql.compiler.arrays.kernels import Array

MAX_VALUES = 1 << 20
"""Maximum number of values that are gathered at once."""
NEED_ALL = ("stddev_pop", "variance_pop", "covar_pop")
"""The aggregates whose kernels compute nothing for a symbol's first bars, which have fewer values."""


def repair(function: str, out: Array, rows: int, x: Array, *others: Array) -> None:
    """Compute an aggregate of x for the bars whose last `rows` bars include a NaN, in place, leaving NaN out.

    `others` is the second of two series, of which the pairs count that have both values.
    """
    lacking = np.isnan(x)
    for other in others:
        lacking |= np.isnan(other)
    if not lacking.any():
        if function not in NEED_ALL:
            return
        affected = np.broadcast_to(np.arange(x.shape[1]) < rows - 1, x.shape)
    else:
        counts = np.cumsum(lacking, axis=1)
        counts[:, rows:] -= counts[:, :-rows].copy()
        affected = counts > 0
        if function in NEED_ALL:
            affected[:, : rows - 1] = True
    symbols, bars = np.nonzero(affected)
    if not len(symbols):
        return
    padded = [np.concatenate([np.full((len(each), rows - 1), np.nan), each], axis=1) for each in (x, *others)]
    windows = [np.lib.stride_tricks.sliding_window_view(each, rows, axis=1) for each in padded]
    step = max(MAX_VALUES // rows, 1)
    for start in range(0, len(symbols), step):
        at = symbols[start : start + step], bars[start : start + step]
        out[at] = _aggregate(function, *(each[at] for each in windows))


def _aggregate(function: str, *series: Array) -> Array:
    """Return the aggregate of each row of a series, or of the pairs of two, NaN left out; NaN of none."""
    is_valid = ~np.isnan(np.sum(series, axis=0))
    counts = is_valid.sum(axis=1)
    totals = [np.where(is_valid, values, 0.0).sum(axis=1) for values in series]
    if function == "sum":
        return np.where(counts == 0, np.nan, totals[0])
    means = [total / counts for total in totals]
    if function == "avg":
        return np.asarray(means[0])
    deviations = [values - mean[:, None] for values, mean in zip(series, means, strict=True)]
    products = np.where(is_valid, deviations[0] * deviations[-1], 0.0).sum(axis=1) / counts
    return np.asarray(np.sqrt(products) if function == "stddev_pop" else products)
