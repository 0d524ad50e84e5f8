"""Loads a strategy by its name or from its file, and the settings of a run from a configuration file."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from stockstream.analytics.backtest.model import FORMER_NAMES, Setup, Strategy, current_names, strategies_in
from stockstream.analytics.backtest.runs.parameters import configured_values, parameter_grid, parameter_space
from stockstream.analytics.backtest.strategies import SHIPPED
from stockstream.sql.errors import UsageError, did_you_mean

MODULE = "stockstream_strategy"
"""The module name of a strategy file while it runs."""
BARE_NAMES = ("analytics", "pipeline", "sql")
"""Import names of the packages before they moved below `stockstream`."""
ROOT = Path(__file__).resolve().parents[3]
"""The folder of these packages. If it is on the path, as in a checkout, a bare name would import them a second time."""


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
    configuration = _configuration(config) if config is not None else {}
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
    """Return the shipped strategy of a name, or the class of `file.py:Class`; `file.py` suffices if it has only one.

    Raises:
        UsageError: there is no such strategy, or its file fails.
    """
    path, _, class_name = name.partition(":")
    if not path.endswith(".py"):
        if name in SHIPPED:
            return SHIPPED[name]
        names = f"{', '.join(SHIPPED)}, or name a file as my.py:MyStrategy{did_you_mean(name, SHIPPED)}"
        raise UsageError(f"no strategy {name}: there are {names}")
    strategies = strategies_in(_execute(Path(path)))
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


def _configuration(path: Path) -> dict[str, Any]:
    """Return the settings of a configuration file, under their current names."""
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    names = ("strategy", "params", *Setup.model_fields)
    if unknown := [name for name in settings if name not in (*names, *FORMER_NAMES)]:
        raise UsageError(f"{path}: there is no setting {unknown[0]}: there are {', '.join(names)}")
    if not isinstance(settings.get("strategy", ""), str) or not isinstance(settings.get("params", {}), dict):
        raise UsageError(f"{path}: strategy must be a text, and params a table")
    return current_names(settings)


def _execute(path: Path) -> ModuleType:
    """Run a strategy file as a module, and return it."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    try:
        with _imports_of(path.parent.resolve()):
            spec.loader.exec_module(module)
    except SyntaxError as error:
        raise UsageError(f"{error.filename or path}, line {error.lineno}: {error.msg}") from None
    except Exception as error:
        if isinstance(error, ImportError) and error.name in BARE_NAMES:
            raise UsageError(f"{path} imports {error.name}: write stockstream.{error.name} instead") from None
        raise UsageError(f"{path} failed: {type(error).__name__}: {error}") from None
    return module


@contextmanager
def _imports_of(folder: Path) -> Iterator[None]:
    """Let a strategy file import the modules beside it, but not this project under its bare names."""
    sys.path.insert(0, str(folder))
    sys.meta_path.insert(0, _BareNames)
    try:
        yield
    finally:
        sys.meta_path.remove(_BareNames)
        sys.path.remove(str(folder))


class _BareNames:
    """An import hook that rejects a bare name of this project, but not another package of that name (jupysql)."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Raise ModuleNotFoundError for a bare name that no other package provides; ignore other names."""
        if name in BARE_NAMES:
            spec = PathFinder.find_spec(name)
            places = [Path(place).resolve() for place in spec.submodule_search_locations or ()] if spec else []
            if spec is None or ROOT / name in places:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None
