"""Kernels of the indicators whose state at a bar follows from the state before: a loop over bars, for all symbols at
once.

Their SQL files fold lists, which has no equivalent in arrays. A released version never changes, so a kernel belongs to
exact versions; it takes the columns of one of the file's CTEs, and a test compares it with the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sqlglot import exp, parse_one

from stockstream.sql.compiler.arrays.kernels import Array
from stockstream.sql.compiler.arrays.lowering import Arrays
from stockstream.sql.compiler.graph import Columns, Graph, constant
from stockstream.sql.compiler.reader import Reader
from stockstream.sql.compiler.requests import Request


@dataclass(frozen=True)
class Fold:
    """Which columns a kernel takes, and what it returns."""

    kernel: str
    cte: str
    """The CTE of the indicator's file with the columns."""
    columns: tuple[str, ...]
    parameters: tuple[str, ...]
    """Names of the indicator's parameters that follow the columns."""
    returns: tuple[str, ...]


def _psar(*parameters: str) -> Fold:
    return Fold("psar", "bars", ("h", "l"), parameters, ("psar",))


def _supertrend() -> Fold:
    returns = ("supertrend", "supertrend_direction")
    return Fold("supertrend", "bands", ("x", "before", "middle", "distance"), ("n",), returns)


FOLDS: Mapping[str, Fold] = {
    "psar_v1": _psar("step", "most"),
    "psar_v2": _psar("acceleration", "maximum"),
    "psar_v3": _psar("acceleration", "maximum"),
    "supertrend_v1": _supertrend(),
    "supertrend_v2": _supertrend(),
    "supertrend_v3": _supertrend(),
    "mcginley_v1": Fold("mcginley", "means", ("x", "mean"), ("n", "factor"), ("mcginley",)),
    "fisher_v1": Fold("fisher", "extremes", ("x", "highest", "lowest"), ("n",), ("fisher", "fisher_signal")),
}
"""By the name of the macro."""


def read_fold(fold: Fold, reader: Reader, graph: Graph, lowering: Arrays, request: Request) -> Columns:
    """Add a fold to a graph, and return its columns."""
    ctes: list[str] = []
    for cte in request.indicator.query.ctes:
        ctes.append(cte.sql("duckdb"))
        if cte.alias == fold.cte:
            break
    body = parse_one(f"WITH {', '.join(ctes)} SELECT {', '.join(fold.columns)} FROM {fold.cte}", dialect="duckdb")
    assert isinstance(body, exp.Query)
    arguments = dict(request.arguments)
    columns = reader.columns(body, arguments)
    numbers = [repr(constant(parse_one(arguments[name], dialect="duckdb"))) for name in fold.parameters]
    references = [graph.add(columns[name]) for name in fold.columns]
    node = graph.add(f"{fold.kernel}({', '.join([*references, *numbers])})", is_window=True)
    if len(fold.returns) == 1:
        return {fold.returns[0]: node}
    lowering.fields[int(node[1:-1])] = fold.returns
    return {name: graph.add(f"STRUCT_EXTRACT({node}, '{name}')") for name in fold.returns}


