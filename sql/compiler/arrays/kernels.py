"""Kernels: windows over arrays of symbols × bars, the last axis being the bar, oldest first. NaN stands for NULL.

Each takes arrays of shape (symbols, bars), and writes its result to `out`, of the same shape, which is not one of its
arguments. A value depends on its symbol's bars up to its own only: a NaN or an infinity affects no earlier bar.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIDE = 32
"""Number of bars that a recursion computes by one product with a triangle of weights."""
MAX_TRIANGLES = 256
"""Maximum number of triangles per symbol; the weights from one to the other are a matrix of that many rows."""
SMALLEST = 1e-290
"""The smallest weight that a recursion considers: with a larger one, ratios of decayed averages would be wrong."""


def lag(x: Array, offset: int, default: float, *, out: Array) -> None:
    """Write the value `offset` bars before, `default` where there is none."""
    out[:, :offset] = default
    out[:, offset:] = x[:, :-offset]


def join_add(newer: Array, older: Array, offset: int, *, out: Array) -> None:
    """Write the sum of a bar's `newer` and the `older` of `offset` bars before."""
    out[:, :offset] = newer[:, :offset]
    np.add(newer[:, offset:], older[:, :-offset], out=out[:, offset:])


def join_fmin(newer: Array, older: Array, offset: int, *, out: Array) -> None:
    """Write the smaller of a bar's `newer` and the `older` of `offset` bars before; of a number and NaN, the number."""
    out[:, :offset] = newer[:, :offset]
    np.fmin(newer[:, offset:], older[:, :-offset], out=out[:, offset:])


def join_fmax(newer: Array, older: Array, offset: int, *, out: Array) -> None:
    """Write the larger of a bar's `newer` and the `older` of `offset` bars before; of a number and NaN, the number."""
    out[:, :offset] = newer[:, :offset]
    np.fmax(newer[:, offset:], older[:, :-offset], out=out[:, offset:])


def join_squares(
    newer: Array | float,
    newer_sum: Array,
    newer_rows: int,
    older: Array | float,
    older_sum: Array,
    older_rows: int,
    *,
    out: Array,
) -> None:
    """Write the sum of squared deviations of two groups of bars; see `lowering.Arrays._products`.

    `newer` and `older` are the sums of squares of a bar's last rows, 0 for a group of one bar.
    """
    out[:, :newer_rows] = np.nan
    result = out[:, newer_rows:]
    _subtract(newer_sum, newer_rows, older_sum, older_rows, result)
    result *= result
    _add_groups(newer, newer_rows, older, older_rows, result)


def join_products(
    newer: Array | float,
    newer_sum: Array,
    newer_other: Array,
    newer_rows: int,
    older: Array | float,
    older_sum: Array,
    older_other: Array,
    older_rows: int,
    *,
    out: Array,
) -> None:
    """Write the sum of products of the deviations of two series, like `join_squares`."""
    out[:, :newer_rows] = np.nan
    result = out[:, newer_rows:]
    factor = np.empty_like(result)
    _subtract(newer_sum, newer_rows, older_sum, older_rows, result)
    _subtract(newer_other, newer_rows, older_other, older_rows, factor)
    result *= factor
    _add_groups(newer, newer_rows, older, older_rows, result)


def _subtract(newer: Array, newer_rows: int, older: Array, older_rows: int, out: Array) -> None:
    """Write the difference of the means of two groups, from their sums, times `older_rows`."""
    before = older[:, :-newer_rows]
    if newer_rows == older_rows:
        np.subtract(newer[:, newer_rows:], before, out=out)
    else:
        np.multiply(newer[:, newer_rows:], older_rows / newer_rows, out=out)
        out -= before


def _add_groups(newer: Array | float, newer_rows: int, older: Array | float, older_rows: int, product: Array) -> None:
    """Weight a product of two differences, and add the sums of both groups."""
    product *= newer_rows / ((newer_rows + older_rows) * older_rows)
    if not isinstance(newer, float):
        product += newer[:, newer_rows:]
    if not isinstance(older, float):
        product += older[:, :-newer_rows]


