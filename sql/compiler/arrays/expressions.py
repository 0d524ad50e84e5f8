"""Lower the SQL expressions of a graph to statements on arrays, with SQL's NULL: NaN in values, neither true nor false
in conditions.

`value` computes a number per cell. A condition has three values, so it is lowered twice: `is_true` computes where it
is true, and `is_false`, which NOT needs, where it is false; where it is NULL, neither is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from stockstream.sql.compiler.arrays.operands import NULL, Level, Operand, Statements
from stockstream.sql.compiler.arrays.types import Type, type_of
from stockstream.sql.compiler.graph import Unsupported

FUNCTIONS: Mapping[type[exp.Expr], str] = {
    exp.Add: "np.add", exp.Sub: "np.subtract", exp.Mul: "np.multiply", exp.Div: "np.divide", exp.Neg: "np.negative",
    exp.Abs: "np.abs", exp.Exp: "np.exp", exp.Pow: "np.power", exp.Sign: "np.sign", exp.Floor: "np.floor",
    exp.Ceil: "np.ceil", exp.Sin: "np.sin", exp.Cos: "np.cos", exp.Tanh: "np.tanh", exp.Atan: "np.arctan",
}  # fmt: skip
CHECKED: Mapping[type[exp.Expr], tuple[str, str]] = {
    exp.Ln: ("np.log", "logarithm"),
    exp.Sqrt: ("np.sqrt", "root"),
}
"""The functions that raise an error outside their domain: numpy's function, and the name of the domain."""
COMPARISONS: Mapping[type[exp.Expr], tuple[str, str]] = {
    exp.GT: ("np.greater", "np.less_equal"),
    exp.GTE: ("np.greater_equal", "np.less"),
    exp.LT: ("np.less", "np.greater_equal"),
    exp.LTE: ("np.less_equal", "np.greater"),
}
"""Where a comparison is true, and where it is false; neither is true of NaN."""


