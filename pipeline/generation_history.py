"""The history of a lake: figures of each kept generation, from one object instead of every manifest.

`state/history.json` is a cache. What it lacks, and what does not fit a manifest's size, is read from the manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from stockstream.pipeline.batch_names import BatchNames
from stockstream.pipeline.errors import NewerFormat
from stockstream.pipeline.lake import HISTORY, MANIFESTS, Lake, manifest_key, manifest_number
from stockstream.pipeline.manifest import Manifest
from stockstream.pipeline.sealing import is_sealed, seal, unseal
from stockstream.pipeline.store import Stored


class TableFigures(BaseModel):
    """A silver table of a generation."""

    model_config = ConfigDict(frozen=True)

    rows: int
    bytes: int
    files: int
    generation: int
    """The generation that published this version of the table."""
    sql: dict[str, str] = {}
    """As in `manifest.Table`."""


class Entry(BaseModel):
    """A generation, as `stockstream history` lists it."""

    model_config = ConfigDict(frozen=True)

    generation: int
    created_at: str = ""
    step: str = ""
    writer: str = ""
    restores: int | None = None
    inputs: BatchNames = ()
    tables: dict[str, TableFigures] = {}
    size: int = 0
    """Of the manifest, in bytes."""
    problem: str | None = None
    """What is wrong with the manifest, of which nothing else is known then."""


def history(lake: Lake) -> list[Entry]:
    """Return all generations that have not been vacuumed, the newest first.

    Raises:
        NewerFormat: a newer version of this program has written one of them.
        LakeError: the lake cannot be read.
    """
    kept = {
        number: listed.size
        for key, listed in lake.store.list(MANIFESTS).items()
        if (number := manifest_number(key)) is not None
    }
    noted = {entry.generation: entry for entry in _entries(lake.store.get(HISTORY))}
    newest = max(kept, default=0)
    lost = sorted((number for number in noted if number > newest), reverse=True) if kept else []
    problem = "its manifest is gone: run `stockstream repair`"  # vacuum never deletes the newest one
    return [Entry(generation=number, problem=problem) for number in lost] + [
        noted[number] if number in noted and noted[number].size == kept[number] else _of_manifest(lake, number)
        for number in sorted(kept, reverse=True)
    ]


def remember(lake: Lake, manifest: Manifest) -> None:
    """Add a generation to the history. The other entries are not parsed, so that a thousand of them cost little."""

    def longer(before: Stored | None) -> bytes | None:
        versions, rows = _content(before)
        if any(row["generation"] == manifest.generation for row in rows):
            return None
        return _stored(versions, [*rows, _row(_entry(manifest), versions)])

    lake.update(HISTORY, longer)


def forget(lake: Lake, generations: Iterable[int]) -> None:
    """Remove generations from the history."""
    dropped = {*generations}

    def shorter(before: Stored | None) -> bytes | None:
        versions, rows = _content(before)
        kept = [row for row in rows if row["generation"] not in dropped]
        return None if len(kept) == len(rows) else _stored(versions, kept)

    lake.update(HISTORY, shorter)


def _of_manifest(lake: Lake, number: int) -> Entry:
    stored = lake.store.get(manifest_key(number))
    if stored is None:
        return Entry(generation=number, problem="it has been deleted in the meantime")
    try:
        manifest = Manifest.from_json(stored.data)
    except NewerFormat as error:
        raise NewerFormat(f"{lake.uri}: {error}") from None
    except ValueError:
        return Entry(generation=number, problem="its manifest is damaged: run `stockstream repair`")
    if manifest.generation != number:
        return Entry(generation=number, problem=f"its manifest is that of generation {manifest.generation}")
    return _entry(manifest)


def _entry(manifest: Manifest) -> Entry:
    return Entry(
        generation=manifest.generation,
        created_at=manifest.created_at,
        step=manifest.step,
        writer=manifest.writer,
        restores=manifest.restores,
        inputs=manifest.inputs,
        tables={
            name: TableFigures(
                rows=sum(file.rows for file in table.files),
                bytes=sum(file.bytes for file in table.files),
                files=len(table.files),
                generation=table.generation,
                sql=table.sql,
            )
            for name, table in manifest.tables.items()
        },
        size=len(manifest.to_json()),
    )


def _row(entry: Entry, versions: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return an entry as it is stored; its SQL versions, which seldom change, are added under their own checksum."""
    row = entry.model_dump(exclude_none=True)
    for name, table in entry.tables.items():
        label = hashlib.sha256(json.dumps(table.sql).encode()).hexdigest()[:12]
        versions[label] = table.sql
        row["tables"][name]["sql"] = label
    return row


def _stored(versions: dict[str, dict[str, str]], rows: Iterable[dict[str, Any]]) -> bytes:
    """Return the history as it is stored."""
    rows = sorted(rows, key=lambda row: int(row["generation"]))
    used = {table["sql"] for row in rows for table in row["tables"].values()}
    document = {"sql": {label: sql for label, sql in versions.items() if label in used}, "generations": rows}
    return seal(json.dumps(document, separators=(",", ":")).encode())


def _content(stored: Stored | None) -> tuple[dict[str, dict[str, str]], list[dict[str, Any]]]:
    """Return the SQL versions and the entries of a stored history as they are; none if it is damaged."""
    document = unseal(stored.data) if stored and is_sealed(stored.data) else None
    content = json.loads(document) if document else {}
    return content.get("sql", {}), content.get("generations", [])


def _entries(stored: Stored | None) -> list[Entry]:
    """Return the entries of a stored history; none if there is no history, or it is damaged."""
    try:
        versions, rows = _content(stored)
        for row in rows:
            for table in row["tables"].values():
                table["sql"] = versions[table["sql"]]
        return [Entry.model_validate(row) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
