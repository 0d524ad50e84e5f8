"""Write a graph as one query with one CTE per stage. Each value is computed once, in the first possible stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stockstream.sql.compiler.graph import REF, Graph

KEYS = ("symbol", "date")


@dataclass(frozen=True)
class _Place:
    """Where a node is computed: its stage, and the columns of earlier stages (by node number) that it reads."""

    stage: tuple[int, int]
    refs: frozenset[int]


def render(graph: Graph, outputs: Mapping[str, str], base: str) -> str:
    """Return a query with the columns symbol, date and `outputs`, which are references to nodes by column name.

    `base` is the query of the input, with the columns symbol, date, bar and the graph's `columns`.
    """
    return _Stages(graph, outputs).text(base)


class _Stages:
    def __init__(self, graph: Graph, outputs: Mapping[str, str]) -> None:
        self._graph = graph
        self._outputs = {name: int(REF.fullmatch(ref)[1]) for name, ref in outputs.items()}  # type: ignore[index]
        self._used = self._uses()
        self._places: dict[int, _Place] = {}
        for number in sorted(self._used):  # a node's references have lower numbers
            self._places[number] = self._place(number)

    def _uses(self) -> dict[int, int]:
        """Return the number of uses of each node that is needed; an output counts as 2, so that it becomes a column."""
        uses = dict.fromkeys(self._outputs.values(), 2)
        queue = list(uses)
        while queue:
            for ref in self._graph.nodes[queue.pop()].refs:
                if ref not in uses:
                    queue.append(ref)
                uses[ref] = uses.get(ref, 0) + 1
        return uses

    def _is_inline(self, number: int) -> bool:
        """Return whether a node is written inside the one node that uses it, instead of as a column."""
        node = self._graph.nodes[number]
        return not node.is_window and bool(node.refs) and self._used[number] < 2

    def _columns_of(self, number: int) -> frozenset[int]:
        """Return the columns, by node number, that a node reads directly or through inline nodes."""
        columns: set[int] = set()
        for ref in self._graph.nodes[number].refs:
            columns |= self._places[ref].refs if self._is_inline(ref) else {ref}
        return frozenset(columns)

    def _place(self, number: int) -> _Place:
        node, refs = self._graph.nodes[number], self._columns_of(number)
        if not node.refs:
            return _Place((0, 0), refs)
        last = max((self._places[ref].stage for ref in refs), default=(0, 0))
        if self._is_inline(number):
            return _Place(last, refs)
        return _Place((last[0] + 1, 0) if node.is_window else (last[0], last[1] + 1), refs)

    def _text(self, number: int) -> str:
        """Return the SQL of a node, with names of columns and inline nodes instead of references."""

        def sql_of(ref: int) -> str:
            return f"({self._text(ref)})" if self._is_inline(ref) else self._name(ref)

        return REF.sub(lambda match: sql_of(int(match[1])), self._graph.nodes[number].text)

    def _name(self, number: int) -> str:
        node = self._graph.nodes[number]
        return f"c{number}" if node.refs else node.text

    def text(self, base: str) -> str:
        """Return the query, see `render`."""
        columns = [number for number in self._places if not self._is_inline(number)]
        last_use: dict[int, tuple[int, int]] = {}
        end = (10**9, 0)
        for number in columns:
            for ref in self._places[number].refs:
                last_use[ref] = max(last_use.get(ref, (0, 0)), self._places[number].stage)
        last_use |= dict.fromkeys(self._outputs.values(), end)
        stages = sorted({self._places[number].stage for number in columns} - {(0, 0)})
        ctes, source = [f"base AS ({base})"], "base"
        for index, stage in enumerate(stages):
            old = [n for n in columns if self._places[n].stage < stage < last_use.get(n, (0, 0)) and n != 0]
            new = [n for n in columns if self._places[n].stage == stage]
            names = [*KEYS, "bar", *map(self._name, old), *(f"{self._text(n)} AS c{n}" for n in new)]
            ctes.append(f"s{index} AS (SELECT {', '.join(names)} FROM {source})")
            source = f"s{index}"
        results = ", ".join([*KEYS, *(f'{self._name(n)} AS "{name}"' for name, n in self._outputs.items())])
        return "WITH " + ",\n".join(ctes) + f"\nSELECT {results} FROM {source}"
