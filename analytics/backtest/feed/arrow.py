"""Arrow's rows in memory and in files. Without pandas, which pyarrow's own ways import: that takes a second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def numbers(rows: pa.RecordBatch, name: str) -> NDArray[Any]:
    """Give a column of numbers or days as it lies in memory; what is NULL has any value."""
    array = rows.column(name)
    kind = np.dtype(np.int32) if pa.types.is_date32(array.type) else np.dtype(array.type.to_pandas_dtype())
    return np.frombuffer(array.buffers()[1], kind, len(array), array.offset * kind.itemsize)


def joined(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Put rows after one another."""
    return parts[0] if len(parts) == 1 else pa.Table.from_batches(parts).combine_chunks().to_batches()[0]


def write(rows: Iterable[pa.RecordBatch], path: Path) -> None:
    """Lay rows down in a file of Arrow's stream format."""
    writer = None
    with pa.OSFile(str(path), "wb") as file:
        for batch in rows:
            writer = writer or pa.ipc.new_stream(file, batch.schema)
            writer.write_batch(batch)
        if writer is not None:
            writer.close()


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Read a file of `write`, a batch at a time; not mapped, as mapped pages count as memory."""
    if path.stat().st_size:
        with pa.OSFile(str(path), "rb") as file:
            yield from pa.ipc.open_stream(file)