def present(x: Array, *, out: Array) -> None:
    """Write 1 where there is a value, and 0 elsewhere."""
    np.equal(x, x, out=out)


def mean(total: Array, rows: int, *, out: Array) -> None:
    """Write the mean of the last `rows` bars, or of fewer at a symbol's start, from their sum."""
    first = rows - 1
    np.divide(total[:, :first], np.arange(1.0, min(rows, total.shape[1] + 1)), out=out[:, :first])
    np.divide(total[:, first:], rows, out=out[:, first:])


def variance_pop(squares: Array, rows: int, *, out: Array) -> None:
    """Write the population variance of `rows` bars, from the sum of their squared deviations."""
    np.divide(squares, rows, out=out)


def covar_pop(products: Array, rows: int, *, out: Array) -> None:
    """Write the population covariance of `rows` pairs, from the sum of the products of their deviations."""
    np.divide(products, rows, out=out)


def stddev_pop(squares: Array, rows: int, *, out: Array) -> None:
    """Write the population standard deviation of `rows` bars, from the sum of their squared deviations."""
    np.divide(squares, rows, out=out)
    np.sqrt(out, out=out)


def total_sum(x: Array, *, out: Array) -> None:
    """Write the sum of all bars so far, NaN before the first number."""
    np.cumsum(x, axis=1, out=out)
    if np.isnan(out[:, -1]).any():
        lacking = np.isnan(x)
        np.cumsum(np.where(lacking, 0.0, x), axis=1, out=out)
        out[np.logical_and.accumulate(lacking, axis=1)] = np.nan


def total_min(x: Array, *, out: Array) -> None:
    """Write the minimum of all bars so far."""
    np.fmin.accumulate(x, axis=1, out=out)


def total_max(x: Array, *, out: Array) -> None:
    """Write the maximum of all bars so far."""
    np.fmax.accumulate(x, axis=1, out=out)


def run_sum(x: Array, run: Array, *, out: Array) -> None:
    """Write the sum of the bars so far with the same number `run`, which never decreases; NaN before the first number.

    Like the extremes below, it is computed by doubling, over 2, 4, 8, … bars, up to the length of the longest run.
    """
    lacking = np.isnan(x)
    if not lacking.any():
        _run(np.add, x, run, out)
        return
    counts = np.empty_like(x)
    _run(np.add, (~lacking).astype(np.float64), run, counts)
    _run(np.add, np.where(lacking, 0.0, x), run, out)
    out[counts == 0] = np.nan


def run_min(x: Array, run: Array, *, out: Array) -> None:
    """Write the minimum of the bars so far with the same number `run`, which never decreases."""
    _run(np.fmin, x, run, out)


def run_max(x: Array, run: Array, *, out: Array) -> None:
    """Write the maximum of the bars so far with the same number `run`, which never decreases."""
    _run(np.fmax, x, run, out)


def _run(join: np.ufunc, x: Array, run: Array, out: Array) -> None:
    np.copyto(out, x)
    offset = 1
    while offset < x.shape[1]:
        continues = run[:, offset:] == run[:, :-offset]
        if not continues.any():
            return
        np.copyto(out[:, offset:], join(out[:, offset:], out[:, :-offset]), where=continues)
        offset *= 2


def decayed(x: Array, q: float, *, out: Array) -> None:
    """Write the recursion y[k] = x[k] + q * y[k - 1]: within 32 bars as a product, and from each 32 to the next.

    The products are many and small, so that BLAS computes each in its own thread. A number that is not finite would
    reach earlier bars, with a weight of 0: then the recursion is computed by doubling.
    """
    symbols, bars = x.shape
    triangles = bars // SIDE
    if triangles > MAX_TRIANGLES or bars % SIDE:
        doubled(x, q, out=out)
        return
    inside, across, ahead = _weights(q, triangles)
    y = out.reshape(symbols, triangles, SIDE)
    np.matmul(x.reshape(symbols, triangles, SIDE), inside, out=y)
    carried = np.matmul(y[:, None, :, -1], across)[:, 0]
    if np.isfinite(carried[:, -1]).all() and np.isfinite(out[:, -1]).all():
        y += carried[:, :, None] * ahead
    else:
        doubled(x, q, out=out)


