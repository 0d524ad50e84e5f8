"""Read Parquet files of a lake whole, whatever state the lake is in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.lake import Lake
from stockstream.sql.loader import HOME, load, views_for
from stockstream.sql.session import first_line, quoted, set_variable
from stockstream.sql.variables import empty_variables


@contextmanager
def local_files(lake: Lake, keys: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the local path per object: the file itself in a folder, a temporary copy of an object on S3."""
    if not lake.uri.startswith("s3://"):
        yield {key: lake.store.uri(key) for key in keys}
        return
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        paths = {}
        for key in keys:
            stored = lake.store.get(key)
            path = Path(folder) / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stored.data if stored else b"")
            paths[key] = str(path)
        yield paths


@contextmanager
def reader() -> Iterator[DuckDBPyConnection]:
    """Open a connection that reads local batch files with the macros of the views; it has no lake."""
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as con:
        set_variable(con, "sql_home", str(HOME))
        con.execute(empty_variables())
        for view in views_for("views/read_raw"):
            con.execute(load(view).text)
        yield con


def whole_file(con: DuckDBPyConnection, path: str, columns: Mapping[str, str]) -> str | None:
    """Return why a Parquet file cannot be read whole, or lacks one of some columns; None if nothing is wrong."""
    try:
        relation = con.sql(f"FROM read_parquet({quoted(path)})")
        held = dict(zip(relation.columns, map(str, relation.types), strict=True))
        names = ", ".join(f'"{name}"' for name in held)
        con.execute(f"SELECT bit_xor(hash({names})) FROM read_parquet({quoted(path)})").fetchall()
    except (duckdb.Error, UnicodeDecodeError) as error:
        return f"it cannot be read: {first_line(error)}"
    for name, kind in columns.items():
        if name not in held:
            return f"it has no column {name}"
        if held[name] != kind:
            return f"its column {name} is {held[name]} instead of {kind}"
    return None


def declared(con: DuckDBPyConnection, source: str) -> dict[str, str]:
    """Return the type per column of a table, or of `sql/schema/NAME.parquet` for schema/NAME."""
    relation = con.sql(f"FROM '{HOME}/{source}.parquet'" if "/" in source else f"FROM {source}")
    return dict(zip(relation.columns, map(str, relation.types), strict=True))
