"""Aggregates of bars of which some have no value, as SQL computes them: of the other bars.

The kernels compute windows as if each bar had a value. Few windows contain a NULL: those are computed again here,
exactly.
"""

from __future__ import annotations

import warnings

import numpy as np

from stockstream.sql.compiler.arrays.kernels import Array

MAX_VALUES = 1 << 20
"""Maximum number of values that are gathered at once."""
NEED_ALL = ("stddev_pop", "variance_pop")
"""The aggregates whose kernels compute nothing for a symbol's first bars, which have fewer values."""


def repair(function: str, x: Array, rows: int, out: Array) -> None:
    """Compute an aggregate of x for the bars whose last `rows` bars include a NaN, in place, leaving NaN out."""
    lacking = np.isnan(x)
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
    padded = np.concatenate([np.full((len(x), rows - 1), np.nan), x], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, rows, axis=1)
    step = max(MAX_VALUES // rows, 1)
    for start in range(0, len(symbols), step):
        at = symbols[start : start + step], bars[start : start + step]
        out[at] = _aggregate(function, windows[at])


def _aggregate(function: str, values: Array) -> Array:
    """Return the aggregate of each row of values, NaN left out; NaN of none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy warns of rows without a value
        if function == "sum":
            return np.where(np.isnan(values).all(axis=1), np.nan, np.nansum(values, axis=1))
        if function == "avg":
            return np.asarray(np.nanmean(values, axis=1))
        variance = np.asarray(np.nanvar(values, axis=1))
        return np.sqrt(variance) if function == "stddev_pop" else variance