class Expressions:
    """Writes expressions as statements; `values` and `conditions` are the nodes by the names of their columns."""

    def __init__(self, statements: Statements) -> None:
        self.values: dict[str, Operand] = {}
        self.conditions: dict[str, exp.Expr] = {}
        self.types: dict[str, Type] = {}
        self.parts: dict[str, Mapping[str, Operand]] = {}
        """The values of nodes that have several, by name."""
        self.lists: dict[str, tuple[Operand, int]] = {}
        """The values and the number of bars of the nodes that are lists."""
        self._out = statements
        self._path: list[str] = []
        """Masks of the branches that are being lowered: a check for a domain applies where all are true."""

    def value(self, e: exp.Expr) -> Operand:
        """Return the value of an expression.

        Raises:
            Unsupported: the expression has no equivalent in arrays.
        """
        kind = type(e)
        if kind in FUNCTIONS:
            if e.args.get("decimals") is not None:
                raise Unsupported(f"the expression {e.sql('duckdb')}")
            return self._out.call(FUNCTIONS[kind], *map(self.value, _operands(e)))
        if kind in CHECKED:
            return self._checked(*CHECKED[kind], self.value(e.this))
        if (lower := SPECIAL.get(kind)) is not None:
            return lower(self, e)
        raise Unsupported(f"the expression {e.sql('duckdb')}")

    def _checked(self, function: str, domain: str, x: Operand) -> Operand:
        if x.level is Level.BLOCK:
            path = f"({''.join(f'{mask}, ' for mask in self._path)})"
            self._out.add(f"check('{domain}', {x.text}, {path}, valid)")
        return self._out.call(function, x)

    def _log(self, e: exp.Expr) -> Operand:
        x = e.this if e.expression is None else e.expression
        if e.expression is not None and (not isinstance(e.this, exp.Literal) or float(e.this.this) != 10):
            raise Unsupported(f"the expression {e.sql('duckdb')}")
        return self._checked("np.log10", "logarithm", self.value(x))

    def _name(self, e: exp.Expr) -> Operand:
        if (operand := self.values.get(e.name)) is None:
            raise Unsupported(f"the expression {e.sql('duckdb')}")
        return operand

    def _literal(self, e: exp.Expr) -> Operand:
        if not isinstance(e, exp.Literal) or not e.is_number:
            raise Unsupported(f"the value {e.sql('duckdb')}")
        return Operand(repr(float(e.this)), Level.NUMBER)

    def _cast(self, e: exp.Expr) -> Operand:
        if not e.args["to"].is_type("double"):
            raise Unsupported(f"the type of {e.sql('duckdb')}")
        if type_of(e.this, self.types) is Type.BOOLEAN:
            one, zero = Operand("1.0", Level.NUMBER), Operand("0.0", Level.NUMBER)
            return self._out.select(self.is_true(e.this), one, self._out.select(self.is_false(e.this), zero, NULL))
        return self.value(e.this)

    def _extreme(self, e: exp.Expr) -> Operand:
        result = self.value(e.this)
        for other in e.expressions:
            result = self._out.call("np.fmax" if isinstance(e, exp.Greatest) else "np.fmin", result, self.value(other))
        return result

    def _nullif(self, e: exp.Expr) -> Operand:
        x = self.value(e.this)
        shared = Operand(x.text, x.level)  # used twice
        return self._out.select(self._out.call("np.equal", shared, self.value(e.expression), is_mask=True), NULL, x)

    def _coalesce(self, e: exp.Expr) -> Operand:
        *others, result = (self.value(part) for part in (e.this, *e.expressions))
        for x in reversed(others):
            lacking = self._out.call("np.isnan", Operand(x.text, x.level), is_mask=True)
            result = self._out.select(lacking, result, x)
        return result

    def _field(self, e: exp.Expr) -> Operand:
        name = e.expression.name
        if not isinstance(e.this, exp.Column) or name not in self.parts.get(e.this.name, {}):
            raise Unsupported(f"the expression {e.sql('duckdb')}")
        return self.parts[e.this.name][name]

    def _case(self, e: exp.Expr) -> Operand:
        ifs, default = _branches(e)
        if positive := _positive_part(e):
            return self._out.call("np.fmax", self.value(positive), Operand("0.0", Level.NUMBER))
        masks = [self.is_true(condition) for condition, _ in ifs]
        values = [part for _, part in ifs] + [default]
        operands: list[tuple[str, list[Operand]]] = []
        depth = len(self._path)
        is_ranges = all(mask.level is not Level.BLOCK for mask in masks)
        for at, part in enumerate(values):
            self._path += [f"({self._out.hoist(mask)}, True)" for mask in masks[at : at + 1]]
            kind = type(part.unnest())
            if is_ranges and kind in FUNCTIONS:
                operands.append((FUNCTIONS[kind], [self.value(of) for of in _operands(part.unnest())]))
            else:
                operands.append(("copy", [self.value(part)]))
            del self._path[depth:]
            self._path += [f"({self._out.hoist(mask)}, False)" for mask in masks[: at + 1]]
        del self._path[depth:]
        if is_ranges and any(of.level is Level.BLOCK for _, each in operands for of in each):
            return self._out.by_ranges(masks, operands)
        flat = [each[0] if name == "copy" else self._out.call(name, *each) for name, each in operands]
        result = flat[-1]
        for mask, x in zip(reversed(masks), reversed(flat[:-1]), strict=True):
            result = self._out.select(mask, x, result)
        return result

    def _folded_list(self, e: exp.Expr) -> Operand:
        """Lower `list_avg(list_transform(list, LAMBDA x: …))`, where the list is of the values of the last bars."""
        function, fold = e.name.lower(), e.expressions[0] if len(e.expressions) == 1 else None
        if function not in ("list_avg", "list_sum") or not isinstance(fold, exp.Transform):
            raise Unsupported(f"the function {e.name}")
        body = fold.expression
        if not isinstance(body, exp.Lambda) or len(body.expressions) > 2 or fold.this.name not in self.lists:
            raise Unsupported(f"the function {e.name}")
        x, rows = self.lists[fold.this.name]
        total, lacking, lagged = self._out.new(), self._out.new(), self._out.new()
        for name in (total, lacking):
            self._out.add(f"{name}[...] = 0.0")
        self._out.add(f"for offset in each({x.text}, {rows}, {lagged}):")
        self._out.indent(1)
        parameters = {body.expressions[0].name: Operand(lagged, Level.BLOCK)}
        place = self._out.new()
        if len(body.expressions) == 2:  # the value's place in the list, from 1 on: that of this bar is the last
            self._out.add(f"{place}[...] = np.minimum(bar + 1.0, {rows}) - offset")
            parameters[body.expressions[1].name] = Operand(place, Level.BLOCK)
        self.values |= parameters
        one = self._out.spread(self.value(body.this))
        for parameter in parameters:
            del self.values[parameter]
        self._out.add(f"accumulate({total}, {lacking}, {one.text}, offset)")
        self._out.indent(-1)
        self._out.add(f"{function}({total}, {lacking}, {rows})")
        self._out.free(lacking, lagged, place, one.register)
        return Operand(total, Level.BLOCK, False, total)

    def is_true(self, e: exp.Expr) -> Operand:
        """Return the mask of the cells where a condition is true."""
        return self._condition(e, True)

    def is_false(self, e: exp.Expr) -> Operand:
        """Return the mask of the cells where a condition is false, not NULL."""
        return self._condition(e, False)

    def _condition(self, e: exp.Expr, truth: bool) -> Operand:
        if isinstance(e, exp.Paren):
            return self._condition(e.this, truth)
        if isinstance(e, exp.Column) and e.name in self.conditions:
            return self._condition(self.conditions[e.name], truth)
        if isinstance(e, exp.Not):
            return self._condition(e.this, not truth)
        if isinstance(e, exp.And | exp.Or):
            left, right = self._condition(e.left, truth), self._condition(e.right, truth)
            function = "np.logical_and" if isinstance(e, exp.And) is truth else "np.logical_or"
            return self._out.call(function, left, right, is_mask=True)
        if isinstance(e, exp.Boolean):
            return Operand(str(bool(e.this) is truth), Level.NUMBER, is_mask=True)
        if isinstance(e, exp.Null):
            return Operand("False", Level.NUMBER, is_mask=True)
        if isinstance(e, exp.Between) and not e.args.get("symmetric"):
            low, high = exp.GTE(this=e.this, expression=e.args["low"]), exp.LTE(this=e.this, expression=e.args["high"])
            return self._condition(exp.And(this=low, expression=high), truth)
        if isinstance(e, exp.Is):
            return self._is(e, truth)
        if isinstance(e, exp.Coalesce) and len(e.expressions) == 1 and isinstance(e.expressions[0], exp.Boolean):
            if bool(e.expressions[0].this) is not truth:
                return self._condition(e.this, truth)
            return self._out.call("np.logical_not", self._condition(e.this, not truth), is_mask=True)
        if isinstance(e, exp.NullSafeEQ | exp.NullSafeNEQ):
            return self._distinct(e, isinstance(e, exp.NullSafeNEQ) is truth)
        if isinstance(e, exp.EQ | exp.NEQ | exp.GT | exp.GTE | exp.LT | exp.LTE):
            return self._comparison(e, truth)
        raise Unsupported(f"the condition {e.sql('duckdb')}")

    def _comparison(self, e: exp.Expr, truth: bool) -> Operand:
        if Type.BOOLEAN in (type_of(e.this, self.types), type_of(e.expression, self.types)):
            raise Unsupported(f"the condition {e.sql('duckdb')}")
        left, right = self.value(e.this), self.value(e.expression)
        if type(e) in COMPARISONS:
            return self._out.call(COMPARISONS[type(e)][not truth], left, right, is_mask=True)
        if isinstance(e, exp.EQ) is truth:
            return self._out.call("np.equal", left, right, is_mask=True)
        less = self._out.call("np.less", Operand(left.text, left.level), Operand(right.text, right.level), is_mask=True)
        greater = self._out.call("np.greater", left, right, is_mask=True)
        return self._out.call("np.logical_or", less, greater, is_mask=True)

    def _distinct(self, e: exp.Expr, truth: bool) -> Operand:
        """Return the mask of the cells where two values differ, or one of them alone is NULL (`truth`), or do not."""
        if Type.BOOLEAN in (type_of(e.this, self.types), type_of(e.expression, self.types)):
            raise Unsupported(f"the condition {e.sql('duckdb')}")
        left, right = self.value(e.this), self.value(e.expression)
        x, y = Operand(left.text, left.level), Operand(right.text, right.level)  # used twice
        lacking = [self._out.call("np.isnan", of, is_mask=True) for of in (x, y)]
        both = self._out.call("np.logical_and", *lacking, is_mask=True)
        equal = self._out.call("np.equal", left, right, is_mask=True)
        same = self._out.call("np.logical_or", both, equal, is_mask=True)
        return self._out.call("np.logical_not", same, is_mask=True) if truth else same

    def _is(self, e: exp.Expr, truth: bool) -> Operand:
        if not isinstance(e.expression, exp.Null):
            raise Unsupported(f"the condition {e.sql('duckdb')}")
        if type_of(e.this, self.types) is Type.BOOLEAN:
            defined = self._out.call("np.logical_or", self.is_true(e.this), self.is_false(e.this), is_mask=True)
            return self._out.call("np.logical_not", defined, is_mask=True) if truth else defined
        lacking = self._out.call("np.isnan", self.value(e.this), is_mask=True)
        return lacking if truth else self._out.call("np.logical_not", lacking, is_mask=True)


