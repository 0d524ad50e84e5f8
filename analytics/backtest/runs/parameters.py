"""Parses the parameters of a strategy: one value, a list or a range; returns all combinations of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from stockstream.analytics.backtest.model import Strategy, parameters_of
from stockstream.sql.errors import UsageError


def parameter_space(
    strategy: type[Strategy], texts: Sequence[str], choices: Mapping[str, list[Any]] | None = None
) -> dict[str, list[Any]]:
    """Return the values of each parameter.

    Args:
        strategy: the strategy; the type of a parameter's default decides how its value is parsed.
        texts: `fast=10`, `fast=5,10,20` or `fast=5:50:5` (from 5 to 50 in steps of 5).
        choices: values per further parameter; `texts` take precedence.

    Raises:
        UsageError: the strategy has no such parameter, or the value does not fit it.
    """
    values = dict(choices or {})
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--param {text}: write name=value, such as fast=10")
        values[name] = values_of(_default(strategy, name), name, value)
    return values


def plain(value: Any) -> Any:
    """Return a number of numpy as one of Python: tables, JSON and samplers know no others."""
    return value.item() if isinstance(value, np.generic) else value


def plain_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters without numbers of numpy."""
    return {name: plain(value) for name, value in params.items()}


def parameter_grid(space: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every combination of the values of `parameter_space`."""
    return [dict(zip(space, combination, strict=True)) for combination in product(*space.values())]


def configured_values(strategy: type[Strategy], name: str, value: Any) -> list[Any]:
    """Return the values of a parameter in a configuration file: several for a list, or for a text such as `5:50:5`.

    Raises:
        UsageError: the strategy has no such parameter, or the value does not fit it.
    """
    if isinstance(value, list):
        return value
    default = _default(strategy, name)
    is_range = isinstance(value, str) and isinstance(default, int | float) and not isinstance(default, bool)
    return values_of(default, name, value) if is_range else [value]


def values_of(default: Any, name: str, text: str) -> list[Any]:
    """Return the values of a text for a parameter of a name, whose default decides on their type.

    Raises:
        UsageError: it has none.
    """
    kind = type(default) if default is not inspect.Parameter.empty else None
    if kind is str or (kind is None and not _is_number(text.replace(":", "").replace(",", ""))):
        return text.split(",")
    if kind is bool:
        booleans = {"true": True, "false": False}
        if not all(item in booleans for item in text.lower().split(",")):
            raise UsageError(f"--param {name}={text}: write true or false")
        return [booleans[item] for item in text.lower().split(",")]
    try:
        if not text.isascii():  # int() reads the digits of every script
            raise ValueError
        if ":" in text:
            first, last, step = (_number(part) for part in [*text.split(":"), "1"][:3])
            if step <= 0 or last < first or text.count(":") > 2:
                raise ValueError
            return [first + at * step for at in range(int((last - first) / step + 1e-9) + 1)]
        return [_number(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--param {name}={text}: write a number, several as 5,10,20, or a range as 5:50:5") from None


def _default(strategy: type[Strategy], name: str) -> Any:
    parameters = parameters_of(strategy)
    if name not in parameters:
        takes = ", ".join(str(item).split(":")[0] + f" = {item.default}" for item in parameters.values())
        raise UsageError(f"{strategy.__name__} has no parameter {name}: it takes {takes or 'none'}")
    return parameters[name].default


def _number(text: str) -> float:
    return int(text) if text.strip().lstrip("-").isdigit() else float(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
