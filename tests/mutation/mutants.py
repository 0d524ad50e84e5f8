"""Mutants of a query: copies in which one operator, constant, join, frame or NULL test is another one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import sqlglot
from sqlglot import exp

SWAPS: dict[type[exp.Expression], tuple[type[exp.Expression], ...]] = {
    exp.EQ: (exp.NEQ,),
    exp.NEQ: (exp.EQ,),
    exp.GT: (exp.GTE, exp.LT),
    exp.GTE: (exp.GT, exp.LTE),
    exp.LT: (exp.LTE, exp.GT),
    exp.LTE: (exp.LT, exp.GTE),
    exp.NullSafeEQ: (exp.EQ, exp.NullSafeNEQ),
    exp.NullSafeNEQ: (exp.NEQ, exp.NullSafeEQ),
    exp.And: (exp.Or,),
    exp.Or: (exp.And,),
    exp.Add: (exp.Sub,),
    exp.Sub: (exp.Add,),
    exp.Mul: (exp.Div,),
    exp.Div: (exp.Mul,),
}
"""Operators, each with those that replace it."""
JOINS = {"SEMI": "ANTI", "ANTI": "SEMI", "LEFT": "", "FULL": "LEFT", "": "LEFT"}


SURROUNDINGS = 25
"""Characters before and after a change in the name of a mutant."""


@dataclass(frozen=True)
class Mutant:
    """A changed query, with a text that identifies the change."""

    name: str
    sql: str


def parse(sql: str) -> exp.Expression:
    """Return the query of a check."""
    (query,) = [one for one in sqlglot.parse(sql, dialect="duckdb") if one is not None]
    return query


def render(query: exp.Expression) -> str:
    return query.sql("duckdb", comments=False)


def mutants(sql: str) -> Iterator[Mutant]:
    """Yield all mutants of a query, each with a name that no other has: what was changed, with its surroundings."""
    names: Counter[str] = Counter()
    root = parse(sql)
    original = render(root)
    for at, changed_node in enumerate(list(root.walk())):
        for number in range(_changes(changed_node)):
            query = root.copy()
            node = list(query.walk())[at]
            new = _change(node, number)
            if new is not node:
                node.replace(new)
            changed = render(query)
            name = _difference(original, changed)
            names[name] += 1
            yield Mutant(name if names[name] == 1 else f"{name} #{names[name]}", changed)


def _common(one: str, other: str) -> int:
    """Return the number of characters at the beginning that two texts share."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _difference(before: str, after: str) -> str:
    """Return the words in which two texts differ, with some characters on both sides."""
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    first = before.rfind(" ", 0, max(0, start - SURROUNDINGS)) + 1
    return f"{before[first : len(before) - end + SURROUNDINGS]} → {after[first : len(after) - end + SURROUNDINGS]}"


def _changes(node: exp.Expression) -> int:
    """Return the number of ways in which a node is changed."""
    if type(node) in SWAPS:
        return len(SWAPS[type(node)])
    match node:
        case exp.Literal() | exp.Boolean():
            return 0 if _is_name(node) else 1
        case exp.Join():
            return int(_join_kind(node) in JOINS and not (node.method or node.args.get("kind") == "CROSS"))
        case exp.Is() | exp.Not() | exp.In():
            return int(not (isinstance(node, exp.Not) and isinstance(node.this, exp.Is | exp.In)))
        case exp.Window():
            return 1 if node.args.get("partition_by") else 0
        case exp.WindowSpec():
            return 2
        case exp.Ordered():
            return int(isinstance(node.parent, exp.Order) and isinstance(node.parent.parent, exp.Window))
        case exp.Between():
            return 2
        case _:
            return 0


def _change(node: exp.Expression, number: int) -> exp.Expression:
    """Return what replaces a node: a new node, or the node itself after a change."""
    if type(node) in SWAPS:
        new = SWAPS[type(node)][number](**dict(node.args))
        return exp.paren(new, copy=False) if isinstance(new, exp.Or | exp.And) else new
    match node:
        case exp.Literal():
            return _other_constant(node)
        case exp.Boolean():
            return exp.Boolean(this=not node.this)
        case exp.Join():
            kind = JOINS[_join_kind(node)]
            node.set("side", kind if kind in ("LEFT", "FULL") else None)
            node.set("kind", kind if kind in ("SEMI", "ANTI") else None)
        case exp.Is() | exp.In():
            if isinstance(node.parent, exp.Not):
                node.parent.replace(node.copy())
                return node
            return exp.not_(node.copy(), copy=False)
        case exp.Not():
            return exp.paren(node.this.copy(), copy=False)
        case exp.Window():
            node.set("partition_by", None)
        case exp.WindowSpec():
            side, bound = (("start", "PRECEDING"), ("end", "FOLLOWING"))[number]
            is_current = node.args.get(side) == "CURRENT ROW"
            is_wide = is_current or (side == "start" and node.args.get(side) != "UNBOUNDED")
            node.set(side, "UNBOUNDED" if is_wide else "CURRENT ROW")
            node.set(f"{side}_side", bound if is_wide else None)
        case exp.Ordered():
            node.set("desc", not node.args.get("desc"))
        case exp.Between():
            side = ("low", "high")[number]
            return (exp.LTE if side == "low" else exp.GTE)(
                this=node.this.copy(), expression=node.args["high" if side == "low" else "low"].copy()
            )
    return node


def _join_kind(node: exp.Join) -> str:
    return str(node.side or node.kind or "").upper().replace("INNER", "").replace("OUTER", "")


def _is_name(node: exp.Expression) -> bool:
    """Return whether a constant is the name of a variable or of a column."""
    parent = node.parent
    if isinstance(parent, exp.Bracket):
        return True
    return isinstance(parent, exp.Anonymous) and parent.name.lower() in ("getvariable", "silver_files", "schema_file")


def _other_constant(node: exp.Literal) -> exp.Expression:
    text = str(node.this)
    if not node.is_string:
        return exp.Literal.number(repr(float(text) + 1) if "." in text or "e" in text else str(int(text) + 1))
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return exp.Literal.string(str(date.fromisoformat(text) + timedelta(days=1)))
    if re.fullmatch(r"\d+", text):  # of an interval
        return exp.Literal.string(str(int(text) + 1))
    return exp.Literal.string({"-inf": "1e9", "-infinity": "2024-06-01", "": "x"}.get(text, f"{text}x"))
