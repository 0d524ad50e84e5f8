"""The formats of an answer: JSON, CSV, an Arrow stream or Parquet, as the header Accept asks for."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from duckdb import DuckDBPyConnection

from stockstream.analytics.serving.paging import Place, token_of
from stockstream.analytics.serving.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa

_encode = msgspec.json.Encoder().encode


@dataclass
class Page:
    """The rows of an answer: a cursor with a result, and the other members of the JSON document."""

    name: str
    """What the rows are called in JSON."""
    cursor: DuckDBPyConnection
    generation: int | None = None
    """None: the rows are of no generation, or of several."""
    limit: int | None = None
    """If the result has more rows than this, there is a next page; it then needs the columns symbol and date."""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """A format: its media type, and how an Arrow table becomes a body; None: the rows are encoded without a table."""

    name: str
    media: str
    write: Callable[[pa.Table], bytes] | None

    def body(self, page: Page) -> tuple[bytes, str | None]:
        """Return the body of a page, and the token of the next one."""
        names = [column for column, *_ in page.cursor.description]
        if self.write is None:
            rows = page.cursor.fetchall()
            token = _next(page, names, len(rows), lambda number, column: rows[number][column])
            objects = [dict(zip(names, row, strict=True)) for row in rows[: page.limit]]
            more = {} if page.limit is None else {"next_page_token": token}
            number = {} if page.generation is None else {"generation": page.generation}
            return _encode({page.name: objects, **more, **number, **page.extra}), token
        table = page.cursor.to_arrow_table()
        token = _next(page, names, len(table), lambda number, column: table.column(column)[number].as_py())
        return self.write(table.slice(0, page.limit)), token


def _next(page: Page, names: list[str], rows: int, cell: Callable[[int, int], Any]) -> str | None:
    if page.limit is None or page.generation is None or rows <= page.limit:
        return None
    symbol, day = (cell(page.limit - 1, names.index(column)) for column in ("symbol", "date"))
    assert page.generation is not None
    return token_of(Place(symbol, day, page.generation))


def _arrow(table: pa.Table) -> bytes:
    import pyarrow as pa

    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _parquet(table: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _csv(table: pa.Table) -> bytes:
    import pyarrow.csv

    sink = io.BytesIO()
    pyarrow.csv.write_csv(table, sink)
    return sink.getvalue()


JSON = Format("json", "application/json", None)
FORMATS = {
    form.media: form
    for form in (
        JSON,
        Format("csv", "text/csv", _csv),
        Format("arrow", "application/vnd.apache.arrow.stream", _arrow),
        Format("parquet", "application/vnd.apache.parquet", _parquet),
    )
}
"""The formats by media type; of those that a request accepts equally, the first one is sent."""


@lru_cache(256)
def accepted(header: str) -> Format:
    """Return the format that a header Accept prefers (RFC 9110, section 12.5.1); an empty one prefers JSON.

    Raises:
        Problem: it accepts none (406).
    """
    best: tuple[float, Format] | None = None
    for media, form in FORMATS.items():
        quality = _quality(media, header) if header.strip() else 1.0
        if quality > (best[0] if best else 0.0):
            best = quality, form
    if best is None:
        raise Problem(406, f"Accept: {header}: there are {', '.join(FORMATS)}", accepted=list(FORMATS))
    return best[1]


def _quality(media: str, header: str) -> float:
    """Return the quality of a media type by the most specific range of a header; 0 if it is not accepted."""
    kind = media.split("/")[0]
    order = {media: 2, f"{kind}/*": 1, "*/*": 0}
    qualities = {-1: 0.0}
    for part in header.lower().split(","):
        name, *parameters = (text.strip() for text in part.split(";"))
        if name in order:
            qualities[order[name]] = _weight(parameters)
    return qualities[max(qualities)]


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
