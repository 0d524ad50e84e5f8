"""What the generated statements call besides numpy and the kernels: choices, ranges of bars, and checks of domains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import duckdb
import numpy as np
from numpy.typing import NDArray

from stockstream.sql.compiler.arrays.kernels import Array

Mask = NDArray[np.bool_]


def select(mask: Mask, yes: Array | float, no: Array | float, scratch: Array, *, out: Array) -> None:
    """Write `yes` where a mask is true, `no` elsewhere: by their bits, which costs a quarter of a masked copy."""
    keep, bits = out.view(np.int64), scratch.view(np.int64)
    np.copyto(keep, mask)
    np.negative(keep, out=keep)
    other = _bits(no)
    np.bitwise_xor(_bits(yes), other, out=bits)
    keep &= bits
    keep ^= other


def _bits(x: Array | float) -> NDArray[np.int64] | np.int64:
    return np.float64(x).view(np.int64) if isinstance(x, float) else x.view(np.int64)


def ranges(bars: int, *masks: Mask | bool) -> list[tuple[int, int, int]]:
    """Return (first bar, end, number of the first mask that is true, or the number of masks) of each range."""
    which = np.full(bars, len(masks))
    for at in range(len(masks) - 1, -1, -1):
        which[np.broadcast_to(masks[at], bars)] = at
    cuts = [0, *(np.flatnonzero(np.diff(which)) + 1).tolist(), bars]
    return [(a, b, int(which[a])) for a, b in pairwise(cuts)]


def check(domain: str, x: Array, path: Sequence[tuple[Mask | bool, bool]], valid: Callable[[], Mask]) -> None:
    """Check that a function is defined for x, in the cells of branches that are taken.

    Args:
        domain: of the `logarithm` or the square `root`.
        x: the argument; NaN is NULL, which is allowed.
        path: masks of the branches around it, each with the value that it must have.
        valid: returns the mask of the cells that are bars, not padding.

    Raises:
        duckdb.OutOfRangeException: as DuckDB does.
    """
    outside = x <= 0 if domain == "logarithm" else x < 0
    if not outside.any():
        return
    outside &= valid()
    for mask, value in path:
        outside &= mask if value else np.logical_not(mask)
    if outside.any():
        raise duckdb.OutOfRangeException(f"Out of Range Error: cannot take {domain} of {x[outside][0]:g}")
