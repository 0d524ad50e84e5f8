"""The rows that arrays compute, as a table that DuckDB can scan, and as Arrow record batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from stockstream.sql.compiler.arrays.bars import Market, read_bars
from stockstream.sql.compiler.arrays.compared import Benchmarks, read_benchmarks
from stockstream.sql.compiler.arrays.partial import read_partial
from stockstream.sql.compiler.arrays.pieces import concatenated
from stockstream.sql.compiler.arrays.program import Lowered, by_filters
from stockstream.sql.compiler.arrays.run import Batch, batches
from stockstream.sql.compiler.requests import Request
from stockstream.sql.compiler.selection import Selection
from stockstream.sql.compiler.writer import by_macros
from stockstream.sql.variables import quoted

if TYPE_CHECKING:
    import pyarrow as pa

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Symbols:
    """The symbol of each row: many rows have the same."""

    names: Sequence[str]
    codes: NDArray[np.int32]
    """The index in `names` per row, which does not decrease."""

    @classmethod
    def of(cls, values: Any) -> Symbols:
        """Return the symbols of rows, which are sorted by symbol."""
        names, codes = np.unique(values, return_inverse=True)
        return cls(names.tolist(), codes.astype(np.int32))

    def __getitem__(self, rows: NDArray[np.bool_]) -> Symbols:
        return Symbols(self.names, self.codes[rows])

    def values(self) -> NDArray[np.object_]:
        """Return the symbol of each row."""
        return np.array(self.names, dtype=object)[self.codes]

    def arrow(self) -> pa.Array:
        """Return the symbol of each row."""
        import pyarrow as pa

        counts = np.bincount(self.codes, minlength=len(self.names)).tolist()
        texts = [name.encode() for name in self.names]
        offsets = np.zeros(len(self.codes) + 1, np.int32)
        np.cumsum(np.repeat(np.array([len(text) for text in texts], np.int32), counts), out=offsets[1:])
        characters = b"".join(text * count for text, count in zip(texts, counts, strict=True))
        return pa.StringArray.from_buffers(len(self.codes), pa.py_buffer(offsets), pa.py_buffer(characters))


class Rows:
    """The rows symbol, date, `keep` and the columns of requests, of a table's bars; `read` comes first.

    DuckDB scans the object, by `register` or by the name of a variable, as often as it is used; each time the batches
    are computed again. Symbols with rows that an indicator leaves out come last.
    """

    def __init__(
        self,
        con: DuckDBPyConnection,
        requests: Sequence[Request],
        lowered: Lowered,
        src: str,
        *,
        where: str,
        keep: Mapping[str, str],
        selection: Selection,
        names: Sequence[str] | None = None,
    ) -> None:
        """`keep` are the types by name of the columns to pass on; `names` are the symbols of the table, if known."""
        self._names = names
        self._con, self._requests, self._lowered = con, requests, lowered
        self._src, self._where, self._keep, self._selection = src, where, keep, selection
        self._name = ""
        self._has_numbers = False
        """Whether the connection reads `numbered_columns`."""
        self._market: Market | None = None
        self._benchmarks: Benchmarks = {}
        self._others: list[dict[str, Any]] = []

    @property
    def names(self) -> list[str]:
        """The columns besides symbol and date."""
        return [*self._keep, *(request.name for request in self._requests)]

    @property
    def is_sorted(self) -> bool:
        """Whether the rows are sorted by symbol and date."""
        return not self._others

    @property
    def by_macros(self) -> Sequence[str]:
        """The symbols that the macros compute, because their values are too large for arrays."""
        return self._read.too_large

    @property
    def _read(self) -> Market:
        if self._market is None:
            raise RuntimeError("read() comes before the rows")
        return self._market

    def read(self) -> None:
        """Read the bars into memory, and compute the symbols that have rows to leave out.

        Raises:
            UsageError: a symbol has two rows for a day, a benchmark has no bars, or a parameter of an indicator is
                invalid.
        """
        lowered = self._lowered
        market = read_bars(
            self._con,
            self._src,
            where=self._where,
            filters=lowered.filters,
            inputs=lowered.inputs,
            keep=self._keep,
            names=self._names,
        )
        benchmarks = read_benchmarks(self._con, self._src, lowered.programs)
        if benchmarks is None:
            market = market.all_too_large()
        self._market, self._benchmarks = market, benchmarks or {}
        self._others = self._of_others(market.incomplete, market.too_large)

    def _of_others(self, incomplete: Sequence[str], too_large: Sequence[str]) -> list[dict[str, Any]]:
        """Return the rows of the symbols that are not computed with the others."""
        parts = []
        if incomplete:
            groups = by_filters(tuple(self._requests))
            bars, values, failed = read_partial(self._con, self._src, incomplete, groups, self._benchmarks, self._keep)
            too_large = sorted({*too_large, *failed})
            columns = self._columns(Batch(bars, 0, len(bars.symbols), values))
            if failed:
                is_valid = ~np.isin(columns["symbol"].values().astype(str), failed)
                columns = {name: values[is_valid] for name, values in columns.items()}
            parts.append(columns)
        if too_large:
            where = f"symbol IN ({', '.join(map(quoted, too_large))})"
            text = by_macros(self._requests, self._src, keep=list(self._keep), where=where)
            rows = self._con.execute(f"FROM ({self._selection.of(text)}) ORDER BY symbol, date")
            columns = dict(rows.fetchnumpy())
            columns["symbol"] = Symbols.of(columns["symbol"])
            parts.append(columns | {name: _days(columns[name]) for name in self._dates})
        return parts

    def forget(self) -> None:
        """Free the memory of the bars."""
        self._market, self._others = None, []
        if self._has_numbers:
            self._has_numbers = False
            self.register(self._name)

    def register(self, name: str) -> None:
        """Let the connection read the rows by a name, as a stream of Arrow."""
        self._name = name
        self._con.register(name, self)

    def register_numbers(self) -> tuple[dict[str, Any], list[str]]:
        """Return `numbered_columns`, and let the connection read them by the name of `register`, until `forget`."""
        columns, names = self.numbered_columns()
        self._market, self._others = None, []
        self._con.register(self._name, columns)
        self._has_numbers = True
        return columns, names

    def columns(self) -> dict[str, Any]:
        """Return all rows as arrays of numpy by column, NaN or NaT for NULL; whole numbers with NULL are floats."""
        return self._together(list(self._parts()))

    @property
    def _dates(self) -> list[str]:
        """The columns of dates, which batches have in days since 1970."""
        return ["date", *(name for name, kind in self._keep.items() if kind == "DATE")]

    def numbered_columns(self) -> tuple[dict[str, Any], list[str]]:
        """Return all rows as `columns` does, with the number of each symbol instead of its name, and the names.

        The rows of a symbol follow each other, oldest first. DuckDB scans these arrays several times as fast as texts.
        """
        names: list[str] = []
        parts = list(self._parts())
        for part in parts:
            symbols = part["symbol"]
            if not isinstance(symbols, Symbols):
                distinct, codes = np.unique(symbols.astype(str), return_inverse=True)
                symbols = Symbols(distinct.tolist(), codes.astype(np.int32))
            part["symbol"] = symbols.codes + np.int32(len(names))
            names += symbols.names
        return self._together(parts), names

    def _together(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the rows of batches as arrays of numpy by column."""
        columns = {name: _joined([part[name] for part in parts]) for name in ("symbol", "date", *self.names)}
        columns |= {name: columns[name].astype("datetime64[D]").astype("datetime64[us]") for name in self._dates}
        return {name: _filled(values) for name, values in columns.items()}

    def _parts(self, threads: int | None = None) -> Iterator[dict[str, Any]]:
        """Return the rows in batches of columns; at least one, which may be empty."""
        parts = self._read.parts
        if not any(map(len, parts)):
            none = np.empty(0)
            columns = {"symbol": Symbols([], none.astype(np.int32)), **dict.fromkeys(self.names, none)}
            yield columns | dict.fromkeys(self._dates, none.astype(np.int32))
        for batch in batches(parts, self._lowered.programs, self._benchmarks, threads=threads):
            yield self._columns(batch)
        yield from self._others

    def _columns(self, batch: Batch) -> dict[str, Any]:
        """Return the selected rows of a batch by column."""
        bars = batch.bars
        start, end = bars.starts[batch.first], bars.ends[batch.last - 1]
        lengths = bars.ends[batch.first : batch.last] - bars.starts[batch.first : batch.last]
        codes = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        symbols = Symbols(bars.symbols[batch.first : batch.last], codes)
        columns: dict[str, Any] = {"symbol": symbols, "date": bars.days[start:end]}
        columns |= {name: bars.kept[name][start:end] for name in self._keep}
        columns |= {request.name: batch.values[request.name] for request in self._requests}
        if not self._selection.is_all:
            is_selected = self._is_selected(batch)
            columns = {name: values[is_selected] for name, values in columns.items()}
        return columns

    def _is_selected(self, batch: Batch) -> Any:
        """Return the mask of the rows of a batch that are returned."""
        bars = batch.bars
        first, last, whole = self._selection.first, self._selection.last, self._selection.whole
        days = bars.days[bars.starts[batch.first] : bars.ends[batch.last - 1]]
        mask = np.ones(len(days), np.bool_)
        starts = bars.starts[batch.first : batch.last] - bars.starts[batch.first]
        if first is not None:
            mask = days >= (first - EPOCH).days
            if self._selection.with_previous:
                before = np.add.reduceat(~mask, starts)
                mask[(starts + before - 1)[before > 0]] = True
        if last is not None:
            mask &= days <= (last - EPOCH).days
        if whole:
            lengths = bars.ends[batch.first : batch.last] - bars.starts[batch.first : batch.last]
            mask |= np.repeat([symbol in whole for symbol in bars.symbols[batch.first : batch.last]], lengths)
        return mask

    def batches(self, *, threads: int | None = None) -> Iterator[pa.RecordBatch]:
        """Return the rows as Arrow record batches, computed by so many threads; None: one per core."""
        import pyarrow as pa

        schema = self._schema()
        for part in self._parts(threads):
            yield pa.record_batch([_arrow(part[field.name], field.type) for field in schema], schema=schema)

    def _schema(self) -> pa.Schema:
        import pyarrow as pa

        kinds = {"DOUBLE": pa.float64(), "BIGINT": pa.int64(), "INTEGER": pa.int32(), "DATE": pa.date32()}
        columns = {"symbol": pa.string(), "date": pa.date32()} | dict.fromkeys(self.names, pa.float64())
        return pa.schema(columns | {name: kinds[kind] for name, kind in self._keep.items()})

    def reader(self) -> pa.RecordBatchReader:
        """Return the rows as a stream of Arrow."""
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self._schema(), self.batches())

    def __arrow_c_schema__(self) -> object:
        return self._schema().__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.reader().__arrow_c_stream__(requested_schema)


