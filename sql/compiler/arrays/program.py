"""Compile requested columns into a program on arrays, once per set of requests."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from sqlglot import exp, parse_one

from stockstream.sql.catalogue.kernels import expand_kernels
from stockstream.sql.compiler.arrays import cells, folds, kernels
from stockstream.sql.compiler.arrays.folds import FOLDS, read_fold
from stockstream.sql.compiler.arrays.kernels import SIDE, Array
from stockstream.sql.compiler.arrays.lowering import Arrays
from stockstream.sql.compiler.arrays.missing import repair
from stockstream.sql.compiler.arrays.pieces import BENCHMARK
from stockstream.sql.compiler.arrays.source import Source
from stockstream.sql.compiler.graph import Columns, Graph, Unsupported
from stockstream.sql.compiler.reader import Reader
from stockstream.sql.compiler.requests import Request, benchmarks_of
from stockstream.sql.compiler.writer import filters_of

CELLS = 40_000
"""Values per register: a program's registers and columns together fit the processor's cache."""
CELLS_OF_FOLDS = 1_000_000
"""The same for a loop over bars, each step of which costs the same for one symbol as for hundreds."""

NAMES: Mapping[str, Any] = {
    **{name: value for module in (kernels, cells) for name, value in vars(module).items() if not name.startswith("_")},
    "fisher": folds.fisher,
    "mcginley": folds.mcginley,
    "psar": folds.psar,
    "supertrend": folds.supertrend,
    "repair": repair,
    "np": np,
    "nan": np.nan,
}
"""What the generated source may use."""


@dataclass(frozen=True)
class Benchmark:
    """Which rows of the table are the bars of a benchmark."""

    symbol: str
    filters: tuple[str, ...]
    """Conditions over the columns of the table."""


class Program:
    """A compiled set of columns. Threads may use it at the same time."""

    def __init__(self, source: Source, outputs: Sequence[str], block: int, benchmark: Benchmark | None) -> None:
        self.text = source.text
        """The generated source."""
        self.inputs = tuple(source.inputs)
        """The columns of bars that it reads; those of the benchmark's bar of the same day begin with BENCHMARK."""
        self.benchmark = benchmark
        """The symbol with which it compares the others; then it has only bars of the days on which both have one."""
        self.outputs = tuple(outputs)
        """The columns that it computes."""
        self.cells = block
        """Number of values (symbols × bars) to compute at once."""
        self._registers = list(source.registers.values())
        space: dict[str, Any] = dict(NAMES)
        exec(compile(self.text, "<indicators>", "exec"), space)
        self._prepare, self._compute = space["prepare"], space["compute"]
        self._prepared = lru_cache(16)(self._constants)
        self._local = threading.local()

    def _constants(self, bars: int) -> tuple[Array, Any]:
        bar = np.arange(float(bars))
        return bar, self._prepare(bar)

    def run(self, columns: Mapping[str, Array], lengths: Any, store: Any) -> None:
        """Compute a block of symbols × bars.

        Args:
            columns: the inputs, of shape (symbols, bars); the number of bars is a multiple of 32.
            lengths: number of bars per symbol, the others being padding.
            store: is called with the name of each output and its values.

        Raises:
            duckdb.OutOfRangeException: a logarithm or root of a negative number, as in SQL.
        """
        symbols, bars = next(iter(columns.values())).shape
        assert bars % SIDE == 0
        with np.errstate(all="ignore"):
            bar, prepared = self._prepared(bars)
            self._compute(bar, columns, prepared, self._buffers(symbols, bars), lambda: bar < lengths[:, None], store)

    def input_blocks(self, symbols: int, bars: int) -> dict[str, Array]:
        """Return this thread's buffers for the inputs of a block, to be filled."""
        size = symbols * bars
        if getattr(self._local, "input_size", 0) < size:
            self._local.input_size = size
            self._local.inputs = [np.empty(size) for _ in self.inputs]
        blocks = [flat[:size].reshape(symbols, bars) for flat in self._local.inputs]
        return dict(zip(self.inputs, blocks, strict=True))

    def _buffers(self, symbols: int, bars: int) -> list[Any]:
        """Return this thread's registers, in the shape of a block."""
        size = symbols * bars
        if getattr(self._local, "size", 0) < size:
            self._local.size = size
            self._local.flat = [np.empty(size, np.bool_ if is_mask else np.float64) for is_mask in self._registers]
        return [flat[:size].reshape(symbols, bars) for flat in self._local.flat]


