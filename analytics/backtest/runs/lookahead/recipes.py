"""How another process makes the strategy again, so that nothing of this process's memory comes with it."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType, NoneType
from typing import Any

from stockstream.analytics.backtest.model import PREFIX, Strategy
from stockstream.analytics.backtest.runs.load import find_strategy, make_strategy
from stockstream.sql.errors import ArgumentError

CLOCKS = {"today", "now", "utcnow", "time", "time_ns", "localtime", "gmtime"}
"""Names of functions that read the clock."""


@dataclass(frozen=True)
class Recipe:
    """How a process makes the strategy: from a name or a file, from a module, or by an object that it has already."""

    name: str | None = None
    """As `load.find_strategy` takes it."""
    module: str | None = None
    """The module of a class or function."""
    attribute: str | None = None
    """Its name there."""
    make: Callable[..., Strategy] | None = None
    """A class or function that no other process can import, and which is copied to it."""
    params: Mapping[str, Any] = field(default_factory=dict)

    def maker(self) -> Callable[[], Strategy]:
        """Return a function that makes new strategies; a file is executed once per call of this method."""
        if self.name is not None:
            return partial(make_strategy, find_strategy(self.name), self.params)
        make: Any = self.make
        if make is None:
            make = import_module(str(self.module))
            for name in str(self.attribute).split("."):
                make = getattr(make, name)
        return partial(_strategy, make, self.params)

    @property
    def file(self) -> Path | None:
        """The file of the strategy; None if it has none, or is shipped."""
        if self.name is not None:
            path = self.name.partition(":")[0]
            return Path(path).resolve() if path.endswith(".py") else None
        try:
            return Path(inspect.getfile(self.make or sys.modules[str(self.module)])).resolve()
        except (KeyError, TypeError, OSError):
            return None


def _strategy(make: Callable[..., Any], params: Mapping[str, Any]) -> Strategy:
    strategy = make(**params)
    if not isinstance(strategy, Strategy):
        raise ArgumentError(f"make: it returned {strategy!r}, which is no strategy")
    return strategy


def recipe_of(make: str | Callable[..., Strategy], params: Mapping[str, Any]) -> Recipe:
    """Return how another process makes a strategy.

    Raises:
        ArgumentError: `make` is neither a name nor a class or function.
    """
    if isinstance(make, str):
        return Recipe(name=make, params=params)
    if not callable(make) or isinstance(make, Strategy):
        raise ArgumentError(
            f"make: {make!r} makes no strategy: write a class, or a function that returns a new instance"
        )
    module, attribute = getattr(make, "__module__", None), getattr(make, "__qualname__", "")
    is_of_file = str(module).startswith(PREFIX)
    if is_of_file and isinstance(make, type):
        return Recipe(name=f"{inspect.getfile(make)}:{attribute}", params=params)
    if module not in (None, "__main__") and not is_of_file and _attribute(sys.modules.get(module), attribute) is make:
        return Recipe(module=module, attribute=attribute, params=params)
    return Recipe(make=make, params=params)


def _attribute(module: ModuleType | None, path: str) -> Any:
    item: Any = module
    for name in path.split("."):
        item = getattr(item, name, None)
    return item


def shared_names(make: Callable[..., Any]) -> list[str]:
    """Return the names of the objects of this process that a class or function uses, other than code and constants."""
    functions = (
        [item for item in vars(make).values() if isinstance(item, FunctionType)] if isinstance(make, type) else []
    )
    functions += [make] if isinstance(make, FunctionType) else []
    names = []
    for function in functions:
        space = inspect.getclosurevars(function)
        for name, value in {**space.globals, **space.nonlocals}.items():
            if isinstance(value, type) and issubclass(value, Strategy) and value is not make:
                names += shared_names(value) if value.__module__ == "__main__" else []
            elif not (callable(value) or isinstance(value, ModuleType | int | float | str | bytes | bool | NoneType)):
                names.append(name)
    return list(dict.fromkeys(names))


def clock_readings(file: Path) -> Iterator[str]:
    """Yield the places in a Python file that read the clock: `mine.py, line 12`."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
            yield f"{file.name}, line {node.lineno}"
