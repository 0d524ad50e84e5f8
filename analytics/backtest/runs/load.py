"""Finds a strategy by its name or its file, and reads its parameters."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from stockstream.analytics.backtest.model.setup import Setup
from stockstream.analytics.backtest.model.strategy import Strategy
from stockstream.analytics.backtest.strategies import SHIPPED
from stockstream.sql.errors import UsageError, did_you_mean


@dataclass
class Run:
    """What is asked for by a configuration file and the command line."""

    strategy: type[Strategy]
    factory: str
    """How a process of its own finds the strategy."""
    combinations: list[dict[str, Any]]
    """Of parameters: one for a single run."""
    given: dict[str, Any]
    """The settings of `Setup`."""


def read_run(config: Path | None, name: str | None, texts: Sequence[str], given: Mapping[str, Any]) -> Run:
    """Read a configuration file (TOML: the settings of `Setup`, `strategy`, a table `params`); what is given wins.

    Raises:
        UsageError: there is no such file or strategy, no strategy is named, or it has no such parameter.
    """
    told = _config(config) if config is not None else {}
    name = name or told.get("strategy")
    if not name:
        raise UsageError("--strategy: name one, such as MovingAverageCrossover, or a file as my.py:MyStrategy")
    strategy = find(name)
    params: Mapping[str, Any] = told.get("params", {})
    choices = {parameter: _choices(strategy, parameter, value) for parameter, value in params.items()}
    settings = {setting: value for setting, value in told.items() if setting not in ("strategy", "params")}
    return Run(strategy, name, grid(strategy, texts, choices), settings | dict(given))


def find(name: str) -> type[Strategy]:
    """Give the strategy that is meant: a shipped one's name, or `file.py:Class`; `file.py` if it has just one.

    Raises:
        UsageError: there is none, or its file cannot be run.
    """
    path, _, wanted = name.partition(":")
    if not path.endswith(".py"):
        if name in SHIPPED:
            return SHIPPED[name]
        names = f"{', '.join(SHIPPED)}, or name a file as my.py:MyStrategy{did_you_mean(name, SHIPPED)}"
        raise UsageError(f"no strategy {name}: there are {names}")
    found: dict[str, type[Strategy]] = {one.__name__: one for one in _module(Path(path)) if _is_own(one)}
    if wanted and wanted not in found:
        raise UsageError(f"{path} has no strategy {wanted}: it has {', '.join(found) or 'none'}")
    if not wanted and len(found) != 1:
        raise UsageError(f"{path} has {len(found)} strategies: name one as {path}:MyStrategy")
    return found[wanted or next(iter(found))]


def make(strategy: type[Strategy], params: Mapping[str, Any]) -> Strategy:
    """Make a strategy with its parameters.

    Raises:
        UsageError: it refuses them.
    """
    try:
        return strategy(**params)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"{strategy.__name__}({_shown(params)}) failed: {type(error).__name__}: {error}") from None


def grid(
    strategy: type[Strategy], texts: Sequence[str], choices: Mapping[str, list[Any]] | None = None
) -> list[dict[str, Any]]:
    """Read parameters: `fast=10`, `fast=5,10,20`, `fast=5:50:5` (to 50 in steps of 5); give every combination of them.

    `choices` has the values of parameters that are not among them.

    Raises:
        UsageError: the strategy has no such parameter, or it is no value of its kind.
    """
    choices = dict(choices or {})
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--param {text}: write name=value, such as fast=10")
        choices[name] = _values(strategy, name, value)
    return [dict(zip(choices, chosen, strict=True)) for chosen in product(*choices.values())]


def _values(strategy: type[Strategy], name: str, text: str) -> list[Any]:
    default = _default(strategy, name)
    kind = type(default) if default is not inspect.Parameter.empty else None
    if kind is str or (kind is None and not _is_number(text.replace(":", "").replace(",", ""))):
        return text.split(",")
    if kind is bool:
        known = {"true": True, "false": False}
        if not all(one in known for one in text.lower().split(",")):
            raise UsageError(f"--param {name}={text}: write true or false")
        return [known[one] for one in text.lower().split(",")]
    try:
        if ":" in text:
            first, last, step = (_number(part) for part in [*text.split(":"), "1"][:3])
            if step <= 0 or last < first or text.count(":") > 2:
                raise ValueError
            return [first + at * step for at in range(int((last - first) / step + 1e-9) + 1)]
        return [_number(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--param {name}={text}: write a number, several as 5,10,20, or a range as 5:50:5") from None


def _config(path: Path) -> dict[str, Any]:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from None
    known = ("strategy", "params", *Setup.model_fields)
    if unknown := [name for name in told if name not in known]:
        raise UsageError(f"{path}: there is no setting {unknown[0]}: there are {', '.join(known)}")
    if not isinstance(told.get("strategy", ""), str) or not isinstance(told.get("params", {}), dict):
        raise UsageError(f"{path}: strategy is a text, and params a table")
    return told


def _choices(strategy: type[Strategy], name: str, value: Any) -> list[Any]:
    """Give the values of a parameter in a configuration file: a list is several, and a text of numbers may be."""
    if isinstance(value, list):
        return value
    default = _default(strategy, name)
    is_range = isinstance(value, str) and isinstance(default, int | float) and not isinstance(default, bool)
    return _values(strategy, name, value) if is_range else [value]


def _default(strategy: type[Strategy], name: str) -> Any:
    known = inspect.signature(strategy).parameters
    if name not in known:
        takes = ", ".join(str(parameter).split(":")[0] + f" = {parameter.default}" for parameter in known.values())
        raise UsageError(f"{strategy.__name__} has no parameter {name}: it takes {takes or 'none'}")
    return known[name].default


def _number(text: str) -> float:
    return int(text) if text.strip().lstrip("-").isdigit() else float(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _shown(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in params.items())


def _is_own(one: object) -> bool:
    return (
        isinstance(one, type) and issubclass(one, Strategy) and not inspect.isabstract(one) and one.__module__ == MODULE
    )


MODULE = "stockstream_strategy"
"""What a person's file is called while it runs."""


def _module(path: Path) -> Iterable[Any]:
    """Run a file; give what it defines."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    sys.path.insert(0, str(path.parent.resolve()))  # its neighbours can be imported
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise UsageError(f"{error.filename or path}, line {error.lineno}: {error.msg}") from None
    except Exception as error:
        raise UsageError(f"{path} failed: {type(error).__name__}: {error}") from None
    finally:
        sys.path.pop(0)
    return vars(module).values()
