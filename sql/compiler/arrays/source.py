"""Write a graph as the source of one Python function, which computes a block of symbols × bars.

The function has one statement per operation, in the order of the graph's nodes. Its values are in registers, each of
which is used again when the last node that needs it has been computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import sqlglot
from sqlglot import exp

from stockstream.sql.catalogue.kernels import expand_kernels
from stockstream.sql.compiler.arrays.expressions import Expressions
from stockstream.sql.compiler.arrays.operands import Level, Operand, Statements
from stockstream.sql.compiler.arrays.types import Type, type_of
from stockstream.sql.compiler.graph import REF, Graph, Unsupported

_CALL = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
_REPAIR = re.compile(r"repair\(('\w+'), ⟦(\d+)⟧, (\d+), (.*)\)")
_TYPES = {
    **dict.fromkeys(("decayed", "mean", "stddev_pop", "variance_pop", "join_squares"), Type.DOUBLE),
    **dict.fromkeys(("covar_pop", "join_products"), Type.DOUBLE),
    "present": Type.OTHER,
}
"""The types of the results of kernels; that of the others is the type of their first argument."""


class Source:
    """The source of `prepare(bar)` and `compute(…)`, and what they need."""

    def __init__(self, graph: Graph, fields: Mapping[int, tuple[str, ...]], outputs: Mapping[str, str]) -> None:
        """Write the source.

        Args:
            graph: the nodes, whose windows are calls of kernels.
            fields: names of the values of the nodes that have several, by number.
            outputs: references to nodes by column name.

        Raises:
            Unsupported: a value has no equivalent in arrays, or is not of type DOUBLE.
        """
        self._graph, self._fields = graph, fields
        self._out = Statements()
        self._expressions = Expressions(self._out)
        self._outputs: dict[int, list[str]] = {}
        for name, reference in outputs.items():
            self._outputs.setdefault(_number(reference), []).append(name)
        self._parsed: dict[int, exp.Expr] = {}
        self._owned: dict[int, list[str]] = {}
        self.inputs: list[str] = []
        """Columns of the input, without quotes."""
        needed = self._needed()
        self._declare(needed)
        last_uses = self._last_uses(needed)
        for number in needed:
            self._write(number)
            for ref in (ref for ref in needed if last_uses[ref] == number):
                self._out.free(*self._owned.pop(ref, ()))
        self.text = "\n".join(self._lines()) + "\n"

    @property
    def registers(self) -> dict[str, bool]:
        """Whether each register is one of masks, by name."""
        return self._out.registers

    def _needed(self) -> list[int]:
        """Return the nodes that the outputs need, each after those that it refers to."""
        needed = set(self._outputs)
        queue = list(needed)
        while queue:
            new = self._graph.nodes[queue.pop()].refs - needed
            needed |= new
            queue.extend(new)
        return sorted(needed)

    def _declare(self, needed: list[int]) -> None:
        """Parse the projections, and find out the types of all nodes."""
        types = self._expressions.types
        for number in needed:
            node, name = self._graph.nodes[number], f"c{number}"
            if node.is_window:
                match = _CALL.fullmatch(node.text)
                assert match is not None, node.text
                first = int(REF.findall(match[2])[0])
                types[name] = _TYPES.get(match[1], types[f"c{first}"])
                types |= {f"{name}.{field}": Type.DOUBLE for field in self._fields.get(number, ())}
            elif self._is_leaf(number):
                types[name] = Type.OTHER
            else:
                self._parsed[number] = _parsed(node.text)
                types[name] = type_of(self._parsed[number], types)

    def _is_leaf(self, number: int) -> bool:
        node = self._graph.nodes[number]
        return node.text == "bar" or node.text in self._graph.columns

    def _last_uses(self, needed: list[int]) -> dict[int, int]:
        """Return for each node the last one that needs its registers, also through a node that has none itself."""
        last = {number: number for number in needed}
        for number in reversed(needed):
            user = last[number] if self._has_no_register(number) else number
            for ref in self._graph.nodes[number].refs:
                last[ref] = max(last[ref], user)
        return last

    def _has_no_register(self, number: int) -> bool:
        """Return whether a node is written where it is used (a condition, a list), or is another node's value."""
        node = self._graph.nodes[number]
        if node.is_window:
            return node.text.startswith(("each(", "repair("))
        return number in self._parsed and (self._is_condition(number) or _is_alias(self._parsed[number]))

    def _is_condition(self, number: int) -> bool:
        return self._expressions.types[f"c{number}"] is Type.BOOLEAN

    def _write(self, number: int) -> None:
        node, name = self._graph.nodes[number], f"c{number}"
        if node.text == "bar":
            self._expressions.values[name] = Operand("bar", Level.BAR)
        elif self._is_leaf(number):
            column = node.text.strip('"').replace('""', '"')
            self.inputs.append(column)
            self._expressions.values[name] = Operand(f"columns[{column!r}]", Level.BLOCK)
        elif node.is_window:
            self._window(number, node.text)
        elif self._is_condition(number):
            self._expressions.conditions[name] = self._parsed[number]
        else:
            operand = self._expressions.value(self._parsed[number])
            if operand.level is Level.BLOCK and not operand.register and not _is_alias(self._parsed[number]):
                operand = self._out.call("np.positive", operand)
            self._keep(number, operand)
        for output in self._outputs.get(number, ()):
            self._store(number, output)

    def _keep(self, number: int, *operands: Operand) -> None:
        """Keep the registers of a node's values until its last use; the first operand is its value."""
        self._expressions.values[f"c{number}"] = Operand(operands[0].text, operands[0].level)
        self._owned[number] = [operand.register for operand in operands if operand.register]

    def _window(self, number: int, text: str) -> None:
        match = _CALL.fullmatch(text)
        assert match is not None, text
        function, arguments, name = match[1], match[2], f"c{number}"
        operands = {int(ref): self._block(int(ref)) for ref in REF.findall(arguments)}
        temporary = [operand.register for operand in operands.values() if operand.register]
        if function == "each":
            (x,) = operands.values()
            self._expressions.lists[name] = x, int(arguments.rsplit(",", 1)[1])
            self._owned[number] = temporary
            return
        if repair := _REPAIR.fullmatch(text):
            result = operands[int(repair[2])]
            values = REF.sub(lambda match: operands[int(match[1])].text, repair[4])
            self._out.add(f"repair({repair[1]}, {result.text}, {repair[3]}, {values})")
            self._expressions.values[name] = result
            self._owned[number] = temporary
            return
        texts = REF.sub(lambda match: operands[int(match[1])].text, arguments)
        registers = [self._out.new() for _ in self._fields.get(number, ("",))]
        results = [Operand(register, Level.BLOCK, False, register) for register in registers]
        out = f"({', '.join(registers)})" if len(registers) > 1 else registers[0]
        self._out.add(f"{function}({texts}, out={out})")
        self._out.free(*temporary)
        self._keep(number, *results)
        if len(registers) > 1:
            self._expressions.parts[name] = {
                field: Operand(register, Level.BLOCK)
                for field, register in zip(self._fields[number], registers, strict=True)
            }

    def _block(self, number: int) -> Operand:
        """Return the values of a node as a block; it has a register of its own if the node's values were no block.

        Raises:
            Unsupported: the node's values are no numbers.
        """
        if (operand := self._expressions.values.get(f"c{number}")) is None:
            raise Unsupported("a window of values that are not numbers")
        return self._out.spread(operand)

    def _store(self, number: int, output: str) -> None:
        if self._expressions.types[f"c{number}"] is not Type.DOUBLE:
            raise Unsupported(f"the type of {output}, which is not DOUBLE")
        operand = self._block(number)
        self._out.add(f"store({output!r}, {operand.text})")
        self._out.free(operand.register)

    def _lines(self) -> Iterator[str]:
        constants = "".join(f"{name}, " for name in self._out.hoisted.values())
        registers = "".join(f"{name}, " for name in self.registers)
        yield "def prepare(bar):"
        for text, name in self._out.hoisted.items():
            yield f" {name} = {text}"
        yield f" return ({constants})"
        yield "def compute(bar, columns, prepared, registers, valid, store):"
        yield from (
            f" ({names}) = {source}" for names, source in ((constants, "prepared"), (registers, "registers")) if names
        )
        yield from self._out.lines


def _parsed(text: str) -> exp.Expr:
    """Return a node's text, parsed, in which references are columns `c7`.

    Raises:
        Unsupported: sqlglot cannot parse it.
    """
    try:
        parsed = exp.paren(sqlglot.parse_one(REF.sub(lambda match: f"c{match[1]}", text), dialect="duckdb"))
    except sqlglot.errors.SqlglotError:
        raise Unsupported(f"the expression {text}") from None
    expand_kernels(parsed, plain=True)
    return parsed.unnest()


def _is_alias(e: exp.Expr) -> bool:
    """Return whether an expression is another node's value."""
    while isinstance(e, exp.Paren) or (isinstance(e, exp.Cast) and e.args["to"].is_type("double")):
        e = e.this
    return isinstance(e, exp.Column | exp.StructExtract)


def _number(reference: str) -> int:
    match = REF.fullmatch(reference)
    assert match is not None, reference
    return int(match[1])
