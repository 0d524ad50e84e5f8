"""Kernels: scalar macros that several indicators share, one per file `sql/indicators/kernels/NAME_vN.sql`."""

from __future__ import annotations

from functools import cache
from graphlib import TopologicalSorter

import sqlglot
from sqlglot import exp

from stockstream.sql.loader import HOME, SqlFile, read

KERNELS = tuple(f"indicators/kernels/{path.stem}" for path in sorted((HOME / "indicators/kernels").glob("*.sql")))
"""Paths below `sql/`, without the suffix."""


@cache
def kernel_files() -> tuple[SqlFile, ...]:
    """Return the kernels' files, each after the kernels in its header's `needs`."""
    files = {file.header["name"]: file for file in (read(HOME / f"{name}.sql") for name in KERNELS)}
    order = TopologicalSorter({name: file.header["needs"] for name, file in files.items()}).static_order()
    return tuple(files[name] for name in order)


def macro_of(file: SqlFile) -> exp.Create:
    """Return a file's macro, parsed.

    Raises:
        ValueError: the file is not one CREATE MACRO statement.
    """
    statements = [each for each in sqlglot.parse(file.text.split("--- */", 1)[1], dialect="duckdb") if each is not None]
    macro = statements[0] if len(statements) == 1 else None
    if not isinstance(macro, exp.Create) or not isinstance(macro.this, exp.UserDefinedFunction):
        raise ValueError("expected one CREATE OR REPLACE MACRO … AS TABLE after the header")
    return macro


@cache
def _composed() -> dict[str, exp.Create]:
    """Return the macros of the kernels that call other kernels, by name."""
    return {file.header["name"]: macro_of(file) for file in kernel_files() if file.header["needs"]}


@cache
def _plain() -> dict[str, exp.Create]:
    """Return the macros of the kernels that are one expression over the values of a row, by name."""
    files = {file.header["name"]: file for file in kernel_files() if not file.header["needs"]}
    macros = {name: macro_of(file) for name, file in files.items() if file.text.count("CREATE OR REPLACE") == 1}
    return {name: macro for name, macro in macros.items() if macro.find(exp.Window) is None}


def expand_kernels(expression: exp.Expr, *, plain: bool = False) -> None:
    """Replace calls of kernels that call other kernels by the kernels' bodies, in place.

    Only calls of basic kernels are left: `ema_of_v1(x, 12, 11, k)` becomes an expression over `decayed_v1`. With
    `plain`, replace the kernels that are one expression over the values of a row instead, such as `true_range_v1`.
    """
    macros = _plain() if plain else _composed()
    for call in list(expression.find_all(exp.Anonymous)):
        if (macro := macros.get(call.name.lower())) is None:
            continue
        names = [parameter.name for parameter in macro.this.expressions]
        arguments = dict(zip(names, call.expressions, strict=True))
        body = exp.paren(macro.expression)
        for column in list(body.find_all(exp.Column)):
            column.replace(_operand(arguments[column.name]))
        expand_kernels(body, plain=plain)
        call.replace(body)


def _operand(expression: exp.Expr) -> exp.Expr:
    """Return a copy of an expression that can replace a column: in parentheses unless it is simple."""
    is_simple = isinstance(expression, exp.Literal | exp.Column | exp.Paren)
    return expression.copy() if is_simple else exp.paren(expression)
