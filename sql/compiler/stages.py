"""Write a graph as one query: one CTE per stage; each value is computed once, in the first stage that can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stockstream.sql.compiler.graph import REF, Graph

KEYS = ("symbol", "date")


@dataclass(frozen=True)
class _Place:
    """The stage in which a node is computed, and the nodes, by then columns, that it is computed from."""

    stage: tuple[int, int]
    refs: frozenset[int]


def render(graph: Graph, outputs: Mapping[str, str], base: str) -> str:
    """Return the query of symbol, date and the nodes `outputs` (references by column name) over the query `base`.

    `base` has the columns symbol, date, bar and those of the graph's `columns`.
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
        """Return, per node that is needed, the number of nodes and outputs that need it."""
        used = dict.fromkeys(self._outputs.values(), 2)
        pending = list(used)
        while pending:
            for ref in self._graph.nodes[pending.pop()].refs:
                if ref not in used:
                    pending.append(ref)
                used[ref] = used.get(ref, 0) + 1
        return used

    def _is_inline(self, number: int) -> bool:
        node = self._graph.nodes[number]
        return not node.is_window and bool(node.refs) and self._used[number] < 2

    def _columns_of(self, number: int) -> frozenset[int]:
        """Return the nodes, columns by then, that a node is computed from."""
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
            passed = [n for n in columns if self._places[n].stage < stage < last_use.get(n, (0, 0)) and n != 0]
            new = [n for n in columns if self._places[n].stage == stage]
            selected = [*KEYS, "bar", *map(self._name, passed), *(f"{self._text(n)} AS c{n}" for n in new)]
            written.append(f"s{at} AS (SELECT {', '.join(selected)} FROM {before})")
            before = f"s{at}"
        names = ", ".join([*KEYS, *(f'{self._name(n)} AS "{name}"' for name, n in self._outputs.items())])
        return "WITH " + ",\n".join(written) + f"\nSELECT {names} FROM {before}"
