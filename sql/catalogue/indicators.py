"""The available indicators: one file per version, `sql/indicators/FAMILY/NAME_vN.sql`, and a person's own folders."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import cast

import sqlglot
from duckdb import DuckDBPyConnection
from sqlglot import exp

from stockstream.sql.catalogue.header import IndicatorHeader, parse_header
from stockstream.sql.catalogue.kernels import kernel_files, macro_of
from stockstream.sql.errors import UsageError
from stockstream.sql.loader import HOME, SqlFile, read

FOLDER = HOME / "indicators"


@dataclass(frozen=True)
class Indicator:
    """One version of an indicator: its macro `name_vN(src, parameters…)` and its header."""

    family: str
    header: IndicatorHeader = field(repr=False, compare=False)
    file: SqlFile = field(repr=False)

    @property
    def name(self) -> str:
        """Name without the version."""
        return self.header.name

    @property
    def version(self) -> int:
        """Version, from 1 on."""
        return self.header.version

    @property
    def macro(self) -> str:
        """Name of its macro in DuckDB."""
        return f"{self.name}_v{self.version}"

    @property
    def params(self) -> dict[str, int | float | str]:
        """Parameters in order, with their defaults; of `value` and the like an expression."""
        return self.header.params

    @property
    def periods(self) -> dict[str, int | float]:
        """Parameters that are numbers."""
        return self.header.periods

    @property
    def values(self) -> dict[str, str]:
        """Parameters that are expressions of columns, such as `value`."""
        return self.header.values

    @property
    def returns(self) -> tuple[str, ...]:
        """Columns of the result, beside symbol and date."""
        return self.header.returns

    @property
    def signature(self) -> str:
        """How the name without a version is called, with its defaults: `rsi(src, n := 14)`."""
        return f"{self.name}({', '.join(['src', *(f'{name} := {value}' for name, value in self.periods.items())])})"

    @cached_property
    def query(self) -> exp.Query:
        """Body of its macro."""
        return cast(exp.Query, macro_of(self.file).expression)


class Catalogue:
    """All versions of all indicators; a name stands for the newest active version of it."""

    def __init__(self, indicators: Sequence[Indicator]) -> None:
        self.indicators = tuple(indicators)
        """Every version, superseded ones included."""
        self.active = tuple(one for one in indicators if one.header.status == "active")
        """The versions that lists show."""
        newest = {one.name: one for one in sorted(self.active, key=lambda one: one.version)}
        self.newest = tuple(newest.values())
        """The newest active version of each."""
        self._named: dict[str, Indicator] = newest | {one.macro: one for one in indicators}
        self._of_column = {column: one for one in newest.values() for column in one.returns}

    def find(self, name: str) -> tuple[Indicator, tuple[str, ...]]:
        """Return the indicator called `rsi`, `rsi_v1`, or by one of its columns, and the columns that are meant.

        Raises:
            UsageError: there is no such indicator; the message suggests similar names.
        """
        if name in self._of_column:
            return self._of_column[name], (name,)
        if name in self._named:
            return self._named[name], self._named[name].returns
        near = self._similar(name)
        raise UsageError(
            f"there is no indicator {name}: "
            + (f"is {' or '.join(near)} meant?" if near else "`stockstream indicators list` lists all")
        )

    def _similar(self, name: str) -> list[str]:
        """Return names that may be meant: of rsi14 or RSI-14 it is rsi_14."""
        unique = sorted({*self._of_column, *self._named})
        if match := re.fullmatch(r"([a-z_]*[a-z])[\s_-]*(\d+(?:\.\d+)?)", name.lower()):
            if match[1] in unique:
                return [f"{match[1]}_{match[2]}"]
            return [f"{one}_{match[2]}" for one in difflib.get_close_matches(match[1], unique, 3)]
        return difflib.get_close_matches(name.lower(), unique, 3)

    def install(self, con: DuckDBPyConnection) -> None:
        """Create all macros on a connection: each version, and for each name the newest one with its defaults."""
        for file in (*kernel_files(), *(one.file for one in self.indicators)):
            con.execute(file.text)  # one by one: DuckDB's parser takes two files' windows of a name for the same
        con.execute(aliases(self.newest))


@cache
def catalogue(*folders: Path) -> Catalogue:
    """Read the indicators that are shipped, and those in other folders: any `*_vN.sql` in them, at any depth.

    Raises:
        UsageError: there is no such folder, or a file in it is not an indicator; the message names file and field.
    """
    indicators: dict[str, Indicator] = {}
    for folder in (FOLDER, *folders):
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder of indicators: it should have files such as my_average_v1.sql")
        for one in _read_folder(folder):
            if one.macro in indicators:
                raise UsageError(f"{one.file.path}: {indicators[one.macro].file.path} has the same name and version")
            indicators[one.macro] = one
    return Catalogue(list(indicators.values()))


def aliases(indicators: Sequence[Indicator]) -> str:
    """Return the SQL of the macros without a version: `rsi(src, n := 14)`, and `rsi(src, n, value)`."""
    return "\n".join(map(_alias, indicators))


def _alias(one: Indicator) -> str:
    columns = ", ".join(("symbol", "date", *one.returns))
    defaults = one.signature.removeprefix(one.name)
    arguments = ", ".join(["src", *one.periods, *one.values.values()])
    text = f"CREATE OR REPLACE MACRO {one.name}\n{defaults} AS TABLE (\n"
    text += f"    SELECT {columns}\n    FROM {one.macro}({arguments})\n)"
    if one.values:
        names = ", ".join(["src", *one.params])
        text += f",\n({names}) AS TABLE (\n    SELECT {columns}\n    FROM {one.macro}({names})\n)"
    title = one.header.title.replace("'", "''")
    return f"{text};\nCOMMENT ON MACRO TABLE {one.name} IS '{title}';\n"


def _read_folder(folder: Path) -> Iterator[Indicator]:
    for path in sorted(folder.rglob("*_v*.sql")):
        if path.parent.name == "kernels":
            continue
        try:
            one = _read_indicator(path)
            if folder != FOLDER:  # a test checks those that are shipped: parsing them all takes a quarter of a second
                check_macro(one)
            elif one.header.difference is None:
                raise ValueError("the header lacks difference, which the indicators that are shipped must have")
        except (ValueError, sqlglot.errors.SqlglotError) as error:
            raise UsageError(f"{path}: {str(error).splitlines()[0]}") from None
        yield one


def _read_indicator(path: Path) -> Indicator:
    file = read(path)
    one = Indicator(path.parent.name, parse_header(file.header), file)
    if path.stem != one.macro:
        raise ValueError(f"the header has name {one.name}, version {one.version}: call the file {one.macro}.sql")
    return one


def check_macro(one: Indicator) -> None:
    """Compare the macro with the header.

    Raises:
        ValueError: its name, parameters or columns are not those of the header.
    """
    macro = macro_of(one.file)
    if not isinstance(macro.expression, exp.Query):
        raise ValueError("expected one CREATE OR REPLACE MACRO … AS TABLE after the header")
    if macro.this.this.name != one.macro:
        raise ValueError(f"the macro is called {macro.this.this.name}, by the header it is {one.macro}")
    parameters = [parameter.name for parameter in macro.this.expressions]
    expected = ["src", *one.periods, *one.values]
    if parameters != expected:
        raise ValueError(f"the macro takes ({', '.join(parameters)}), by the header's params ({', '.join(expected)})")
    columns = macro.expression.named_selects
    if columns != ["symbol", "date", *one.returns]:
        raise ValueError(
            f"the macro returns {', '.join(columns)}; by the header's returns symbol, date, {', '.join(one.returns)}"
        )
