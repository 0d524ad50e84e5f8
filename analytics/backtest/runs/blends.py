"""Reads several strategies for one account from a configuration file and the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stockstream.analytics.backtest.model import Strategy, current_names
from stockstream.analytics.backtest.runs.load import configuration_of, find_strategy, make_strategy
from stockstream.analytics.backtest.runs.parameters import configured_values, parameter_space
from stockstream.sql.errors import UsageError


@dataclass
class Sleeve:
    """A strategy of a blend."""

    kind: type[Strategy]
    weight: float
    """Per cent of the initial capital."""
    params: dict[str, Any]

    def strategy(self, texts: Sequence[str]) -> Strategy:
        """Return the strategy; `texts` are parameters as in `parameter_space`, which override those of the file.

        Raises:
            UsageError: it has no such parameter or rejects its value, or a parameter has several values.
        """
        choices = {name: configured_values(self.kind, name, value) for name, value in self.params.items()}
        space = parameter_space(self.kind, texts, choices)
        if several := [name for name, values in space.items() if len(values) != 1]:
            raise UsageError(f"--param {several[0]}: a strategy of a blend has one value per parameter")
        return make_strategy(self.kind, {name: values[0] for name, values in space.items()})


@dataclass
class BlendRun:
    """A run of several strategies in one account."""

    strategies: dict[str, tuple[Strategy, float]]
    """The strategy and its weight in per cent, by name."""
    settings: dict[str, Any]
    """The fields of `Setup`, and other keyword arguments of `blend`."""


def read_blend(
    config: Path | None, parts: Sequence[str], name: str | None, texts: Sequence[str], settings: Mapping[str, Any]
) -> BlendRun | None:
    """Return the run of several strategies that a file or the command line describes; None if neither does.

    Args:
        config: a TOML file, as for `read_run`, with a table `[blend.NAME]` per strategy: strategy, weight, params.
        parts: `STRATEGY=WEIGHT` or `NAME=STRATEGY=WEIGHT`; override the file's.
        name: a single strategy, which contradicts a blend.
        texts: parameters of the strategies as `NAME.fast=10`; override the file's.
        settings: fields of `Setup`; override the file's.

    Raises:
        UsageError: the file or a strategy does not exist, a weight is no number, or a name has no strategy.
    """
    configuration = configuration_of(config) if config is not None else {}
    tables: Mapping[str, Any] = configuration.pop("blend", {})
    if not parts and not tables:
        return None
    if name or configuration.pop("strategy", None) or configuration.pop("params", None):
        raise UsageError(
            "--blend: several strategies, or a single one (--strategy, or strategy and params in the file)"
        )
    sleeves = dict(map(_part_of, parts)) if parts else {key: _sleeve_of(key, table) for key, table in tables.items()}
    if len(sleeves) < len(parts):
        raise UsageError("--blend: two strategies have the same name: write --blend other=STRATEGY=WEIGHT")
    values: dict[str, list[str]] = {key: [] for key in sleeves}
    for text in texts:
        key, dot, rest = text.partition(".")
        if not dot or key not in values or "=" in key:
            raise UsageError(f"--param {text}: name the strategy, as {next(iter(sleeves))}.{text.rpartition('.')[2]}")
        values[key].append(rest)
    strategies = {key: (sleeve.strategy(values[key]), sleeve.weight) for key, sleeve in sleeves.items()}
    return BlendRun(strategies, configuration | current_names(settings))


def _part_of(text: str) -> tuple[str, Sleeve]:
    """Return the name and the strategy of `STRATEGY=WEIGHT` or `NAME=STRATEGY=WEIGHT`."""
    *names, weight = text.split("=")
    if not 1 <= len(names) <= 2 or not all(names):
        raise UsageError(f"--blend {text}: write STRATEGY=WEIGHT, such as BuyAndHold=60, or NAME=STRATEGY=WEIGHT")
    try:
        share = float(weight)
    except ValueError:
        raise UsageError(f"--blend {text}: {weight} is no weight in per cent") from None
    strategy = find_strategy(names[-1])
    return _checked_name(names[0] if len(names) == 2 else strategy.__name__), Sleeve(strategy, share, {})


def _sleeve_of(key: str, table: Any) -> Sleeve:
    """Return the strategy of a table `[blend.NAME]` of a configuration file."""
    fields: dict[str, Any] = table if isinstance(table, dict) else {}
    weight, params = fields.get("weight"), fields.get("params", {})
    is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not (isinstance(fields.get("strategy"), str) and is_number and isinstance(params, dict)):
        raise UsageError(f"[blend.{key}]: it needs strategy, a text, and weight, a number; params is a table")
    if unknown := fields.keys() - {"strategy", "weight", "params"}:
        raise UsageError(f"[blend.{key}]: there is no {min(unknown)}: there are strategy, weight and params")
    _checked_name(key)
    return Sleeve(find_strategy(fields["strategy"]), float(fields["weight"]), params)


def _checked_name(name: str) -> str:
    """Return a name of a strategy in a blend, which is also that of a folder and begins its parameters."""
    if not re.fullmatch(r"\w[\w-]*", name):
        raise UsageError(f"--blend: {name} cannot be a name: write letters, digits, _ and -")
    return name
