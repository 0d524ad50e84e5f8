"""The process that runs one query of a caller, and then ends; after queries that are refused, it takes another.

A process, because only that limits everything: DuckDB's memory limit does not count long strings, its interruption
waits for the function that runs, and what one query leaves in a connection (a log, a temporary table) another could
read. It has an empty environment, limits of memory and CPU time, and may not write any file.

`python -m stockstream.analytics.serving.sql_process FILE` opens a serving file, and writes the line `ready`. It reads
one line, JSON of `Order`, and writes one line, JSON of `Outcome`, and the body.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from pathlib import Path

import duckdb
import msgspec

from stockstream.analytics.serving.formats import FORMATS
from stockstream.analytics.serving.lockdown import admitted, limit_memory, open_locked
from stockstream.sql.errors import UsageError

SECONDS = 5
"""CPU time of a query, in one thread: that is the time on a clock, if the machine has nothing else to do."""
MAX_ROWS = 100_000
MAX_BYTES = 64 << 20
"""Size of the rows of an answer in memory."""
READY = b"ready\n"
TOO_MUCH = "the query needs too much memory: ask for fewer rows or columns"


class Order(msgspec.Struct):
    """A query, the rows that are wanted at most, and the media type of the answer."""

    sql: str
    limit: int
    media: str
    generation: int


class Outcome(msgspec.Struct):
    """Whether a query has been answered (200), and the length of the body; else the status and reason of a problem."""

    status: int = 200
    reason: str = ""
    length: int = 0
    is_truncated: bool = False
    is_unused: bool = False
    """Whether nothing has run, so that the process can take another query."""


def main() -> None:
    """Run the query that comes on standard input."""
    con = open_locked(Path(sys.argv[1]), rows=MAX_ROWS + 1)
    warm = con.sql(admitted(con, "SELECT 1")).to_arrow_table()  # the first use takes a second
    for form in FORMATS.values():
        if form.write is not None:
            form.write(warm)
    limit_memory()
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(kind, (0, 0))
    out = sys.stdout.buffer
    out.write(READY)
    out.flush()
    for line in sys.stdin.buffer:
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + SECONDS, resource.RLIM_INFINITY))
        outcome, body = _outcome(con, msgspec.json.decode(line, type=Order))
        out.write(msgspec.json.encode(outcome) + b"\n" + body)
        out.flush()
        if not outcome.is_unused:
            return


def _outcome(con: duckdb.DuckDBPyConnection, order: Order) -> tuple[Outcome, bytes]:
    try:
        sql = admitted(con, order.sql)
    except (UsageError, duckdb.Error) as error:
        return Outcome(422, _reason(error), is_unused=True), b""
    try:
        body, is_truncated = _answer(con, sql, order)
    except (duckdb.OutOfMemoryException, MemoryError):
        return Outcome(413, TOO_MUCH), b""
    except duckdb.Error as error:
        return Outcome(422, _reason(error)), b""
    except Exception as error:  # a type of DuckDB that a format does not have
        return Outcome(422, f"the rows cannot be written as {order.media}: {type(error).__name__}"), b""
    if len(body) > MAX_BYTES:
        return Outcome(413, TOO_MUCH), b""
    return Outcome(length=len(body), is_truncated=is_truncated), body


def _reason(error: Exception) -> str:
    return str(error).split("\n\n")[0][:1000]


def _answer(con: duckdb.DuckDBPyConnection, sql: str, order: Order) -> tuple[bytes, bool]:
    rows = con.sql(sql).limit(order.limit + 1)
    table = rows.to_arrow_table()
    if table.nbytes > MAX_BYTES:
        raise MemoryError
    is_truncated, table = len(table) > order.limit, table.slice(0, order.limit)
    write = FORMATS[order.media].write
    if write is not None:
        return write(table), is_truncated
    document = {"rows": table.to_pylist(), "is_truncated": is_truncated, "generation": order.generation}
    return msgspec.json.encode(document), is_truncated


if __name__ == "__main__":
    main()
