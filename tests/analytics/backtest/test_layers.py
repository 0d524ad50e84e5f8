"""The packages of the backtester are layers: each imports only packages below it, and not their modules."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from stockstream.analytics import backtest

BACKTEST = backtest.__name__
ROOT = Path(backtest.__file__).parent
FACADE = "backtest"
"""The package itself: what strategies and scripts import."""
MAY_IMPORT = {
    "model": set(),
    "feed": {"model"},
    "stats": {"model"},
    "strategies": {"model"},
    "engine": {"model", "feed"},
    "report": {"model", "stats"},
    "runs": {"model", "feed", "stats", "strategies", "engine"},
    FACADE: {"model", "strategies", "runs"},
}


def imports(package: str) -> Iterator[tuple[str, str]]:
    """Yield the imports from other packages of the backtester: the importing module, the imported one."""
    paths = [ROOT / "__init__.py"] if package == FACADE else sorted((ROOT / package).rglob("*.py"))
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name == BACKTEST:
                    assert isinstance(node, ast.ImportFrom)
                    yield from ((path.stem, alias.name) for alias in node.names)
                elif name.startswith(f"{BACKTEST}.") and name.split(".")[3] != package:
                    yield path.stem, name.removeprefix(f"{BACKTEST}.")


def test_every_package_is_in_the_table() -> None:
    packages = {module.name for module in iter_modules(backtest.__path__)}
    assert packages | {FACADE} == set(MAY_IMPORT)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_the_table_allows_and_all_of_it(package: str) -> None:
    assert {module.split(".")[0] for _, module in imports(package)} == MAY_IMPORT[package]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_an_import_from_another_package_names_the_package(package: str) -> None:
    """`from stockstream.analytics.backtest.model import Order`, not `…model.orders`: its modules are private."""
    assert [(module, name) for module, name in imports(package) if "." in name] == []


def test_there_are_five_layers_and_fifteen_imports_without_a_circle() -> None:
    order = TopologicalSorter(MAY_IMPORT)
    order.prepare()  # raises CycleError
    layers = []
    while order.is_active():
        layers.append(sorted(order.get_ready()))
        order.done(*layers[-1])
    pairs = sum(map(len, MAY_IMPORT.values()))
    statements = sum(len(list(imports(package))) for package in MAY_IMPORT)
    print(f"{len(layers)} layers: {layers}; {pairs} imports between packages, {statements} statements")
    assert len(layers) == 5
    assert pairs <= 15


@pytest.mark.parametrize("package", [name for name in MAY_IMPORT if name != FACADE])
def test_a_package_says_in_one_line_what_it_is_for(package: str) -> None:
    text = inspect.getdoc(import_module(f"{BACKTEST}.{package}"))
    assert text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("package", [name for name in MAY_IMPORT if name != FACADE])
def test_no_module_is_named_like_a_function_in_it_or_in_its_package(package: str) -> None:
    """`import … as` would return one or the other, depending on what was imported before."""
    parent = import_module(f"{BACKTEST}.{package}")
    for module in iter_modules(parent.__path__):
        for holder in (parent, import_module(f"{parent.__name__}.{module.name}")):
            assert not inspect.isroutine(getattr(holder, module.name, None)), f"{holder.__name__}.{module.name}"


def test_all_that_is_exported_exists() -> None:
    for name in backtest.__all__:
        assert getattr(backtest, name) is not None
    assert {"Strategy", "Action", "backtest", "search", "walk_forward", "verify", "rebalance"} <= set(backtest.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Martingale'"):
        _ = backtest.Martingale