@cache
def _weights(q: float, triangles: int) -> tuple[Array, Array, Array]:
    """Return the weights of x within a triangle, of a triangle's last y in those after, and per bar of the next."""
    bar, triangle = np.arange(SIDE), np.arange(triangles)
    ages, distances = bar[:, None] - bar, triangle[:, None] - triangle
    inside = np.where(ages >= 0, q ** np.maximum(ages, 0.0), 0.0)
    across = np.where(distances > 0, (q**SIDE) ** np.maximum(distances - 1.0, 0.0), 0.0)
    return np.ascontiguousarray(inside.T), np.ascontiguousarray(across.T), q ** np.arange(1.0, SIDE + 1)


def doubled(x: Array, q: float, *, out: Array) -> None:
    """Write the same recursion as `decayed` by doubling: y[k] + q^n * y[k - n] for n = 1, 2, 4, … NaN counts as 0.

    It is NaN before the first number.
    """
    lacking = np.isnan(x)
    np.copyto(out, x)
    out[lacking] = 0.0
    offset = 1
    while offset < x.shape[1] and (weight := q**offset) > SMALLEST:
        out[:, offset:] += out[:, :-offset] * weight
        offset *= 2
    out[np.logical_and.accumulate(lacking, axis=1)] = np.nan


def max_pair(x: Array, second: Array, rows: int, *, out: tuple[Array, Array]) -> None:
    """Write the largest pair (x, second) of the last `rows` bars; pairs compare by x, then by second."""
    _extreme_pair(np.greater, x, second, rows, out)


def min_pair(x: Array, second: Array, rows: int, *, out: tuple[Array, Array]) -> None:
    """Write the smallest pair (x, second) of the last `rows` bars; pairs compare by x, then by second."""
    _extreme_pair(np.less, x, second, rows, out)


def _extreme_pair(beats: np.ufunc, x: Array, second: Array, rows: int, out: tuple[Array, Array]) -> None:
    best, other = out
    np.copyto(best, x)
    np.copyto(other, second)
    length = 1
    while length < rows:
        offset = min(length, rows - length)
        old, old_other = best[:, :-offset].copy(), other[:, :-offset].copy()
        new, new_other = best[:, offset:], other[:, offset:]
        is_older = beats(old, new) | ((old == new) & beats(old_other, new_other))
        np.copyto(new, old, where=is_older)
        np.copyto(new_other, old_other, where=is_older)
        length += offset


def each(x: Array, rows: int, lagged: Array) -> Iterator[int]:
    """Write the values of the last `rows` bars to `lagged`, one after the other; yield how many bars before each is."""
    for offset in range(min(rows, x.shape[1])):
        lagged[:, :offset] = np.nan
        lagged[:, offset:] = x[:, : x.shape[1] - offset]
        yield offset


def accumulate(total: Array, lacking: Array, values: Array, offset: int) -> None:
    """Add values to a total, from bar `offset` on, and to `lacking` the number of those that are NaN."""
    part = values[:, offset:]
    is_nan = np.isnan(part)
    if is_nan.any():
        part = np.where(is_nan, 0.0, part)
        lacking[:, offset:] += is_nan
    total[:, offset:] += part


def list_avg(total: Array, lacking: Array, rows: int) -> None:
    """Divide a total by the number of its values, in place."""
    total /= np.minimum(np.arange(1.0, total.shape[1] + 1), rows) - lacking


def list_sum(total: Array, lacking: Array, rows: int) -> None:
    """Replace a total of no values by NaN, in place."""
    total[np.minimum(np.arange(1.0, total.shape[1] + 1), rows) == lacking] = np.nan
