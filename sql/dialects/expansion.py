"""Put the bodies of macros in place of their calls, values in place of parameters, and compute what is constant.

DuckDB computes the constants. So a text for another engine has no arithmetic on literals, whose types differ between
engines (1.5 is a DECIMAL in DuckDB and in Spark, with other rules of rounding), and a period that is not valid is
refused when the text is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache

import duckdb
import sqlglot
from sqlglot import exp

from stockstream.sql.catalogue import Indicator
from stockstream.sql.catalogue.kernels import kernel_files
from stockstream.sql.compiler.graph import constants
from stockstream.sql.errors import UsageError


def expanded(indicator: Indicator, arguments: Mapping[str, str], src: str) -> exp.Query:
    """Return the query of an indicator over the table `src`, without macros, parameters and arithmetic on literals.

    Raises:
        UsageError: a value of a parameter is not valid.
    """
    query = indicator.query.copy()
    _substitute(query, {name: _value(name, text) for name, text in arguments.items()})
    while calls := [call for call in query.find_all(exp.Anonymous) if call.name.lower() in _kernels()]:
        for call in reversed(calls):  # the innermost first, as an expansion copies its arguments
            _expand(call)
    for table in list(query.find_all(exp.Table)):
        if isinstance(table.this, exp.Anonymous) and table.this.name.lower() == "query_table":
            table.set("this", exp.to_table(src, dialect="duckdb").this)
            for part in ("db", "catalog"):
                table.set(part, exp.to_table(src, dialect="duckdb").args.get(part))
    _fold(query)
    return query


def _value(name: str, text: str) -> exp.Expr:
    try:
        return sqlglot.parse_one(text, dialect="duckdb")
    except sqlglot.errors.SqlglotError:
        raise UsageError(f"{name}={text} is no SQL expression: write a number, or an expression of columns") from None


@cache
def _kernels() -> dict[str, exp.Create]:
    macros = {}
    for file in kernel_files():
        for statement in sqlglot.parse(file.body, dialect="duckdb"):
            if isinstance(statement, exp.Create):
                macros[statement.this.this.name.lower()] = statement
    return macros


def _expand(call: exp.Anonymous) -> None:
    macro = _kernels()[call.name.lower()]
    body = exp.paren(macro.expression, copy=True)
    names = [parameter.name for parameter in macro.this.expressions]
    if len(names) != len(call.expressions):
        raise UsageError(f"{call.name} takes {', '.join(names)}: here it has {len(call.expressions)} arguments")
    _substitute(body, dict(zip(names, call.expressions, strict=True)))
    call.replace(body)


def _substitute(query: exp.Expr, values: Mapping[str, exp.Expr]) -> None:
    for column in list(query.find_all(exp.Column)):
        if not column.table and (value := values.get(column.name)) is not None:
            is_simple = isinstance(value, exp.Literal | exp.Column | exp.Paren)
            column.replace(value.copy() if is_simple else exp.paren(value))


def _fold(query: exp.Expr) -> None:
    """Replace each largest expression of literals by its value, and leave out `AND true`."""
    with constants().cursor() as con:
        for node in list(query.walk(prune=_is_constant)):
            if _is_constant(node) and (literal := _literal(con, node)) is not None:
                node.replace(literal)
    for connector in reversed(list(query.find_all(exp.And))):
        for one, other in ((connector.this, connector.expression), (connector.expression, connector.this)):
            if isinstance(one.unnest(), exp.Boolean) and one.unnest().this:
                connector.replace(other)
                break


_VARYING = (exp.Column, exp.Query, exp.AggFunc, exp.Window, exp.Star, exp.Lambda, exp.Interval, exp.Var, exp.Array)


def _is_constant(node: exp.Expr) -> bool:
    if isinstance(node, exp.Literal):
        return node.is_number and "." in node.name
    if not isinstance(node, exp.Binary | exp.Unary | exp.Func) or isinstance(node, exp.Dot):
        return False
    if isinstance(node, exp.Anonymous) and node.name.lower() == "error":  # in a CASE that is not constant
        return False
    return node.find(*_VARYING) is None


def _literal(con: duckdb.DuckDBPyConnection, node: exp.Expr) -> exp.Expr | None:
    """Return the value of a constant expression as a literal; None: it is no number and no condition."""
    try:
        value = con.execute(f"SELECT {node.sql('duckdb')}").fetchall()[0][0]
    except duckdb.InvalidInputException as error:  # the kernels that judge a parameter raise it
        raise UsageError(str(error).removeprefix("Invalid Input Error: ")) from None
    except duckdb.Error:
        return None
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, int):
        return exp.Literal.number(value)
    if isinstance(value, float | Decimal):
        text = repr(abs(float(value)))
        number = exp.Literal(this=text if "e" in text else f"{text}e0", is_string=False)
        return exp.Neg(this=number) if value < 0 else number
    return None
