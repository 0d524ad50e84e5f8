"""The shipped strategies, to run by name or to copy from. Each file in this folder is discovered automatically."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from stockstream.analytics.backtest.model import Strategy, strategies_in

SHIPPED: dict[str, type[Strategy]] = {
    name: strategy
    for module in iter_modules(__path__)
    for name, strategy in strategies_in(import_module(f"{__name__}.{module.name}")).items()
}
"""Every strategy defined in a file of this folder, by class name."""
