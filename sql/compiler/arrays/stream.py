"""Read the result of a query as arrays, chunk by chunk, which costs a third of `fetchnumpy`.

DuckDB exports its chunks by the C interfaces of Arrow, and ctypes reads these, so that no pyarrow is needed:
https://arrow.apache.org/docs/format/CDataInterface.html and https://arrow.apache.org/docs/format/CStreamInterface.html.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_uint8, c_void_p
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

DTYPES: Mapping[str, type[np.generic]] = {
    "g": np.float64, "l": np.int64, "L": np.uint64, "i": np.int32, "tdD": np.int32,
}  # fmt: skip
"""The type of an array by the format of a column: DOUBLE, BIGINT, UBIGINT, INTEGER, and DATE in days since 1970."""


class _Schema(Structure):
    """`struct ArrowSchema`."""


_Schema._fields_ = [
    ("format", c_char_p), ("name", c_char_p), ("metadata", c_void_p), ("flags", c_int64), ("n_children", c_int64),
    ("children", POINTER(POINTER(_Schema))), ("dictionary", c_void_p), ("release", CFUNCTYPE(None, POINTER(_Schema))),
    ("private_data", c_void_p),
]  # fmt: skip


class _Array(Structure):
    """`struct ArrowArray`."""


_Array._fields_ = [
    ("length", c_int64), ("null_count", c_int64), ("offset", c_int64), ("n_buffers", c_int64), ("n_children", c_int64),
    ("buffers", POINTER(c_void_p)), ("children", POINTER(POINTER(_Array))), ("dictionary", c_void_p),
    ("release", CFUNCTYPE(None, POINTER(_Array))), ("private_data", c_void_p),
]  # fmt: skip


class _Stream(Structure):
    """`struct ArrowArrayStream`."""


_Stream._fields_ = [
    ("get_schema", CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Schema))),
    ("get_next", CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Array))),
    ("get_last_error", CFUNCTYPE(c_char_p, POINTER(_Stream))),
    ("release", CFUNCTYPE(None, POINTER(_Stream))), ("private_data", c_void_p),
]  # fmt: skip

_pointer_of = ctypes.PYFUNCTYPE(c_void_p, ctypes.py_object, c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))


@dataclass(frozen=True)
class Column:
    """Some consecutive values of a column. The memory is DuckDB's, and is freed when the next chunk is read."""

    values: NDArray[Any]
    """Arbitrary where NULL."""
    is_valid: NDArray[np.bool_] | None
    """Where the values are not NULL; None: everywhere."""


def chunks(con: DuckDBPyConnection, query: str) -> Iterator[dict[str, Column]]:
    """Yield the columns of a query's result, up to a million rows at a time, in the order of the result.

    Raises:
        duckdb.Error: as when the query is executed.
        TypeError: a column is of a type that is not in DTYPES.
    """
    capsule = con.sql(query).__arrow_c_stream__()  # owns the stream, and releases it
    stream = ctypes.cast(_pointer_of(capsule, b"arrow_array_stream"), POINTER(_Stream))
    formats = _formats(stream)
    while True:
        array = _Array()
        _check(stream, stream.contents.get_next(stream, array))
        if not array.release:
            return
        try:
            yield {name: _column(kind, array.children[at].contents) for at, (name, kind) in enumerate(formats.items())}
        finally:
            array.release(array)


def _formats(stream: Any) -> dict[str, str]:
    """Return the format of each column by name."""
    schema = _Schema()
    _check(stream, stream.contents.get_schema(stream, schema))
    try:
        columns = [schema.children[at].contents for at in range(schema.n_children)]
        return {column.name.decode(): column.format.decode() for column in columns}
    finally:
        schema.release(schema)


def _column(kind: str, array: Any) -> Column:
    is_valid = None
    if array.null_count:
        is_valid = _bits(array, 0)
    if kind == "b":
        return Column(_bits(array, 1), is_valid)
    if kind not in DTYPES:
        raise TypeError(f"a column of the format {kind!r} of Arrow cannot be read as an array")
    dtype = np.dtype(DTYPES[kind])
    values = _bytes(array, 1, (array.offset + array.length) * dtype.itemsize).view(dtype)
    return Column(values[array.offset :], is_valid)


def _bits(array: Any, number: int) -> NDArray[np.bool_]:
    """Return a buffer of bits as booleans."""
    end = array.offset + array.length
    bits = np.unpackbits(_bytes(array, number, -(-end // 8)), count=end, bitorder="little")
    return bits[array.offset :].view(np.bool_)


def _bytes(array: Any, number: int, size: int) -> NDArray[np.uint8]:
    if not size:
        return np.empty(0, np.uint8)
    return np.ctypeslib.as_array(ctypes.cast(array.buffers[number], POINTER(c_uint8)), (size,))


def _check(stream: Any, code: int) -> None:
    """Raise the error of a stream as DuckDB raises it elsewhere, by the beginning of its message."""
    if code:
        message = (stream.contents.get_last_error(stream) or b"").decode(errors="replace")
        words = message.partition(" Error:")[0].split()
        names = ["".join(words), "".join(word.capitalize() for word in words)]
        raise next((kind for name in names if (kind := getattr(duckdb, f"{name}Exception", None))), duckdb.Error)(
            message
        )