SPECIAL: Mapping[type[exp.Expr], Callable[[Expressions, exp.Expr], Operand]] = {
    exp.Paren: lambda self, e: self.value(e.this),
    exp.Null: lambda self, e: NULL,
    exp.Column: Expressions._name,
    exp.Identifier: Expressions._name,
    exp.Literal: Expressions._literal,
    exp.Cast: Expressions._cast,
    exp.Greatest: Expressions._extreme,
    exp.Least: Expressions._extreme,
    exp.Log: Expressions._log,
    exp.Nullif: Expressions._nullif,
    exp.Coalesce: Expressions._coalesce,
    exp.StructExtract: Expressions._field,
    exp.Case: Expressions._case,
    exp.Anonymous: Expressions._folded_list,
}


def _operands(e: exp.Expr) -> list[exp.Expr]:
    return [e.this, e.expression] if isinstance(e, exp.Binary | exp.Pow) else [e.this]


def _branches(e: exp.Expr) -> tuple[list[tuple[exp.Expr, exp.Expr]], exp.Expr]:
    """Return the conditions and values of a CASE, and its default; `CASE x WHEN 1` becomes `CASE WHEN x = 1`."""
    subject = e.args.get("this")
    ifs = [
        (exp.EQ(this=subject.copy(), expression=each.this) if subject is not None else each.this, each.args["true"])
        for each in e.args["ifs"]
    ]
    return ifs, e.args.get("default") or exp.Null()


def _positive_part(e: exp.Expr) -> exp.Expr | None:
    """Return x of `CASE WHEN x > 0 THEN x ELSE 0 END`, or -x of `CASE WHEN x < 0 THEN -x ELSE 0 END`."""
    ifs, default = _branches(e)
    (condition, value), *others = ifs
    is_zero = [
        isinstance(part, exp.Literal) and part.is_number and float(part.this) == 0
        for part in (default, condition.expression)
    ]
    if others or not all(is_zero):
        return None
    if isinstance(condition, exp.GT) and value == condition.this:
        return value
    if isinstance(condition, exp.LT) and isinstance(value, exp.Neg) and value.this == condition.this:
        return value
    return None
