"""Loads a strategy by its name or from its file, and the settings of a run from a configuration file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stockstream.analytics.backtest.model import (
    FORMER_NAMES,
    Setup,
    Strategy,
    current_names,
    module_of,
    strategies_in,
)
from stockstream.analytics.backtest.runs.parameters import configured_values, parameter_grid, parameter_space
from stockstream.analytics.backtest.strategies import SHIPPED
from stockstream.sql.errors import UsageError, did_you_mean
from stockstream.sql.plugins import entry_points


@dataclass
class Run:
    """A run as a configuration file and the command line describe it."""

    strategy: type[Strategy]
    factory: str
    """The strategy's name or file, from which other processes load it."""
    space: dict[str, list[Any]]
    """The values of each parameter."""
    settings: dict[str, Any]
    """The fields of `Setup`, and other keyword arguments of `backtest`, `search`, `walk_forward` and `verify`."""

    @cached_property
    def combinations(self) -> list[dict[str, Any]]:
        """The parameters of each run; one for a single run."""
        return parameter_grid(self.space)


def read_run(config: Path | None, name: str | None, texts: Sequence[str], settings: Mapping[str, Any]) -> Run:
    """Return the run that a configuration file and the command line describe.

    Args:
        config: a TOML file: the fields of `Setup`, `strategy`, and a table `params`.
        name: the strategy's name or file; overrides the file's.
        texts: parameters as in `parameter_space`; override the file's.
        settings: fields of `Setup`; override the file's.

    Raises:
        UsageError: the file or the strategy does not exist, no strategy is named, or it has no such parameter.
    """
    configuration = configuration_of(config) if config is not None else {}
    configuration.pop("blend", None)
    configured = configuration.pop("strategy", None)
    name = name or configured
    if not name:
        raise UsageError("--strategy: name one, such as MovingAverageCrossover, or a file as my.py:MyStrategy")
    strategy = find_strategy(name)
    params: Mapping[str, Any] = configuration.pop("params", {})
    choices = {parameter: configured_values(strategy, parameter, value) for parameter, value in params.items()}
    space = parameter_space(strategy, texts, choices)
    return Run(strategy, name, space, configuration | current_names(settings))


def find_strategy(name: str) -> type[Strategy]:
    """Return the shipped or installed strategy of a name, or the class of `file.py:Class`.

    `file.py` suffices if it has only one.

    Raises:
        UsageError: there is no such strategy, or its file or package fails.
    """
    path, _, class_name = name.partition(":")
    if not path.endswith(".py"):
        if name in SHIPPED:
            return SHIPPED[name]
        added = entry_points("strategies", SHIPPED)
        if name in added:
            return added[name].load(Strategy)  # type: ignore[type-abstract]
        names = f"{', '.join([*SHIPPED, *added])}, or name a file as my.py:MyStrategy{did_you_mean(name, SHIPPED)}"
        raise UsageError(f"no strategy {name}: there are {names}")
    strategies = strategies_in(module_of(Path(path)))
    if class_name and class_name not in strategies:
        raise UsageError(f"{path} has no strategy {class_name}: it has {', '.join(strategies) or 'none'}")
    if not class_name and len(strategies) != 1:
        raise UsageError(f"{path} has {len(strategies)} strategies: name one as {path}:MyStrategy")
    return strategies[class_name or next(iter(strategies))]


def make_strategy(strategy: type[Strategy], params: Mapping[str, Any]) -> Strategy:
    """Return an instance of a strategy with its parameters.

    Raises:
        UsageError: the strategy rejects them.
    """
    try:
        return strategy(**params)
    except UsageError:
        raise
    except Exception as error:
        arguments = ", ".join(f"{name}={value!r}" for name, value in params.items())
        raise UsageError(f"{strategy.__name__}({arguments}) failed: {type(error).__name__}: {error}") from None


def configuration_of(path: Path) -> dict[str, Any]:
    """Return the settings of a configuration file, under their current names.

    Raises:
        UsageError: the file cannot be read, or has a setting that there is not.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    names = ("strategy", "params", "blend", *Setup.model_fields)
    if unknown := [name for name in settings if name not in (*names, *FORMER_NAMES)]:
        raise UsageError(f"{path}: there is no setting {unknown[0]}: there are {', '.join(names)}")
    if not isinstance(settings.get("strategy", ""), str) or not isinstance(settings.get("params", {}), dict):
        raise UsageError(f"{path}: strategy must be a text, and params a table")
    if not isinstance(settings.get("blend", {}), dict):
        raise UsageError(f"{path}: blend must be a table per strategy, [blend.NAME]")
    return current_names(settings)
