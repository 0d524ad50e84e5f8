"""The functions that mean the same in DuckDB and in another engine, by their names in sqlglot."""

from __future__ import annotations

from enum import StrEnum

from sqlglot import exp


class Dialect(StrEnum):
    """The engines for which SQL is exported."""

    SPARK = "spark"
    ATHENA = "athena"


# AND, OR, CASE, CAST and IF are functions to sqlglot.
_SHARED = frozenset(
    """ABS AND AVG CASE CAST CEIL COALESCE COUNT COVAR_POP EXP FLOOR IF LAG LEAD LN MAX MIN NULLIF OR POWER ROW_NUMBER
    SQRT STDDEV_POP SUM VARIANCE_POP""".split()  # noqa: SIM905 (a list of strings would be 26 lines)
)
_OWN = {
    # greatest and least leave out NULLs in Spark, as in DuckDB; in Trino one NULL makes the result NULL.
    Dialect.SPARK: frozenset({"GREATEST", "LEAST", "raise_error"}),
    Dialect.ATHENA: frozenset({"fail", "is_finite", "array_max", "array_min", "ARRAY", "FILTER"}),
}


def unknown(query: exp.Expr, dialect: Dialect) -> list[str]:
    """Return the functions of a query that are not known to mean the same in an engine, sorted."""
    names = _SHARED | _OWN[dialect]
    return sorted({_name(call).lower() for call in query.find_all(exp.Func) if _name(call) not in names})


def _name(call: exp.Func) -> str:
    return call.name if isinstance(call, exp.Anonymous) else call.sql_name()
