"""An independent definition of which numbers of a bar cannot be, for the tests of `sql/rules`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np

PRICES = ("open", "high", "low", "close")
LARGEST = {float(2**31 - 1), float(2**31), float(2**32 - 1), float(2**32), float(2**63 - 1), float(2**64 - 1)}


def judged(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row with None in place of every number that cannot be."""
    bar = {name: x if (x := _number(row[name])) is not None and 0 < x < math.inf else None for name in PRICES}
    fillers = {name for name, x in bar.items() if x is not None and _is_filler(x)}
    others = [x for name, x in bar.items() if x is not None and name not in fillers]
    contradictory = _consistent(bar) != bar
    for name in fillers:
        if contradictory or not any(bar[name] < 10 * y and y < 10 * bar[name] for y in others):
            bar[name] = None
    result = {**row, **_consistent(bar)}
    for name, is_possible in {
        "volume": lambda x: x >= 0 and x not in (2**31 - 1, 2**32 - 1, 2**63 - 1),
        "adjusted_close": lambda x: 0 < x < math.inf,
        "dividend": lambda x: 0 <= x < math.inf,
        "split_ratio": lambda x: 0 < x < math.inf,
    }.items():
        x = _number(row[name])
        result[name] = x if x is not None and is_possible(x) else None
    return result


def _number(x: Any) -> Any:
    return None if x is None or (isinstance(x, float) and math.isnan(x)) else x


def _text(x: float) -> str:
    with np.errstate(over="ignore"):
        single = np.float32(x)
    return str(single) if float(single) == x else repr(x)


def _is_filler(x: float) -> bool:
    return x >= 99999 and (x in LARGEST or x >= 3.4028234e38 or bool(re.fullmatch(r"9{5,}(\.(0|9+))?", _text(x))))


def _decimals(x: float) -> int:
    exponent = Decimal(_text(x)).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _consistent(bar: Mapping[str, Any]) -> dict[str, Any]:
    """Return the prices without those that contradict the close, or each other."""
    noise = 0.5 / 10.0 ** max([_decimals(x) for x in bar.values() if x is not None and x < 1e7], default=0)
    open_, high, low, close = (bar[name] for name in PRICES)
    if close is None and high is not None and low is not None and high < low - noise:
        high = low = None
    if close is not None and high is not None and high < close - noise:
        high = None
    if close is not None and low is not None and low > close + noise:
        low = None
    above = open_ is not None and high is not None and open_ > high + noise
    below = open_ is not None and low is not None and open_ < low - noise
    return {"open": None if above or below else open_, "high": high, "low": low, "close": close}
