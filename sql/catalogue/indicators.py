"""The available indicators: one file per version, in `sql/indicators/FAMILY/NAME_vN.sql`, in packages and in folders.

Installed packages add folders with entry points of the group `stockstream.indicators`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import cast

import sqlglot
from duckdb import DuckDBPyConnection
from sqlglot import exp

from stockstream.sql.catalogue.header import IndicatorHeader, parse_header
from stockstream.sql.catalogue.kernels import kernel_files, macro_of
from stockstream.sql.documentation import comment
from stockstream.sql.errors import UsageError
from stockstream.sql.loader import HOME, SqlFile, read
from stockstream.sql.plugins import OURS, taken, warn_of
from stockstream.sql.plugins import folders as plugin_folders
from stockstream.sql.variables import quoted

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
        """Parameters in the macro's order, with their defaults."""
        return self.header.params

    @property
    def periods(self) -> dict[str, int | float]:
        """Parameters that are numbers, with their defaults."""
        return self.header.periods

    @property
    def values(self) -> dict[str, str]:
        """Parameters that are expressions of columns, such as `value`, with their defaults."""
        return self.header.values

    @property
    def returns(self) -> tuple[str, ...]:
        """Columns of the result besides symbol and date."""
        return self.header.returns

    def labels(self, name: str) -> dict[str, str]:
        """Return how each column is called under a name of the indicator.

        Under an alias, the column of an indicator that has only one is called like the alias; so is a column under its
        own alias.
        """
        is_alias = name in self.header.aliases and len(self.returns) == 1
        alias_of = name if is_alias else self.column_aliases.get(name)
        return {column: name if alias_of in (name, column) else column for column in self.returns}

    @cached_property
    def column_aliases(self) -> dict[str, str]:
        """The column per alias of a column: `bbands_upper` is `bollinger_upper`, as `bbands` is `bollinger`."""
        return {
            alias + column.removeprefix(self.name): column
            for alias in self.header.aliases
            for column in self.returns
            if column.startswith(f"{self.name}_")
        }

    @property
    def signature(self) -> str:
        """Call of the name without a version, with the defaults: `rsi(src, n := 14)`."""
        return f"{self.name}({', '.join(['src', *(f'{name} := {value}' for name, value in self.periods.items())])})"

    @cached_property
    def query(self) -> exp.Query:
        """Body of its macro, parsed."""
        return cast(exp.Query, macro_of(self.file).expression)


class Catalogue:
    """All versions of all indicators. A name without a version stands for the newest active version."""

    def __init__(self, indicators: Sequence[Indicator]) -> None:
        self.indicators = tuple(indicators)
        """Every version, superseded ones included."""
        self.active = tuple(indicator for indicator in indicators if indicator.header.status == "active")
        """The versions that lists show."""
        newest = {indicator.name: indicator for indicator in sorted(self.active, key=lambda each: each.version)}
        self.newest = tuple(newest.values())
        """The newest active version of each indicator."""
        aliases = {alias: indicator for indicator in self.newest for alias in indicator.header.aliases}
        self._by_name: dict[str, Indicator] = (
            aliases | newest | {indicator.macro: indicator for indicator in indicators}
        )
        self._by_column = {
            name: (indicator, column)
            for indicator in newest.values()
            for name, column in indicator.column_aliases.items()
            if name not in newest
        } | {column: (indicator, column) for indicator in newest.values() for column in indicator.returns}

    def find(self, name: str) -> tuple[Indicator, tuple[str, ...]]:
        """Return an indicator and the requested columns of it.

        `name` is that of an indicator (`rsi`; an alias: `rma`) or of a version (`rsi_v1`), both for all columns, or of
        one column (`bollinger_upper`; with the indicator's alias: `bbands_upper`).

        Raises:
            UsageError: there is no such indicator; the message suggests similar names.
        """
        if name in self._by_column:
            indicator, column = self._by_column[name]
            return indicator, (column,)
        if name in self._by_name:
            return self._by_name[name], self._by_name[name].returns
        similar = self._similar(name)
        raise UsageError(
            f"there is no indicator {name}: "
            + (f"is {' or '.join(similar)} meant?" if similar else "`stockstream indicators list` lists all")
        )

    def _similar(self, name: str) -> list[str]:
        """Return the names most similar to a mistyped one; for rsi14 or RSI-14 this is rsi_14."""
        names = sorted({*self._by_column, *self._by_name})
        if match := re.fullmatch(r"([a-z_]*[a-z])[\s_-]*(\d+(?:\.\d+)?)", name.lower()):
            if match[1] in names:
                return [f"{match[1]}_{match[2]}"]
            return [f"{similar}_{match[2]}" for similar in difflib.get_close_matches(match[1], names, 3)]
        return difflib.get_close_matches(name.lower(), names, 3)

    def install(self, con: DuckDBPyConnection) -> None:
        """Create all macros on a connection: kernels, every version, and the names without a version."""
        install(con, self.indicators)
        con.execute(aliases(self.newest))


@cache
def catalogue(*folders: Path) -> Catalogue:
    """Return the shipped indicators, those of installed packages, and those in other folders.

    Each `*_vN.sql` at any depth of a folder is one.

    Raises:
        UsageError: a folder does not exist, or a file is not a valid indicator; the message names file and field. A
            package has an indicator, or a column, with the name of another.
    """
    installed, wrong = added()
    for reason in wrong:
        warn_of(reason)
    indicators = {indicator.macro: indicator for indicator in (*shipped().indicators, *installed)}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder of indicators: it should have files such as my_average_v1.sql")
        for indicator in _read_folder(folder):
            if (other := indicators.get(indicator.macro)) is not None:
                raise UsageError(f"{indicator.file.path}: {other.file.path} has the same name and version")
            indicators[indicator.macro] = indicator
    return Catalogue(list(indicators.values()))


