"""Step: delete what no reader can reach any more, and move old batch files out of raw-data/."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import timedelta

from stockstream.pipeline.batch_names import from_text, to_text
from stockstream.pipeline.buckets import buckets_of, limit_memory
from stockstream.pipeline.errors import Conflict, LakeError, NewerFormat, UsageError
from stockstream.pipeline.events import RawMode, VacuumEvent, VacuumResult
from stockstream.pipeline.generation_history import forget
from stockstream.pipeline.generations import generation
from stockstream.pipeline.lake import (
    CURRENT,
    RAW,
    SILVER,
    Lake,
    check_key,
    manifest_key,
    manifest_number,
    no_files,
)
from stockstream.pipeline.manifest import Change, Manifest, Table
from stockstream.pipeline.publishing import publish, session_at, sql_versions
from stockstream.pipeline.staging import Parts, staging_folder, upload
from stockstream.pipeline.store import Listed
from stockstream.sql.loader import load
from stockstream.sql.session import files_of, pick_files, set_variable

logger = logging.getLogger(__name__)

RETENTION_HOURS = 7 * 24
RAW_DAYS = 30
MIN_RETENTION = timedelta(hours=1)
ROW_GROUP = 61_440
"""Rows per row group."""
KEY = ("symbol", "date", "file", "file_row")
"""Of the archive, which is sorted by it."""
CHECK = "checks/bars__silver_against_raw"


@dataclass(frozen=True)
class Plan:
    """The generations that stay, and everything that can be deleted."""

    kept: Sequence[int] = ()
    manifests: Sequence[int] = ()
    """The generations that are deleted."""
    files: dict[str, Listed] = field(default_factory=dict)
    """Silver files that only these generations name."""
    orphans: dict[str, Listed] = field(default_factory=dict)
    """Silver files that no generation names, and temporary files of killed writers."""
    raw: dict[str, Listed] = field(default_factory=dict)
    """Batch files, by name, that are in silver in every generation that stays."""


def run(event: VacuumEvent, lake: Lake) -> VacuumResult:
    """Delete generations that were replaced longer ago than the retention, their files, and those of crashed runs.

    Raises:
        UsageError: the retention is less than an hour, or the mode is unknown.
        LakeError: the lake cannot be read or written, or silver lacks a bar of a batch file that was to be deleted.
    """
    delete, mode = bool(event.get("delete")), event.get("raw") or "keep"
    retention = timedelta(hours=event.get("retention_hours", RETENTION_HOURS))
    raw_age = timedelta(days=event.get("raw_older_than_days", RAW_DAYS))
    check_retention(retention)
    if mode not in ("keep", "archive", "remove"):
        raise UsageError(f"raw cannot be {mode}: write keep, archive or remove")

    def make(before: Manifest) -> tuple[Change | None, Plan]:
        plan = _plan(lake, before, retention, None if mode == "keep" else raw_age)
        return _execute(lake, before, plan, mode) if delete else (None, plan)

    published = publish(lake, "vacuum", make)
    plan = published.report
    if delete:
        lake.store.delete([*plan.files, *plan.orphans, *(f"{RAW}{name}" for name in plan.raw)])
    return {
        "dry_run": not delete,
        "files": len(plan.files),
        "bytes": _total_bytes([*plan.files.values(), *plan.orphans.values()]),
        "manifests": list(plan.manifests),
        "orphans": len(plan.orphans),
        "raw": {"mode": mode, "files": len(plan.raw), "bytes": _total_bytes(plan.raw.values())},
        "kept": [*plan.kept, *([published.generation] if published.generation else [])],
        "generation": published.generation,
    }


def check_retention(retention: timedelta) -> None:
    """Check that a retention is long enough for the queries that are running.

    Raises:
        UsageError: it is less than an hour.
    """
    if retention < MIN_RETENTION:
        raise UsageError("a retention of less than an hour would take files away from queries that are running")


def _plan(lake: Lake, before: Manifest, retention: timedelta, raw_age: timedelta | None) -> Plan:
    """Find out what can be deleted: nothing in a lake without a generation, whose silver may have the only bars.

    Raises:
        Conflict: there is a newer generation than `before`.
    """
    state = lake.store.list("state/")
    ages = {number: listed.age for key, listed in state.items() if (number := manifest_number(key)) is not None}
    newest = max(ages, default=0)
    if newest < before.generation:
        raise LakeError(f"{lake.uri} lacks the manifest of generation {before.generation}: run `stockstream repair`")
    if newest > before.generation:
        raise Conflict(f"{lake.uri} is at generation {newest} now")
    if not ages:
        return Plan()
    first = _first_kept(ages, state[CURRENT].age, retention)
    kept = _named(lake, (number for number in ages if number >= first))
    dropped = _named(lake, (number for number in ages if number < first))
    old = {
        key: listed
        for key, listed in lake.store.list(SILVER).items()
        # A damaged manifest may name every file that is not younger than it.
        if listed.age >= retention
        and key not in kept.files
        and not any(_published_by(key) <= at for at in kept.damaged)
    }
    litter = {key: listed for key, listed in lake.store.litter().items() if listed.age >= retention}
    raw: dict[str, Listed] = {}
    if raw_age is not None and not kept.damaged:
        # In every generation that stays, so that a rollback to one of them loses nothing. If a name was used again, it
        # is missing in the generation in between, which was made when the first file no longer existed.
        names = {key.removeprefix(RAW): listed for key, listed in lake.store.list(RAW).items()}
        raw = {name: listed for name, listed in names.items() if name in kept.consolidated and listed.age >= raw_age}
    return Plan(
        kept=sorted(number for number in ages if number >= first),
        manifests=sorted(number for number in ages if number < first),
        files={key: listed for key, listed in old.items() if key in dropped.files},
        orphans={key: listed for key, listed in old.items() if key not in dropped.files} | litter,
        raw=raw,
    )


def _first_kept(ages: dict[int, timedelta], pointer: timedelta, retention: timedelta) -> int:
    """Return the first generation that a reader who opened the lake within the retention may be using.

    It is the one that was current when the retention began. Readers follow the pointer, which is written after the
    manifest; if a writer dies in between, it stays one generation behind until the next writer updates it. Only if the
    pointer has not been written since then is it certain where it pointed.
    """
    began = min((number for number, age in ages.items() if age < retention), default=max(ages) + 1) - 1
    return began if pointer >= retention else began - 1


def _execute(lake: Lake, before: Manifest, plan: Plan, mode: RawMode) -> tuple[Change | None, Plan]:
    """Delete manifests and archive batch files; return the change to publish before any data file is deleted.

    The returned plan has only the batch files that can be deleted.
    """
    # Manifests first, so that no rollback to them can begin. If the process is killed now, their files are old orphans.
    lake.store.delete(key(number) for number in plan.manifests for key in (manifest_key, check_key))
    forget(lake, plan.manifests)
    existing = {key.removeprefix(RAW) for key in lake.store.list(RAW)}
    tables: dict[str, Table | None] = {}
    if plan.raw:
        complete, archive = _take_raw(lake, before, plan.raw, existing, mode)
        plan = replace(plan, raw={name: plan.raw[name] for name in complete})
        tables = {"raw": archive} if archive else {}
    # A generation is published before any file is deleted, even if it changes nothing. A writer that began with an
    # older generation (a consolidation slower than the retention, a rollback to one that has just been deleted) then
    # fails to commit, and begins again with this one, which names none of the deleted files.
    if not (plan.files or plan.orphans or plan.raw):
        return None, plan
    # Readers on S3 do not list the files in silver: they ask for those of `consolidated` that are not set aside.
    removed = plan.raw.keys() if mode == "remove" else set[str]()
    return Change(
        tables=tables,
        consolidated=tuple(name for name in before.consolidated if name in existing),
        set_aside=tuple(sorted(({*before.set_aside} & existing) | removed)),
    ), plan


def _take_raw(
    lake: Lake, before: Manifest, names: Iterable[str], existing: Set[str], mode: RawMode
) -> tuple[Sequence[str], Table | None]:
    """Return the names of the batch files that can be deleted, and the table raw with the archived rows.

    The table is None if nothing is archived. Files that cannot be read stay, each with a warning, and so do files with
    rows that are not bars.

    Raises:
        LakeError: silver lacks a bar of one of the files.
    """
    table = before.table("raw")
    archived = {*from_text(table.made_from.get("files", ""))}
    with session_at(lake, before, no_files, "views/read_merged", CHECK) as con, staging_folder() as folder:
        limit_memory(con, folder)
        set_variable(con, "unconsolidated_files", [lake.store.uri(f"{RAW}{name}") for name in names])
        pick_files(con, lake.uri)  # leaves out unreadable files
        set_variable(con, "raw_files", files_of(con, "fresh_files"))
        buckets = buckets_of(con, "read_stored(raw_files())") if files_of(con, "raw_files") else []
        for bucket in buckets:
            lost = con.execute(f"FROM ({load(CHECK).text.rstrip().rstrip(';')}) WHERE {bucket.condition}").fetchone()
            if lost:
                raise LakeError(
                    f"silver lacks the row of {lost[2]} for {lost[0]} on {lost[1]} ({lost[3]}): no batch file was "
                    "deleted, run `stockstream consolidate --full`"
                )
        complete = {}
        if files_of(con, "raw_files"):
            complete = {_name(file): file for (file,) in con.execute(load("steps/complete_files").text).fetchall()}
        new = {name: file for name, file in complete.items() if name not in archived}
        if mode != "archive" or not new:
            return list(complete), None
        set_variable(con, "raw_files", list(new.values()))
        parts = Parts(con, folder / "raw.parquet", lambda rows: ROW_GROUP, KEY)
        for bucket in buckets:
            rows = f"FROM ({load('steps/archive').text}) WHERE {bucket.condition}"
            parts.add(f"{rows} ORDER BY {', '.join(KEY)}")
        added = upload(lake, filter(None, [parts.staged()]), "raw", "base", before.generation + 1)
    # The archived files that still exist, since a vacuum that is killed leaves them: readers skip these files.
    skipped = (archived & existing) | new.keys()
    return list(complete), Table(
        base=table.base + added, made_from={"files": to_text(skipped)}, sql=sql_versions("views/read_raw")
    )


@dataclass(frozen=True)
class _Named:
    """What the manifests of some generations name."""

    files: Set[str]
    """The silver files that at least one of them names."""
    consolidated: Set[str]
    """The batch files that are in silver in all of them."""
    damaged: Sequence[int]
    """The generations whose manifest cannot be read."""


def _named(lake: Lake, numbers: Iterable[int]) -> _Named:
    """Return what manifests name; a damaged one causes a warning.

    One manifest at a time is in memory: with the names of their batch files, a thousand would take gigabytes.
    """
    files: set[str] = set()
    consolidated: set[str] | None = None
    damaged = []
    for number in numbers:
        try:
            manifest = generation(lake, number)
        except NewerFormat:
            raise
        except UsageError:  # another vacuum has just deleted it
            continue
        except LakeError as error:
            logger.warning("%s; until then no file that it may name is deleted", error)
            damaged.append(number)
            continue
        files |= {file.key for table in manifest.tables.values() for file in table.files}
        names = {*manifest.consolidated}
        consolidated = names if consolidated is None else consolidated & names
    return _Named(files, consolidated or set(), damaged)


def _published_by(key: str) -> int:
    """Return the number of the generation that a silver file was written for; 0 if its name has none."""
    number = key.rsplit("/", 1)[-1].partition("-")[0]
    return int(number) if number.isascii() and number.isdecimal() else 0


def _name(file: str) -> str:
    return file.rsplit("/", 1)[-1]


def _total_bytes(files: Iterable[Listed]) -> int:
    return sum(file.size for file in files)
