"""The types of expressions, as far as arrays must know them: arrays have numbers of DOUBLE, and conditions."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from sqlglot import exp


class Type(Enum):
    """The type of an expression in SQL."""

    DOUBLE = "DOUBLE"
    BOOLEAN = "BOOLEAN"
    NULL = "NULL"
    OTHER = "another type"
    """An integer, a DECIMAL, or a column of the input, whose type the graph does not know."""


_CONDITIONS = (
    exp.Boolean, exp.Not, exp.And, exp.Or, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.Between,
    exp.In, exp.NullSafeEQ, exp.NullSafeNEQ,
)  # fmt: skip
_DOUBLE = (
    exp.Div, exp.Sqrt, exp.Ln, exp.Exp, exp.Pow, exp.Sin, exp.Cos, exp.Tanh, exp.Atan, exp.Log,
)  # fmt: skip


def type_of(e: exp.Expr, columns: Mapping[str, Type]) -> Type:
    """Return the type of an expression; `columns` are the types of the columns in it."""
    if isinstance(e, _CONDITIONS):
        return Type.BOOLEAN
    if isinstance(e, _DOUBLE):
        return Type.DOUBLE
    if isinstance(e, exp.Null):
        return Type.NULL
    if isinstance(e, exp.Literal):
        return Type.DOUBLE if e.is_number and "e" in e.this.lower() else Type.OTHER
    if isinstance(e, exp.Cast):
        return Type.DOUBLE if e.args["to"].is_type("double") else Type.OTHER
    if isinstance(e, exp.Column | exp.Identifier):
        return columns.get(e.name, Type.OTHER)
    if isinstance(e, exp.Anonymous):
        return Type.DOUBLE if e.name.lower() == "list_avg" else Type.OTHER
    if isinstance(e, exp.StructExtract):
        return columns.get(f"{e.this.name}.{e.expression.name}", Type.OTHER)
    return _widest([type_of(part, columns) for part in _parts(e)])


def _parts(e: exp.Expr) -> list[exp.Expr]:
    """Return the parts of an expression of which one decides its type."""
    if isinstance(e, exp.Case):
        return [*(each.args["true"] for each in e.args["ifs"]), e.args.get("default") or exp.Null()]
    if isinstance(e, exp.Nullif):
        return [e.this]
    if isinstance(e, exp.Greatest | exp.Least | exp.Coalesce):
        return [e.this, *e.expressions]
    return [e.this, e.expression] if isinstance(e, exp.Binary) else [e.this] if isinstance(e.this, exp.Expr) else []


def _widest(types: list[Type]) -> Type:
    """Return DOUBLE if one of the types is: DuckDB casts the others."""
    for kind in (Type.DOUBLE, Type.OTHER, Type.BOOLEAN):
        if kind in types:
            return kind
    return Type.NULL if types else Type.OTHER
