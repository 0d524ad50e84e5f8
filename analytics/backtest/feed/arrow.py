"""Arrow rows in memory and in files. Avoids pyarrow's own conversions, which import pandas and so take a second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def numbers(rows: pa.RecordBatch, name: str) -> NDArray[Any]:
    """Return a column of numbers or days (since 1970-01-01) as a view of its buffer; NULLs have arbitrary values."""
    array = rows.column(name)
    kind = np.dtype(np.int32) if pa.types.is_date32(array.type) else np.dtype(array.type.to_pandas_dtype())
    return np.frombuffer(array.buffers()[1], kind, len(array), array.offset * kind.itemsize)


def float_array(values: NDArray[np.float64]) -> pa.Array:
    """Return an array of Arrow with the memory of `values`, and NULL for NaN."""
    is_valid = values == values  # NaN is not equal to itself
    mask = None if is_valid.all() else pa.py_buffer(np.packbits(is_valid, bitorder="little"))
    return pa.Array.from_buffers(pa.float64(), len(values), [mask, pa.py_buffer(np.ascontiguousarray(values))])


def int_array(values: NDArray[np.int32]) -> pa.Array:
    """Return an array of Arrow with the memory of `values`."""
    return pa.Array.from_buffers(pa.int32(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def bool_array(values: NDArray[np.bool_]) -> pa.Array:
    """Return an array of Arrow with the same values."""
    bits = pa.py_buffer(np.packbits(values, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, bits])


def text_array(texts: Iterable[str]) -> pa.Array:
    """Return an array of Arrow with the same texts."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)]).astype(np.int32)
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def symbols_of(rows: pa.RecordBatch) -> tuple[list[str], NDArray[np.int32]]:
    """Return the distinct symbols of rows, perhaps with others, and the position in them of each row's symbol."""
    column = rows.column("symbol").dictionary_encode()
    indices = column.indices
    codes = np.frombuffer(indices.buffers()[1], np.int32, len(rows), 4 * indices.offset)
    return column.dictionary.to_pylist(), codes


def concatenate(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Return one record batch with the rows of several."""
    return parts[0] if len(parts) == 1 else pa.Table.from_batches(parts).combine_chunks().to_batches()[0]


def write(rows: Iterable[pa.RecordBatch], path: Path) -> None:
    """Write rows to a file in Arrow's stream format."""
    writer = None
    with pa.OSFile(str(path), "wb") as file:
        for batch in rows:
            writer = writer or pa.ipc.new_stream(file, batch.schema)
            writer.write_batch(batch)
        if writer is not None:
            writer.close()


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a file of `write`. It is not memory-mapped, because mapped pages count as memory."""
    if path.stat().st_size:
        with pa.OSFile(str(path), "rb") as file:
            yield from pa.ipc.open_stream(file)


def write_split(rows: Iterable[pa.RecordBatch], days: Sequence[int], paths: Sequence[Path]) -> None:
    """Write rows, ordered by date, to files: those up to each day (since 1970-01-01) after the one before, the rest."""
    with ExitStack() as stack:
        files = [stack.enter_context(pa.OSFile(str(path), "wb")) for path in paths]
        writers: dict[int, Any] = {}
        for batch in rows:
            bounds = [0, *np.searchsorted(numbers(batch, "date"), days, side="right").tolist(), len(batch)]
            for number, (first, last) in enumerate(pairwise(bounds)):
                if last > first:
                    if number not in writers:
                        writers[number] = stack.enter_context(pa.ipc.new_stream(files[number], batch.schema))
                    writers[number].write_batch(batch.slice(first, last - first))


def read_all(paths: Iterable[Path]) -> Iterator[pa.RecordBatch]:
    """Yield the batches of several files of `write_split`."""
    for path in paths:
        yield from read(path)
