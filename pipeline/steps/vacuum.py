"""Vacuum: delete what no reader can come to any more, and take old batch files out of raw-data/."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from stockstream.pipeline.errors import Conflict, LakeError, UsageError
from stockstream.pipeline.lake import CURRENT, MANIFESTS, RAW, SILVER, Lake, manifest_key, no_files
from stockstream.pipeline.manifest import Manifest, Table
from stockstream.pipeline.publish import history, publish, session_at, sql_versions, stage, staging, upload
from stockstream.pipeline.store import Listed
from stockstream.sql.loader import load
from stockstream.sql.session import files_of, pick_files, set_variable

logger = logging.getLogger(__name__)

Event = dict[str, Any]

RETENTION_HOURS = 7 * 24
RAW_DAYS = 30
LEAST_RETENTION = timedelta(hours=1)
ROW_GROUP = 61_440
CHECK = "checks/bars__silver_against_raw"

WHOLE = """
    SELECT footer.file_name
    FROM parquet_file_metadata(raw_files()) AS footer
    JOIN (SELECT file, count(*) AS bars FROM read_raw(raw_files()) GROUP BY file) AS content
        ON content.file = footer.file_name AND content.bars = footer.num_rows
    ORDER BY footer.file_name
"""
"""The files all of whose rows are bars, so that nothing is in them that silver or an archive would not have."""


@dataclass(frozen=True)
class Plan:
    """What a vacuum is to delete, and the generations that stay."""

    kept: Sequence[int]
    manifests: Sequence[int]
    """The generations that go."""
    files: dict[str, Listed]
    """Silver files that only these name."""
    orphans: dict[str, Listed]
    """Silver files that no generation names, and what killed writers left aside."""
    raw: dict[str, Listed]
    """Batch files that are in silver in every generation that stays, by name."""


def vacuum(event: Event, lake: Lake) -> dict[str, Any]:
    """Delete the generations that were replaced longer ago than the retention, their files, and those of crashed runs.

    `event`: `delete` (false by default: only say what would go), `retentionHours` (168 by default, at least 1), `raw`
    (`keep` by default; `archive`: move the rows of old batch files into silver/raw, which the view raw_bars reads on
    from; `remove`: delete those batch files), `rawOlderThanDays` (30 by default). All ages are by the store's clock.

    Gives `{"dryRun", "files", "bytes" (of files and orphans), "manifests" (generations that go), "orphans", "raw":
    {"mode", "files", "bytes"}, "kept" (generations that stay), "generation" (None: none had to be published)}`.

    Raises:
        UsageError: a retention of less than an hour, or no such mode.
        LakeError: the lake cannot be read or written, or silver lacks a bar of a batch file that was to go.
    """
    delete, mode = bool(event.get("delete")), event.get("raw") or "keep"
    retention = timedelta(hours=event.get("retentionHours", RETENTION_HOURS))
    limit = timedelta(days=event.get("rawOlderThanDays", RAW_DAYS))
    if retention < LEAST_RETENTION:
        raise UsageError("a retention of less than an hour would take files away from queries that are running")
    if mode not in ("keep", "archive", "remove"):
        raise UsageError(f"raw cannot be {mode}: write keep, archive or remove")
    plan = Plan((), (), {}, {}, {})

    def make(before: Manifest) -> Manifest | None:
        nonlocal plan
        plan = _plan(lake, before, retention, None if mode == "keep" else limit)
        if not delete:
            return None
        # First of all, so that nobody can begin to roll back to them; killed now, their files are orphans of that age.
        lake.store.delete(manifest_key(number) for number in plan.manifests)
        listed = {key.removeprefix(RAW) for key in lake.store.list(RAW)}
        tables = dict(before.tables)
        if plan.raw:
            taken, archived = _take_raw(lake, before, plan.raw, listed, archive=mode == "archive")
            plan = replace(plan, raw={name: plan.raw[name] for name in taken})
            tables |= {"raw": archived} if archived else {}
        # A generation is published before any file goes, even when it changes nothing: whoever began on an older one
        # (a consolidation slower than the retention, a rollback to what has just been dropped) then loses its number
        # and begins again on this one. It names none of the files that go, so none of them comes back.
        if not (plan.files or plan.orphans or plan.raw):
            return None
        return before.model_copy(
            update={
                "tables": tables,
                "inputs": (),
                "consolidated": tuple(name for name in before.consolidated if name in listed),
                "set_aside": tuple(name for name in before.set_aside if name in listed),
                "restores": None,
            }
        )

    made = publish(lake, "vacuum", make)
    if delete:
        lake.store.delete([*plan.files, *plan.orphans, *(f"{RAW}{name}" for name in plan.raw)])
    return {
        "dryRun": not delete,
        "files": len(plan.files),
        "bytes": _bytes([*plan.files.values(), *plan.orphans.values()]),
        "manifests": list(plan.manifests),
        "orphans": len(plan.orphans),
        "raw": {"mode": mode, "files": len(plan.raw), "bytes": _bytes(plan.raw.values())},
        "kept": [*plan.kept, *([made.generation] if made else [])],
        "generation": made.generation if made else None,
    }


def _plan(lake: Lake, before: Manifest, retention: timedelta, raw_limit: timedelta | None) -> Plan:
    """Find out what can go. A lake without a generation has none: its silver may be all there is of its bars.

    Raises:
        Conflict: there is a newer generation than `before`.
    """
    state = lake.store.list("state/")
    ages = {_number(key): listed.age for key, listed in state.items() if key.startswith(MANIFESTS)}
    if max(ages, default=0) != before.generation:
        raise Conflict(f"{lake.uri} has come to generation {max(ages, default=0)}")
    if not ages:
        return Plan((), (), {}, {}, {})
    first = _first_kept(ages, state[CURRENT].age, retention)
    manifests = history(lake)
    kept = [manifest for manifest in manifests if manifest.generation >= first]
    dropped = [manifest for manifest in manifests if manifest.generation < first]
    stay, go = _named(kept), _named(dropped)
    old = {
        key: listed for key, listed in lake.store.list(SILVER).items() if listed.age >= retention and key not in stay
    }
    aside = {key: listed for key, listed in lake.store.litter().items() if listed.age >= retention}
    raw: dict[str, Listed] = {}
    if raw_limit is not None:
        # In every generation that stays, so that going back to one of them loses nothing. A name that was used again
        # is not in the generation in between, which had seen that the first file was gone.
        everywhere = set.intersection(*(set(manifest.consolidated) for manifest in kept))
        names = {key.removeprefix(RAW): listed for key, listed in lake.store.list(RAW).items()}
        raw = {name: listed for name, listed in names.items() if name in everywhere and listed.age >= raw_limit}
    return Plan(
        sorted(manifest.generation for manifest in kept),
        sorted(manifest.generation for manifest in dropped),
        {key: listed for key, listed in old.items() if key in go},
        {key: listed for key, listed in old.items() if key not in go} | aside,
        raw,
    )


def _first_kept(ages: dict[int, timedelta], pointer: timedelta, retention: timedelta) -> int:
    """Give the first generation that somebody who opened the lake within the retention may be reading.

    That is the one that was current when the retention began. Readers follow the pointer, which is put after the
    manifest, and after a writer that died in between stays one generation behind until the next writer moves it; only
    a pointer that has not been moved since is known to have stood where it stands.
    """
    began = min((number for number, age in ages.items() if age < retention), default=max(ages) + 1) - 1
    return began if pointer >= retention else began - 1


def _take_raw(
    lake: Lake, before: Manifest, wanted: Iterable[str], listed: Set[str], archive: bool
) -> tuple[Sequence[str], Table | None]:
    """Look into the batch files that are to go: give the names of those that can, and the table raw with their rows.

    The table is None where nothing is archived. Files that cannot be read stay, each with a warning, and those with
    rows that are no bars.

    Raises:
        LakeError: silver lacks a bar of one of them.
    """
    held = before.table("raw")
    archived = {*held.made_from.get("files", "").split()}
    with session_at(lake, before, no_files, "views/read_merged", CHECK) as con, staging() as folder:
        set_variable(con, "unconsolidated_files", [lake.store.uri(f"{RAW}{name}") for name in wanted])
        pick_files(con, lake.uri)  # those that can be read
        set_variable(con, "raw_files", files_of(con, "fresh_files"))
        lost = con.execute(load(CHECK).text).fetchone()
        if lost:
            raise LakeError(
                f"silver lacks what {lost[2]} tells of {lost[0]} on {lost[1]} ({lost[3]}): no batch file was taken "
                "away, run `stockstream consolidate --full`"
            )
        whole = {_name(file): file for (file,) in con.execute(WHOLE).fetchall()} if files_of(con, "raw_files") else {}
        new = {name: file for name, file in whole.items() if name not in archived}
        if not (archive and new):
            return list(whole), None
        set_variable(con, "raw_files", list(new.values()))
        rows = "SELECT * REPLACE (parse_filename(file) AS file) FROM read_raw(raw_files())"
        query = f"{rows} ORDER BY symbol, date, file, file_row"
        staged = stage(con, query, folder / "raw.parquet", ROW_GROUP, "file, file_row")
        (added,) = upload(lake, [staged], "raw", "base", before.generation + 1)
    # The names of what is archived and still there: readers skip these files, which a vacuum that is killed leaves.
    names = sorted((archived & listed) | new.keys())
    table = Table(base=(*held.base, added), made_from={"files": " ".join(names)}, sql=sql_versions("views/read_raw"))
    return list(whole), table


def _named(manifests: Iterable[Manifest]) -> set[str]:
    return {file.key for manifest in manifests for table in manifest.tables.values() for file in table.files}


def _number(key: str) -> int:
    return int(key.removeprefix(MANIFESTS).removesuffix(".json"))


def _name(file: str) -> str:
    return file.rsplit("/", 1)[-1]


def _bytes(files: Iterable[Listed]) -> int:
    return sum(file.size for file in files)
