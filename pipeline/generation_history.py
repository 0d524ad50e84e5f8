"""The history of a lake: figures of each kept generation, from one object instead of every manifest.

`state/history.json` is a cache. What it lacks, and what does not fit a manifest's size, is read from the manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from stockstream.pipeline.batch_names import BatchNames
from stockstream.pipeline.errors import NewerFormat
from stockstream.pipeline.lake import HISTORY, MANIFESTS, Lake, manifest_key, manifest_number
from stockstream.pipeline.manifest import Manifest
from stockstream.pipeline.sealing import seal, unseal
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
    """Add a generation to the history."""

    def longer(before: Stored | None) -> bytes | None:
        entries = {entry.generation: entry for entry in _entries(before)}
        if manifest.generation in entries:
            return None
        return _stored([*entries.values(), _entry(manifest)])

    lake.update(HISTORY, longer)


def forget(lake: Lake, generations: Iterable[int]) -> None:
    """Remove generations from the history."""
    dropped = {*generations}

    def shorter(before: Stored | None) -> bytes | None:
        entries = _entries(before)
        kept = [entry for entry in entries if entry.generation not in dropped]
        return None if len(kept) == len(entries) else _stored(kept)

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


def _stored(entries: Iterable[Entry]) -> bytes:
    """Return the history as it is stored: the SQL versions, which seldom change, once under their own checksum."""
    versions: dict[str, dict[str, str]] = {}
    rows = []
    for entry in sorted(entries, key=lambda entry: entry.generation):
        row = entry.model_dump(exclude_none=True)
        for name, table in entry.tables.items():
            label = hashlib.sha256(json.dumps(table.sql).encode()).hexdigest()[:12]
            versions[label] = table.sql
            row["tables"][name]["sql"] = label
        rows.append(row)
    return seal(json.dumps({"sql": versions, "generations": rows}, separators=(",", ":")).encode())


def _entries(stored: Stored | None) -> list[Entry]:
    """Return the entries of a stored history; none if there is no history, or it is damaged."""
    document = unseal(stored.data) if stored else None
    try:
        content = json.loads(document or b"{}")
        versions = content.get("sql", {})
        entries = []
        for row in content.get("generations", ()):
            for table in row["tables"].values():
                table["sql"] = versions[table["sql"]]
            entries.append(Entry.model_validate(row))
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    return entries