class Lowered:
    """What arrays can compute of a set of requests."""

    def __init__(self, programs: Sequence[Program], filters: Sequence[str], unsupported: Mapping[str, str]) -> None:
        self.programs = tuple(programs)
        self.filters = tuple(filters)
        """Conditions over the columns of the table that a row must meet to be a bar of all these indicators."""
        self.unsupported = dict(unsupported)
        """Why a column has to be computed by SQL, by its name."""

    @property
    def inputs(self) -> list[str]:
        """The columns of bars that the programs read, without those of a benchmark's bars."""
        names = (name for program in self.programs for name in program.inputs)
        return list(dict.fromkeys(name for name in names if not name.startswith(BENCHMARK)))


def lower(requests: Sequence[Request]) -> Lowered:
    """Return the programs of requests, and the requests that arrays cannot express."""
    return _lower(tuple(requests))


@lru_cache(64)
def by_filters(requests: tuple[Request, ...]) -> list[Lowered]:
    """Return programs of requests that arrays can express, those together that leave out the same rows."""
    groups: dict[tuple[str, ...], list[Request]] = {}
    for request in requests:
        _, conditions = _program([request], CELLS, _benchmark(request))
        groups.setdefault(tuple(sorted(filter(_has_column, conditions))), []).append(request)
    return [Lowered(*_programs(group), {}) for group in groups.values()]


def _has_column(condition: str) -> bool:
    return parse_one(condition, dialect="duckdb").find(exp.Column) is not None


@lru_cache(64)
def _lower(requests: tuple[Request, ...]) -> Lowered:
    try:
        return Lowered(*_programs(requests), {})
    except Unsupported:  # of which request is found out one by one
        reasons = {request.name: reason for request in requests if (reason := _reason(request))}
    return Lowered(*_programs([request for request in requests if request.name not in reasons]), reasons)


def _programs(requests: Sequence[Request]) -> tuple[list[Program], list[str]]:
    """Return the programs of requests, and the conditions that a row must meet to be a bar of all of them."""
    groups: dict[tuple[int, Benchmark | None], list[Request]] = {}
    for request in requests:
        block = CELLS_OF_FOLDS if request.indicator.macro in FOLDS else CELLS
        groups.setdefault((block, _benchmark(request)), []).append(request)
    programs, filters = [], dict[str, None]()
    for (block, benchmark), some in groups.items():
        program, conditions = _program(some, block, benchmark)
        programs.append(program)
        filters |= dict.fromkeys(conditions)
    return programs, list(filters)


def _benchmark(request: Request) -> Benchmark | None:
    """Return the benchmark of a request, whose bars meet the same conditions as the other symbols'."""
    for symbol in benchmarks_of([request]):
        return Benchmark(symbol, tuple(filter(_has_column, map(_expanded, filters_of([request])))))
    return None


@lru_cache(1024)
def _reason(request: Request) -> str:
    """Return why arrays cannot compute a request; empty if they can."""
    try:
        _program([request], CELLS, _benchmark(request))
    except Unsupported as error:
        return str(error) or "joins, groups or sub-queries"
    return ""


def _program(requests: Sequence[Request], block: int, benchmark: Benchmark | None) -> tuple[Program, list[str]]:
    """Return a program, and the conditions that a row must meet to be a bar."""
    graph = Graph()
    lowering = Arrays(graph)
    reader = Reader(graph, lowering)
    relations: dict[str, Columns] = {}
    for request in requests:
        if (call := request.call("")) not in relations:
            if (fold := FOLDS.get(request.indicator.macro)) is not None:
                relations[call] = read_fold(fold, reader, graph, lowering, request)
            else:
                relations[call] = reader.columns(request.indicator.query, dict(request.arguments))
    if lowering.benchmarks != ({benchmark.symbol} if benchmark else set()):
        raise Unsupported("a benchmark that is not the parameter of this name")
    outputs = {request.name: relations[request.call("")][request.column] for request in requests}
    program = Program(Source(graph, lowering.fields, outputs), list(outputs), block, benchmark)
    return program, list(map(_expanded, reader.filters))


@cache
def _expanded(condition: str) -> str:
    """Return a condition without calls of kernels, so that it needs no macros."""
    parsed = exp.paren(parse_one(condition, dialect="duckdb"))
    expand_kernels(parsed, plain=True)
    return str(parsed.this.sql("duckdb"))
