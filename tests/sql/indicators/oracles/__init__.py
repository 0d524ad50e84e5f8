"""The expected values of each indicator: one module per indicator, named like it; most call TA-Lib's function.

A module has `oracle(bars, *parameters)`, which returns the expected values per column for the bars of one symbol (NaN
for NULL), and `CASES`, the parameters to test besides the defaults, in the order of the macro's parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module

from stockstream.sql.catalogue import Indicator, catalogue
from stockstream.sql.compiler import Request
from tests.sql.indicators._bars import Bars, Columns, Oracle


@dataclass(frozen=True)
class Case:
    """One indicator with one set of parameters."""

    indicator: Indicator
    parameters: tuple[float | str, ...]
    oracle: Oracle

    @property
    def id(self) -> str:
        return f"{self.indicator.macro}({', '.join(map(str, self.parameters))})"

    @property
    def requests(self) -> list[Request]:
        """The requests of all columns, each under its own name."""
        params = self.indicator.params | dict(zip(self.indicator.params, self.parameters, strict=False))
        arguments = tuple((name, str(value)) for name, value in params.items())
        return [Request(self.indicator, arguments, column, column) for column in self.indicator.returns]

    def named(self, suffix: str) -> list[Request]:
        """Return the requests of all columns with a suffix, so that one query can compute several cases."""
        return [replace(request, name=f"{request.column}{suffix}") for request in self.requests]

    def expected(self, bars: Bars) -> Columns:
        periods = tuple(self.indicator.periods.values())
        numbers = (*self.parameters, *periods[len(self.parameters) :])
        return self.oracle(bars, *numbers)


def cases_of(one: Indicator) -> list[Case]:
    module = import_module(f"{__name__}.{one.name}")
    parameters: Sequence[tuple[float | str, ...]] = ((), *module.CASES)
    return [Case(one, each, module.oracle) for each in parameters]


def all_cases() -> list[Case]:
    """Return the cases of the newest version of each indicator."""
    return [case for one in catalogue().newest for case in cases_of(one)]
