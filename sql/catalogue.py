"""The indicators there are: one file a version, `sql/indicators/<family>/<name>_vN.sql`, ours and a person's own."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

import sqlglot
from duckdb import DuckDBPyConnection
from sqlglot import exp

from stockstream.sql.errors import UsageError
from stockstream.sql.loader import HOME, SqlFile, read

FOLDER = HOME / "indicators"
KERNELS = ("indicators/kernels/at_least_v1", "indicators/kernels/decayed_v1")
"""What the indicators are written with."""
REQUIRED = (
    "version",
    "title",
    "params",
    "columns",
    "returns",
    "warmup",
    "lookback",
    "formula",
    "reference",
    "changes",
)


@dataclass(frozen=True)
class Indicator:
    """One version of an indicator: its macro `name_vN(src, parameters…)`, and what the header says of it."""

    name: str
    version: int
    family: str
    file: SqlFile = field(repr=False)

    @property
    def macro(self) -> str:
        """The name of its macro in DuckDB."""
        return f"{self.name}_v{self.version}"

    @property
    def params(self) -> dict[str, Any]:
        """Its parameters in order, with their defaults; of `value` and the like an expression."""
        return dict(self.file.header["params"])

    @property
    def periods(self) -> dict[str, float]:
        """Its parameters that are numbers."""
        return {name: default for name, default in self.params.items() if not isinstance(default, str)}

    @property
    def values(self) -> dict[str, str]:
        """Its parameters that are expressions of columns, such as `value`."""
        return {name: default for name, default in self.params.items() if isinstance(default, str)}

    @property
    def returns(self) -> tuple[str, ...]:
        """Its columns, beside symbol and date."""
        return tuple(self.file.header["returns"])

    @cached_property
    def query(self) -> exp.Query:
        """The body of its macro."""
        return cast(exp.Query, _macro(self.file).expression)


class Catalogue:
    """All versions of all indicators; of a name the newest one that is active unless another is asked for."""

    def __init__(self, indicators: Sequence[Indicator]) -> None:
        self.indicators = tuple(indicators)
        newest = {one.name: one for one in sorted(indicators, key=lambda one: one.version)}
        self._named: dict[str, Indicator] = newest | {one.macro: one for one in indicators}
        self._of_column = {column: one for one in newest.values() for column in one.returns}

    @property
    def newest(self) -> tuple[Indicator, ...]:
        """The newest version of each."""
        return tuple(one for name, one in self._named.items() if name == one.name)

    def find(self, name: str) -> tuple[Indicator, tuple[str, ...]]:
        """Give the indicator of a name (`rsi`, `rsi_v1`, or a column of it), and the columns that are meant.

        Raises:
            UsageError: there is none.
        """
        if name in self._of_column:
            return self._of_column[name], (name,)
        if name in self._named:
            return self._named[name], self._named[name].returns
        known = sorted({*self._named, *self._of_column})
        near = difflib.get_close_matches(name, known, 3)
        raise UsageError(
            f"there is no indicator {name}: "
            + (f"is {' or '.join(near)} meant?" if near else "`stockstream indicators list` has them all")
        )

    def install(self, con: DuckDBPyConnection) -> None:
        """Make all macros on a connection: each version, and by its name the newest one with its defaults."""
        for file in (*(read(HOME / f"{name}.sql") for name in KERNELS), *(one.file for one in self.indicators)):
            con.execute(file.text)  # one by one: DuckDB's parser takes two files' windows of a name for the same
        con.execute(aliases(self.newest))


@cache
def catalogue(*folders: Path) -> Catalogue:
    """Read the indicators that we ship, and those in other folders: any `*_vN.sql` in them, however deep.

    Raises:
        UsageError: there is no such folder, or a file in it is no indicator.
    """
    found: dict[str, Indicator] = {}
    for folder in (FOLDER, *folders):
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder of indicators: it should have files such as my_average_v1.sql")
        for one in _indicators(folder):
            if one.macro in found:
                raise UsageError(f"{one.file.path}: {found[one.macro].file.path} has that name and version already")
            found[one.macro] = one
    return Catalogue(list(found.values()))


def aliases(indicators: Sequence[Indicator]) -> str:
    """Write the macros without a version: `rsi(src, n := 14)`, and `rsi(src, n, value)` for another value."""
    return "\n".join(map(_alias, indicators))


def _alias(one: Indicator) -> str:
    columns = ", ".join(("symbol", "date", *one.returns))
    defaults = ", ".join(["src", *(f"{name} := {default}" for name, default in one.periods.items())])
    arguments = ", ".join(["src", *one.periods, *one.values.values()])
    text = f"CREATE OR REPLACE MACRO {one.name}\n({defaults}) AS TABLE (\n"
    text += f"    SELECT {columns}\n    FROM {one.macro}({arguments})\n)"
    if one.values:
        names = ", ".join(["src", *one.params])
        text += f",\n({names}) AS TABLE (\n    SELECT {columns}\n    FROM {one.macro}({names})\n)"
    title = one.file.header["title"].replace("'", "''")
    return f"{text};\nCOMMENT ON MACRO TABLE {one.name} IS '{title}';\n"


def _indicators(folder: Path) -> Iterator[Indicator]:
    for path in sorted(folder.rglob("*_v*.sql")):
        if path.parent.name == "kernels":
            continue
        try:
            yield _indicator(path)
        except (ValueError, sqlglot.errors.SqlglotError) as error:
            raise UsageError(f"{path}: {str(error).splitlines()[0]}") from None


def _indicator(path: Path) -> Indicator:
    file = read(path)
    header: Mapping[str, Any] = file.header
    missing = [name for name in ("name", *REQUIRED) if header.get(name) is None]
    if missing:
        raise ValueError(f"the header lacks {', '.join(missing)}")
    one = Indicator(header["name"], header["version"], path.parent.name, file)
    if path.stem != one.macro:
        raise ValueError(f"the header says {one.name}, version {one.version}: the file is to be called {one.macro}.sql")
    macro = _macro(file)
    if macro.this.this.name != one.macro:
        raise ValueError(f"the macro is called {macro.this.this.name}, the header says {one.macro}")
    parameters = [parameter.name for parameter in macro.this.expressions]
    declared = ["src", *one.periods, *one.values]
    if parameters != declared:
        raise ValueError(f"the macro takes ({', '.join(parameters)}), the header says ({', '.join(declared)})")
    columns = macro.expression.named_selects
    if columns != ["symbol", "date", *one.returns]:
        raise ValueError(
            f"the macro gives {', '.join(columns)}; the header says symbol, date, {', '.join(one.returns)}"
        )
    return one


def _macro(file: SqlFile) -> exp.Create:
    """Parse a file's one statement."""
    statements = [one for one in sqlglot.parse(file.text.split("--- */", 1)[1], dialect="duckdb") if one is not None]
    macro = statements[0] if len(statements) == 1 else None
    if (
        not isinstance(macro, exp.Create)
        or not isinstance(macro.this, exp.UserDefinedFunction)
        or not isinstance(macro.expression, exp.Query)
    ):
        raise ValueError("it should be one CREATE OR REPLACE MACRO … AS TABLE after the header")
    return macro