def _joined(parts: Sequence[Any]) -> Any:
    """Return one column of several batches."""
    parts = [part.values() if isinstance(part, Symbols) else part for part in parts]
    return parts[0] if len(parts) == 1 else concatenated(parts)


def _filled(values: Any) -> Any:
    """Return an array without a mask, which DuckDB ignores: NaT or NaN where values are masked."""
    if not isinstance(values, np.ma.MaskedArray):
        return values
    if values.dtype.kind == "M":
        return np.ma.filled(values, np.datetime64("NaT"))
    return np.ma.filled(values.astype(np.float64), np.nan)


def _days(dates: Any) -> Any:
    """Return dates as days since 1970, masked where they are masked."""
    return dates.astype("datetime64[D]").astype(np.int32)


def _arrow(values: Any, kind: pa.DataType) -> pa.Array:
    """Return a column as an array of Arrow, with NULL for NaN and for what is masked."""
    import pyarrow as pa

    if isinstance(values, Symbols):
        return values.arrow()
    dtype = np.int32 if pa.types.is_date32(kind) else kind.to_pandas_dtype()
    data = np.ascontiguousarray(np.ma.getdata(values), dtype)
    is_valid = ~np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    if data.dtype == np.float64:
        is_number = data == data  # NaN is not equal to itself
        is_valid = is_number if is_valid is None else is_valid & is_number
    valid = None if is_valid is None else pa.py_buffer(np.packbits(is_valid, bitorder="little"))
    return pa.Array.from_buffers(kind, len(data), [valid, pa.py_buffer(data)])
