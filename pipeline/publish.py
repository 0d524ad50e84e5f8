"""Publishing generations: new files first, then the numbered manifest (the commit), then the pointer.

Readers hold a whole generation, the old or the new one; a writer that dies leaves files that no manifest names.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection
from pydantic import ValidationError

from stockstream.pipeline.errors import Conflict, LakeError, UsageError
from stockstream.pipeline.lake import CURRENT, MANIFESTS, Lake, manifest_key, silver_key
from stockstream.pipeline.manifest import DataFile, Manifest
from stockstream.pipeline.store import Stored
from stockstream.sql.loader import load
from stockstream.sql.session import FileFilter, explain, quoted

logger = logging.getLogger(__name__)

ATTEMPTS = 20


def head(lake: Lake) -> Manifest:
    """Give the newest generation; generation 0 for a lake without silver.

    A writer that died between its commit and the pointer has committed: the pointer is brought up to it here.
    """
    pointer = lake.store.get(CURRENT)
    manifest = _parsed(lake, CURRENT, pointer) if pointer else _without_pointer(lake)
    while (following := lake.store.get(manifest_key(manifest.generation + 1))) is not None:
        manifest = _parsed(lake, manifest_key(manifest.generation + 1), following)
        point_to(lake, manifest)
    return manifest


def generation(lake: Lake, number: int) -> Manifest:
    """Give one generation.

    Raises:
        UsageError: there is no such generation, or it is gone.
    """
    key = manifest_key(number)
    stored = lake.store.get(key)
    if stored is None:
        kept = [manifest.generation for manifest in history(lake)]
        have = f"generations {kept[-1]} to {kept[0]}" if kept else "no generation yet"
        raise UsageError(f"{lake.uri} has no generation {number}: it has {have} (`stockstream history` lists them)")
    return _parsed(lake, key, stored)


def history(lake: Lake) -> list[Manifest]:
    """Give all generations that are kept, the newest first."""
    keys = sorted(lake.store.list(MANIFESTS), reverse=True)
    return [_parsed(lake, key, stored) for key in keys if (stored := lake.store.get(key)) is not None]


def as_of(lake: Lake, text: str) -> int:
    """Give the number of the generation that is meant: its number, or the newest one published up to a time.

    A time is ISO 8601, in UTC unless it says otherwise; a day counts whole: `2026-11-20`, `2026-11-20T17:30+11:00`.

    Raises:
        UsageError: it is neither, or no such generation is kept.
    """
    if text.isdecimal():
        return generation(lake, int(text)).generation
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text} is no generation: write its number, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS") from None
    if len(text) <= len("2026-11-20"):
        moment = datetime.combine(moment, time.max)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    kept = history(lake)
    for manifest in kept:
        if datetime.fromisoformat(manifest.created_at) <= moment:
            return manifest.generation
    have = f"the first one kept is {kept[-1].generation} of {kept[-1].created_at}" if kept else "it has none yet"
    raise UsageError(f"{lake.uri} has no generation as old as {text}: {have} (`stockstream history` lists them)")


def publish(lake: Lake, step: str, make: Callable[[Manifest], Manifest | None]) -> Manifest | None:
    """Commit what `make` makes of the newest generation, or nothing when it gives None.

    `make` puts its new files into the lake and gives the newest generation with its own part changed. When somebody
    else commits meanwhile, or it raises Conflict because it sees that, it is asked again with what they made.
    """
    for _ in range(ATTEMPTS):
        before = head(lake)
        try:
            made = make(before)
        except Conflict:
            continue
        except duckdb.Error as error:  # S3 gone in the middle, a damaged file, a full disk
            raise explain(error, lake.uri) from None
        if made is None:
            return None
        number = before.generation + 1
        manifest = made.model_copy(
            update={
                "generation": number,
                "parent": before.generation or None,
                "created_at": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
                "writer": _writer(),
                "step": step,
                "tables": {
                    name: table if table == before.tables.get(name) else table.model_copy(update={"generation": number})
                    for name, table in made.tables.items()
                },
            }
        )
        try:
            lake.store.put(manifest_key(number), _bytes(manifest), replaces=None)
        except Conflict:
            logger.info("generation %d was taken: %s is made again on what is there now", number, step)
            continue
        point_to(lake, manifest)
        logger.info("%s: generation %d", step, number)
        return manifest
    raise LakeError(f"{lake.uri}: others are publishing all the time: run {step} again later")


def session_at(
    lake: Lake, manifest: Manifest, file_filter: FileFilter | None = None, *steps: str
) -> DuckDBPyConnection:
    """Open a session that sees the newest generation, and of newer files those that `file_filter` returns.

    Its views are those that `steps` need; all by default.

    Raises:
        Conflict: that is no longer the newest.
    """
    con = lake.session(file_filter, *steps)
    seen = con.execute("SELECT getvariable('manifest').generation").fetchall()[0][0]
    if seen != manifest.generation:
        con.close()
        raise Conflict(f"{lake.uri} has come to generation {seen}")
    return con


def point_to(lake: Lake, manifest: Manifest) -> None:
    """Move the pointer up to a committed generation, unless it is there or further already."""

    def newer(before: Stored | None) -> bytes | None:
        if before is not None and _parsed(lake, CURRENT, before).generation >= manifest.generation:
            return None
        return _bytes(manifest)

    lake.update(CURRENT, newer)


@contextmanager
def staging() -> Iterator[Path]:
    """Give a folder for files that are about to be published."""
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        yield Path(folder)


def stage(con: DuckDBPyConnection, query: str, path: Path, row_group_size: int, key: str | None = None) -> DataFile:
    """Write a query's rows, in its order, to a Parquet file, and verify the file against the query's result.

    The rows need columns symbol and date (or valid_from), and no two may have both in common; or, where `key` names
    columns ("file, file_row"), these. Gives the file's description; its key is only its path here.

    Raises:
        LakeError: what was written is not what was to be written.
    """
    size = max(2048, -(-row_group_size // 2048) * 2048)
    said = con.execute(
        f"COPY ({query}) TO {quoted(str(path))} "
        # A bloom filter is one request more a file, and files are sorted.
        f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {size}, WRITE_BLOOM_FILTER false)"
    ).fetchall()[0][0]
    types = [(name, str(kind)) for name, kind in zip(*_shape(con, f"({query})"), strict=True)]
    with duckdb.connect() as fresh:  # of its own: what this one has cached is not what is in the file
        file = f"read_parquet({quoted(str(path))})"
        names, kinds = _shape(fresh, file)
        day = "date" if "date" in names else "valid_from"
        of = key or f"symbol, {day}"
        rows, keys, symbols, first, last = fresh.execute(
            f"SELECT count(*), count(DISTINCT ({of})), count(DISTINCT symbol), min({day}), max({day}) FROM {file}"
        ).fetchall()[0]
    found = [(name, str(kind)) for name, kind in zip(names, kinds, strict=True)]
    if (rows, keys, found) != (said, said, types):
        raise LakeError(
            f"{path.name} was not written as it should be ({rows} rows with {keys} keys, {found}; "
            f"{said} rows were to be written, {types}): nothing was published"
        )
    return DataFile(
        key=str(path),
        rows=rows,
        bytes=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        symbols=symbols,
        first_date=first,
        last_date=last,
    )


def upload(lake: Lake, staged: Iterable[DataFile], table: str, role: str, number: int) -> tuple[DataFile, ...]:
    """Put staged files into the lake under names of their own, and read each back to see that it arrived whole."""
    published = []
    for file in staged:
        key = silver_key(table, number, role, secrets.token_hex(4))
        lake.store.put(key, Path(file.key).read_bytes(), replaces=None)
        stored = lake.store.get(key)
        if stored is None or hashlib.sha256(stored.data).hexdigest() != file.sha256:
            raise LakeError(f"{lake.store.uri(key)} did not arrive as it was sent: nothing was published, run again")
        published.append(file.model_copy(update={"key": key}))
    return tuple(published)


def sql_versions(*names: str) -> dict[str, str]:
    """Give the sha256 of SQL files' texts, by their names below `sql/`."""
    return {name: hashlib.sha256(load(name).text.encode()).hexdigest() for name in names}


def _without_pointer(lake: Lake) -> Manifest:
    """Give the newest generation, and point to it: the pointer was not written yet, or is lost."""
    kept = history(lake)
    if not kept:
        return Manifest()
    point_to(lake, kept[0])
    return kept[0]


def _shape(con: DuckDBPyConnection, source: str) -> tuple[list[str], list[object]]:
    relation = con.sql(f"FROM {source} LIMIT 0")
    return relation.columns, list(relation.types)


@cache
def _writer() -> str:
    try:
        own = version("stock-stream")
    except PackageNotFoundError:  # a Lambda package has the code without its metadata
        own = "0"
    return f"stock-stream {own}, duckdb {duckdb.__version__}"


def _bytes(manifest: Manifest) -> bytes:
    return (manifest.model_dump_json(indent=1, exclude_none=True, by_alias=True) + "\n").encode()


def _parsed(lake: Lake, key: str, stored: Stored) -> Manifest:
    try:
        return Manifest.model_validate_json(stored.data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LakeError(
            f"{lake.store.uri(key)} is damaged ({where}: {first['msg']}): "
            f"restore it from {lake.store.uri(MANIFESTS)}, its copies by number"
        ) from None
