"""Step: publish the tables of an earlier generation again."""

from __future__ import annotations

from stockstream.pipeline.errors import Conflict, UsageError
from stockstream.pipeline.events import RollbackEvent, RollbackResult
from stockstream.pipeline.generations import generation
from stockstream.pipeline.lake import MANIFESTS, RAW, SILVER, Lake, manifest_key, no_files
from stockstream.pipeline.manifest import Change, Manifest, Table
from stockstream.pipeline.publishing import publish, session_at
from stockstream.sql.session import listed_files


def run(event: RollbackEvent, lake: Lake) -> RollbackResult:
    """Publish a new generation with the tables of an earlier one, so that the bars are what they were then.

    Batch files that the earlier generation does not contain are set aside; otherwise the next consolidation would merge
    them again. Readers ignore them, and the next run fetches their bars again, as it starts from the bars in the lake.
    A rollback to a generation that contains them (the undoing of a rollback, for example) takes them back. Files that
    another run stores at the same time count as newer, and stay.

    Raises:
        UsageError: there is no such generation, or it or one of its files has been deleted; or it lacks tables that the
            lake has now, and the event does not have `drop_tables`.
        LakeError: the lake cannot be read or written.
    """
    number = int(event["generation"])

    def make(before: Manifest) -> tuple[Change | None, RollbackResult]:
        target = generation(lake, number)  # in each attempt: vacuum deletes manifests before it looks who is publishing
        _require_all_files(lake, target)
        lost = sorted(before.tables.keys() - target.tables.keys() - {"raw"})
        if lost and not event.get("drop_tables"):
            raise UsageError(
                f"{lake.uri}: generation {number} lacks {', '.join(lost)}, which would be gone until the next run "
                "computes them: add --yes to go back nevertheless"
            )
        held = _held_batch_files(lake, target)
        with session_at(lake, before, no_files, "views/read_merged") as con:
            existing = {file.rsplit("/", 1)[-1] for file in listed_files(con)}
        aside, before_aside = existing - held, existing & {*before.set_aside}
        report: RollbackResult = {
            "generation": None,
            "restores": number,
            "set_aside": sorted(aside - before_aside),
            "taken_back": sorted(held & before_aside),
        }
        # Archived batch files exist nowhere else: their table only grows.
        archive = {"raw": before.tables["raw"]} if "raw" in before.tables else {}
        tables = {**target.tables, **archive}
        if (_content(tables), aside) == (_content(before.tables), before_aside):
            return None, report
        return Change(
            tables={**dict.fromkeys(before.tables), **tables},
            restores=number,
            consolidated=tuple(sorted(held)),
            set_aside=tuple(sorted(aside)),
        ), report

    published = publish(lake, "rollback", make)
    return {**published.report, "generation": published.generation}


def _require_all_files(lake: Lake, target: Manifest) -> None:
    existing = lake.store.list(SILVER)
    for file in (file for table in target.tables.values() for file in table.files):
        if file.key not in existing:
            raise UsageError(
                f"{lake.uri} has generation {target.generation} no longer, as {file.key} is gone: "
                "choose another one (`stockstream history` lists them)"
            )


def _held_batch_files(lake: Lake, target: Manifest) -> set[str]:
    """Return the batch files that a generation holds and that still exist.

    One that was put after the generation is a different file: the file that the generation names was archived or
    removed, and its name used again.

    Raises:
        Conflict: the generation has just been deleted.
    """
    key = manifest_key(target.generation)
    published = lake.store.list(MANIFESTS).get(key)
    if published is None:
        raise Conflict(f"{lake.store.uri(key)} was deleted in the meantime")
    batches = lake.store.list(RAW)  # after the manifest, so that no file appears younger than it is
    files = ((name, batches.get(f"{RAW}{name}")) for name in target.consolidated)
    return {name for name, listed in files if listed is not None and listed.age >= published.age}


def _content(tables: dict[str, Table]) -> dict[str, Table]:
    """Return the tables without the generation that published each, which readers do not see."""
    return {name: table.model_copy(update={"generation": 0}) for name, table in tables.items()}
