"""What a form needs to know of a strategy: its title and the parameters of its `__init__`."""

from __future__ import annotations

import inspect
from typing import Any

from stockstream.analytics.backtest.model import Strategy, parameters_of


def described(kind: type[Strategy]) -> dict[str, Any]:
    """Return the title and the parameters of a strategy as JSON values."""
    parameters = [
        {
            "name": name,
            "default": one.default if (is_plain := _is_plain(one.default)) else repr(one.default),
            "is_plain": is_plain or one.default is inspect.Parameter.empty,
            "is_required": one.default is inspect.Parameter.empty,
        }
        for name, one in parameters_of(kind).items()
    ]
    return {"title": (inspect.getdoc(kind) or "").split("\n")[0], "parameters": parameters}


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)