def psar(high: Array, low: Array, acceleration: float, maximum: float, *, out: Array) -> None:
    """Write the parabolic stop and reverse; see `sql/indicators/trend/psar_v3.sql`, whose names the variables have."""
    symbols, bars = high.shape
    highs, lows = np.ascontiguousarray(high.T), np.ascontiguousarray(low.T)
    stops = np.empty((bars, symbols))
    stops[0] = np.nan
    if bars > 1:
        up = lows[0] - lows[1] <= np.maximum(highs[1] - highs[0], 0)
        a = np.full(symbols, acceleration)
        extreme, following = np.where(up, highs[1], lows[1]), np.where(up, lows[0], highs[0])
    for k in range(1, bars):
        h, l = highs[k], lows[k]  # noqa: E741
        highest = h if k == 1 else np.maximum(h, highs[k - 1])
        lowest = l if k == 1 else np.minimum(l, lows[k - 1])
        is_rising, is_falling = up & (l > following), ~up & (h < following)
        continues = is_rising | is_falling
        is_new = np.where(up, h > extreme, l < extreme)
        a = np.where(continues, np.where(is_new, np.minimum(a + acceleration, maximum), a), acceleration)
        top, bottom = np.maximum(extreme, h), np.minimum(extreme, l)
        turn = np.where(up, np.maximum(extreme, highest), np.minimum(extreme, lowest))
        stops[k] = np.where(continues, following, turn)
        step = np.where(continues, following, turn)
        target = np.where(continues, np.where(up, top, bottom), np.where(up, l, h))
        step = step + np.where(continues, a, acceleration) * (target - step)
        # Below the last two lows after a rise or a turn up, above the last two highs otherwise.
        up = is_rising | ~(up | is_falling)
        following = np.where(up, np.minimum(lowest, step), np.maximum(highest, step))
        extreme = np.where(up, top, bottom)
    out[...] = stops.T


def supertrend(x: Array, before: Array, middle: Array, distance: Array, n: float, *, out: tuple[Array, Array]) -> None:
    """Write line and direction; see `sql/indicators/trend/supertrend_v3.sql`, whose names the variables have."""
    symbols, bars = x.shape
    start = int(n)
    lines, directions = np.full((bars, symbols), np.nan), np.full((bars, symbols), np.nan)
    closes, previous = np.ascontiguousarray(x.T), np.ascontiguousarray(before.T)
    uppers, lowers = np.ascontiguousarray((middle + distance).T), np.ascontiguousarray((middle - distance).T)
    if bars > start:
        upper, lower = uppers[start], lowers[start]
        up = closes[start] > np.where(closes[start] >= middle[:, start], lower, upper)
    for k in range(start, bars):
        if k > start:
            last, new_upper, new_lower = previous[k], uppers[k], lowers[k]
            upper = np.where((last <= upper) & (upper <= new_upper), upper, new_upper)
            lower = np.where((new_lower <= lower) & (lower <= last), lower, new_lower)
            up = closes[k] > np.where(up, lower, upper)
        lines[k] = np.where(up, lower, upper)
        directions[k] = np.where(up, 1.0, -1.0)
    out[0][...], out[1][...] = lines.T, directions.T


def mcginley(x: Array, mean: Array, n: float, factor: float, *, out: Array) -> None:
    """Write McGinley's average; see `sql/indicators/trend/mcginley_v1.sql`. `mean` is not NaN at bar n - 1 only."""
    start = int(n) - 1
    values, lines = np.ascontiguousarray(x.T), np.full((x.shape[1], x.shape[0]), np.nan)
    if len(lines) > start:
        y = lines[start] = mean[:, start]
    for k in range(start + 1, len(lines)):
        divisor = factor * n * (values[k] / y) ** 4
        y = lines[k] = np.where((y == 0) | (divisor <= 1), values[k], y + (values[k] - y) / divisor)
    out[...] = lines.T


def fisher(x: Array, highest: Array, lowest: Array, n: float, *, out: tuple[Array, Array]) -> None:
    """Write Fisher's transform and its signal; see `sql/indicators/momentum/fisher_v1.sql`."""
    start = int(n) - 1
    span = highest - lowest
    is_flat = ~(span > 1e-14 * (np.abs(highest) + np.abs(lowest)))
    places = np.ascontiguousarray(np.where(is_flat, np.nan, 0.66 * ((x - lowest) / span - 0.5)).T)
    lines = np.full((x.shape[1] + 1, x.shape[0]), np.nan)
    v, line = np.zeros(x.shape[0]), np.zeros(x.shape[0])
    for k in range(start, len(places)):
        v = places[k] + 0.67 * v
        v = np.where(np.isnan(v), 0.0, np.where(v > 0.99, 0.999, np.where(v < -0.99, -0.999, v)))
        line = lines[k + 1] = 0.5 * np.log((1 + v) / (1 - v)) + 0.5 * line
    out[0][...], out[1][...] = lines[1:].T, lines[:-1].T
