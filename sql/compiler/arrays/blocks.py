"""Blocks: the bars of some symbols as arrays of symbols × bars, padded to a common length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stockstream.sql.compiler.arrays.bars import Bars
from stockstream.sql.compiler.arrays.kernels import SIDE, Array
from stockstream.sql.compiler.arrays.program import Program


def compute(bars: Bars, program: Program, first: int, last: int, results: Mapping[str, Array]) -> None:
    """Write a program's columns for the rows of the symbols from number `first` to `last - 1`, one after the other."""
    start = int(bars.starts[first])
    lengths = bars.ends - bars.starts
    for numbers in _groups(lengths, first, last, program.cells):
        longest = int(lengths[numbers].max())
        width = -(-longest // SIDE) * SIDE
        begins = bars.starts[numbers]
        is_one = lengths[numbers].min() == longest and int(numbers[-1] - numbers[0]) == len(numbers) - 1
        columns = program.input_blocks(len(numbers), width)
        for name, block in columns.items():
            flat = bars.columns[name]
            if is_one:
                block[:, :longest] = flat[begins[0] : begins[0] + longest * len(numbers)].reshape(-1, longest)
                block[:, longest:] = block[:, longest - 1 : longest]
            else:
                for row, begin, length in zip(block, begins, lengths[numbers], strict=True):
                    row[:length] = flat[begin : begin + length]
                    row[length:] = row[length - 1]
        store = partial(_store, results, begins - start, lengths[numbers], is_one)
        program.run(columns, lengths[numbers], store)


def _groups(lengths: NDArray[np.int64], first: int, last: int, cells: int) -> Iterator[NDArray[np.int64]]:
    """Cut symbols into groups of similar lengths, each of at most `cells` values or of one symbol."""
    numbers = np.arange(first, last)[np.argsort(-lengths[first:last], kind="stable")]
    while len(numbers):
        count = max(1, cells // max(int(lengths[numbers[0]]), 1))
        yield np.sort(numbers[:count])
        numbers = numbers[count:]


def _store(
    results: Mapping[str, Array],
    begins: NDArray[np.int64],
    lengths: NDArray[np.int64],
    is_one: bool,
    name: str,
    values: Array,
) -> None:
    """Copy a block's values to the rows of a column, without the padding; `is_one`: the rows follow each other."""
    flat = results[name]
    if is_one:
        length = int(lengths[0])
        flat[begins[0] : begins[0] + length * len(begins)].reshape(-1, length)[...] = values[:, :length]
        return
    for row, begin, length in zip(values, begins, lengths, strict=True):
        flat[begin : begin + length] = row[:length]
