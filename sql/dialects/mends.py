"""Rewrite what other engines spell otherwise than DuckDB, in the parsed query."""

from __future__ import annotations

from sqlglot import exp, parse_one

from stockstream.sql.dialects.functions import Dialect


def mend(query: exp.Query, dialect: Dialect) -> None:
    """Rewrite a query in place, so that an engine computes what DuckDB does."""
    for select in list(query.find_all(exp.Select)):
        _spell_out_windows(select)
    for call in reversed(list(query.find_all(exp.Func, exp.IntDiv))):
        if (mended := _mended(call, dialect)) is not None:
            call.replace(mended)


def _spell_out_windows(select: exp.Select) -> None:
    """Write each window in full: an engine may not let a window inherit from a named one, `OVER (w ROWS …)`."""
    named = {window.name: window for window in select.args.get("windows") or ()}
    for window in list(select.find_all(exp.Window)):
        if window.find_ancestor(exp.Select) is not select or window.arg_key == "windows":
            continue
        alias = window.args.get("alias")
        window.set("alias", None)
        while alias is not None:
            base = named[alias.name]
            for part in ("partition_by", "order", "spec"):
                if not window.args.get(part) and (value := base.args.get(part)):
                    copies = [one.copy() for one in value] if isinstance(value, list) else value.copy()
                    window.set(part, copies)
            alias = base.args.get("alias")
        window.set("over", "OVER")
    select.set("windows", None)


def _mended(call: exp.Expr, dialect: Dialect) -> exp.Expr | None:
    name = call.name.lower() if isinstance(call, exp.Anonymous) else ""
    is_spark = dialect is Dialect.SPARK
    if isinstance(call, exp.IntDiv):
        # In Trino's integers `/` is whole; sqlglot writes a cast, which rounds.
        return None if is_spark else exp.Floor(this=exp.Div(this=call.this, expression=call.expression))
    if name == "isfinite":
        x = call.expressions[0]
        if not is_spark:
            return exp.Anonymous(this="is_finite", expressions=[x])
        infinity = parse_one("CAST('Infinity' AS DOUBLE)", dialect="duckdb")
        return exp.paren(exp.LT(this=exp.Abs(this=x), expression=infinity))  # NaN is above infinity in Spark
    if name == "error":
        return exp.Anonymous(this="raise_error" if is_spark else "fail", expressions=call.expressions)
    if isinstance(call, exp.Greatest | exp.Least) and not is_spark:
        values = exp.Array(expressions=[call.this, *call.expressions])
        present = parse_one("filter(a, x -> NOT x IS NULL)", dialect="trino")
        present.find(exp.Column).replace(values)  # type: ignore[union-attr]
        return exp.Anonymous(this="array_max" if isinstance(call, exp.Greatest) else "array_min", expressions=[present])
    return None