@cache
def shipped() -> Catalogue:
    """Return the shipped indicators alone."""
    return Catalogue(list(_read_folder(FOLDER)))


@cache
def added() -> tuple[tuple[Indicator, ...], tuple[str, ...]]:
    """Return the indicators of installed packages, and what is wrong with files that are no valid indicators.

    Raises:
        UsageError: a package has an indicator, alias or column with a name of the shipped ones, or of another package.
    """
    owners = dict.fromkeys((name for one in shipped().indicators for name in _names(one)), OURS)
    valid: list[Indicator] = []
    wrong: list[str] = []
    for plugin, folder in plugin_folders("indicators"):
        mine: set[str] = set()
        for path in _files(folder):
            try:
                indicator = _read_file(path)
            except UsageError as error:
                wrong.append(f"{plugin.package}: {error}")
                continue
            if clash := next((name for name in _names(indicator) if name in owners), None):
                raise taken("indicators", clash, owners[clash], plugin.package)
            mine.update(_names(indicator))
            valid.append(indicator)
        owners |= dict.fromkeys(mine, plugin.package)
    return tuple(valid), tuple(wrong)


def _names(indicator: Indicator) -> tuple[str, ...]:
    return (indicator.name, indicator.macro, *indicator.header.aliases, *indicator.returns)


def install(con: DuckDBPyConnection, indicators: Iterable[Indicator]) -> None:
    """Create the macros of versions of indicators on a connection, and the kernels."""
    for file in (*kernel_files(), *(indicator.file for indicator in indicators)):
        con.execute(file.text)  # one by one: DuckDB's parser confuses windows of the same name in two files


def aliases(indicators: Sequence[Indicator]) -> str:
    """Return the SQL that creates the macros without a version: `rsi(src, n := 14)`, and `rsi(src, n, value)`.

    The aliases in a header are such macros, too, unless an indicator has that name.
    """
    names = {indicator.name for indicator in indicators}
    texts = []
    for indicator in indicators:
        others = [alias for alias in indicator.header.aliases if alias not in names]
        texts += [_alias(indicator, name) for name in (indicator.name, *others)]
    return "\n".join(texts)


def _alias(indicator: Indicator, name: str) -> str:
    macro = indicator.macro
    named = [column if label == column else f"{column} AS {label}" for column, label in indicator.labels(name).items()]
    columns = ", ".join(("symbol", "date", *named))
    defaults = indicator.signature.removeprefix(indicator.name)
    arguments = ", ".join(["src", *indicator.periods, *indicator.values.values()])
    text = f"CREATE OR REPLACE MACRO {name}\n{defaults} AS TABLE (\n"
    text += f"    SELECT {columns}\n    FROM {macro}({arguments})\n)"
    if indicator.values:
        parameters = ", ".join(["src", *indicator.params])
        text += f",\n({parameters}) AS TABLE (\n    SELECT {columns}\n    FROM {macro}({parameters})\n)"
    return f"{text};\nCOMMENT ON MACRO TABLE {name} IS {quoted(_comment(indicator, name))};\n"


def _comment(indicator: Indicator, name: str) -> str:
    """Return what `lake_help()` shows of an indicator under a name."""
    header, labels = indicator.header, indicator.labels(name)
    arguments = ", ".join(["'bars_adjusted'", *map(str, indicator.periods.values())])
    units = {labels[column]: unit for column, unit in header.described.items()}
    return comment(
        header.title,
        "of the input",
        f"FROM {name}({arguments}) WHERE symbol = 'BHP' ORDER BY date",
        {"symbol": "as in the input", "date": "as in the input", **units},
        formula=header.formula,
    )


def _read_folder(folder: Path) -> Iterator[Indicator]:
    for path in _files(folder):
        yield _read_file(path)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*_v*.sql") if path.parent.name != "kernels")


def _read_file(path: Path) -> Indicator:
    try:
        indicator = _read_indicator(path)
        if not path.is_relative_to(FOLDER):  # a test checks the shipped ones, because parsing them all takes 0.25 s
            check_macro(indicator)
        elif indicator.header.difference is None:
            raise ValueError("the header lacks difference, which the indicators that are shipped must have")
    except (ValueError, sqlglot.errors.SqlglotError) as error:
        raise UsageError(f"{path}: {str(error).splitlines()[0]}") from None
    return indicator


def _read_indicator(path: Path) -> Indicator:
    file = read(path)
    indicator = Indicator(path.parent.name, parse_header(file.header), file)
    if path.stem != (macro := indicator.macro):
        header = indicator.header
        raise ValueError(f"the header has name {header.name}, version {header.version}: call the file {macro}.sql")
    return indicator


def check_macro(indicator: Indicator) -> None:
    """Check that an indicator's macro agrees with its header.

    Raises:
        ValueError: the macro's name, parameters or columns differ from the header.
    """
    macro = macro_of(indicator.file)
    if not isinstance(macro.expression, exp.Query):
        raise ValueError("expected one CREATE OR REPLACE MACRO … AS TABLE after the header")
    if macro.this.this.name != indicator.macro:
        raise ValueError(f"the macro is called {macro.this.this.name}, by the header it is {indicator.macro}")
    parameters = [parameter.name for parameter in macro.this.expressions]
    expected = ["src", *indicator.periods, *indicator.values]
    if parameters != expected:
        raise ValueError(f"the macro takes ({', '.join(parameters)}), by the header's params ({', '.join(expected)})")
    columns, returns = macro.expression.named_selects, indicator.returns
    if columns != ["symbol", "date", *returns]:
        raise ValueError(
            f"the macro returns {', '.join(columns)}; by the header's returns symbol, date, {', '.join(returns)}"
        )
