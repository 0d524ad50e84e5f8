"""Write a graph as one query: a CTE a stage, in which each value is computed once, when all it needs is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stockstream.sql.compiler.graph import REF, Graph

KEYS = ("symbol", "date")


@dataclass(frozen=True)
class _Place:
    """When a node is computed, and from which nodes that are columns by then."""

    stage: tuple[int, int]
    refs: frozenset[int]


def render(graph: Graph, outputs: Mapping[str, str], base: str) -> str:
    """Write the query that gives the nodes `outputs` (by name) beside symbol and date, from the rows of a query `base`.

    `base` gives symbol, date, bar and the columns that nodes name by themselves.
    """
    return _Stages(graph, outputs).text(base)


class _Stages:
    def __init__(self, graph: Graph, outputs: Mapping[str, str]) -> None:
        self._graph = graph
        self._outputs = {name: int(REF.fullmatch(ref)[1]) for name, ref in outputs.items()}  # type: ignore[index]
        self._used = self._uses()
        self._places: dict[int, _Place] = {}
        for number in sorted(self._used):  # what a node refers to came before it
            self._places[number] = self._place(number)

    def _uses(self) -> dict[int, int]:
        """Count for each node that is needed how many need it."""
        used = dict.fromkeys(self._outputs.values(), 2)
        asked = list(used)
        while asked:
            for ref in self._graph.nodes[asked.pop()].refs:
                if ref not in used:
                    asked.append(ref)
                used[ref] = used.get(ref, 0) + 1
        return used

    def _is_inline(self, number: int) -> bool:
        node = self._graph.nodes[number]
        return not node.is_window and bool(node.refs) and self._used[number] < 2

    def _columns_of(self, number: int) -> frozenset[int]:
        """Give the nodes that are columns by the time this one is computed, and that it is computed from."""
        found: set[int] = set()
        for ref in self._graph.nodes[number].refs:
            found |= self._places[ref].refs if self._is_inline(ref) else {ref}
        return frozenset(found)

    def _place(self, number: int) -> _Place:
        node, refs = self._graph.nodes[number], self._columns_of(number)
        if not node.refs:
            return _Place((0, 0), refs)
        last = max((self._places[ref].stage for ref in refs), default=(0, 0))
        if self._is_inline(number):
            return _Place(last, refs)
        return _Place((last[0] + 1, 0) if node.is_window else (last[0], last[1] + 1), refs)

    def _text(self, number: int) -> str:
        def written(ref: int) -> str:
            return f"({self._text(ref)})" if self._is_inline(ref) else self._name(ref)

        return REF.sub(lambda match: written(int(match[1])), self._graph.nodes[number].text)

    def _name(self, number: int) -> str:
        node = self._graph.nodes[number]
        return f"c{number}" if node.refs else node.text

    def text(self, base: str) -> str:
        columns = [number for number in self._places if not self._is_inline(number)]
        last_use: dict[int, tuple[int, int]] = {}
        end = (10**9, 0)
        for number in columns:
            for ref in self._places[number].refs:
                last_use[ref] = max(last_use.get(ref, (0, 0)), self._places[number].stage)
        last_use |= dict.fromkeys(self._outputs.values(), end)
        stages = sorted({self._places[number].stage for number in columns} - {(0, 0)})
        written, before = [f"base AS ({base})"], "base"
        for at, stage in enumerate(stages):
            kept = [n for n in columns if self._places[n].stage < stage < last_use.get(n, (0, 0)) and n != 0]
            new = [n for n in columns if self._places[n].stage == stage]
            names = [*KEYS, "bar", *map(self._name, kept), *(f"{self._text(n)} AS c{n}" for n in new)]
            written.append(f"s{at} AS (SELECT {', '.join(names)} FROM {before})")
            before = f"s{at}"
        found = ", ".join([*KEYS, *(f'{self._name(n)} AS "{name}"' for name, n in self._outputs.items())])
        return "WITH " + ",\n".join(written) + f"\nSELECT {found} FROM {before}"
