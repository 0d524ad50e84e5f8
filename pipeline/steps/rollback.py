"""Rollback: publish the tables of an earlier generation once more."""

from __future__ import annotations

from typing import Any

from stockstream.pipeline.errors import Conflict, UsageError
from stockstream.pipeline.lake import MANIFESTS, RAW, SILVER, Lake, manifest_key, no_files
from stockstream.pipeline.manifest import Manifest, Table
from stockstream.pipeline.publish import generation, publish, session_at
from stockstream.sql.session import listed_files

Event = dict[str, Any]


def rollback(event: Event, lake: Lake) -> dict[str, Any]:
    """Publish a new generation whose tables are those of an earlier one, so that the bars are what they were then.

    `event`: `generation`. The batch files that this one does not hold are set aside, or they would be merged again at
    once: nobody reads them, and what they told is fetched again by the next run, as it goes by the bars. Going back to
    a generation that does hold them, as when a rollback is undone, takes them in again. What a run stores while this
    goes on counts as newer, and stays.

    Gives `{"generation" (None: the lake is just so already), "restores", "setAside" (batch files that are now),
    "takenBack" (batch files that no longer are)}`.

    Raises:
        UsageError: there is no such generation, or it or a file of it is gone.
        LakeError: the lake cannot be read or written.
    """
    number = int(event["generation"])
    result: dict[str, Any] = {"restores": number}

    def make(before: Manifest) -> Manifest | None:
        target = generation(lake, number)  # each time: vacuum deletes manifests before it looks who is publishing
        _have_all_files(lake, target)
        held = _held(lake, target)
        with session_at(lake, before, no_files, "views/read_merged") as con:
            aside = {file.rsplit("/", 1)[-1] for file in listed_files(con)} - held
        result["setAside"] = sorted(aside - {*before.set_aside})
        result["takenBack"] = sorted(held & {*before.set_aside})
        # Archived batch files are nowhere else: that table only grows.
        archive = {"raw": before.tables["raw"]} if "raw" in before.tables else {}
        made = before.model_copy(
            update={
                "restores": number,
                "inputs": (),
                "tables": {**target.tables, **archive},
                "consolidated": tuple(sorted(held)),
                "set_aside": tuple(sorted(aside)),
            }
        )
        return None if _content(made) == _content(before) else made

    made = publish(lake, "rollback", make)
    return {"generation": made.generation if made else None, **result}


def _have_all_files(lake: Lake, target: Manifest) -> None:
    there = lake.store.list(SILVER)
    for file in (file for table in target.tables.values() for file in table.files):
        if file.key not in there:
            raise UsageError(
                f"{lake.uri} has generation {target.generation} no longer, as {file.key} is gone: "
                "choose another one (`stockstream history` lists them)"
            )


def _held(lake: Lake, target: Manifest) -> set[str]:
    """Give the batch files that are in a generation and are still there.

    One that was put after it is another one: the one that it means was archived or removed, and its name used again.

    Raises:
        Conflict: the generation has just been deleted.
    """
    key = manifest_key(target.generation)
    published = lake.store.list(MANIFESTS).get(key)
    if published is None:
        raise Conflict(f"{lake.store.uri(key)} was deleted in the meantime")
    batches = lake.store.list(RAW)  # after the manifest, so that a file's age is not taken for too little
    found = ((name, batches.get(f"{RAW}{name}")) for name in target.consolidated)
    return {name for name, listed in found if listed is not None and listed.age >= published.age}


def _content(manifest: Manifest) -> tuple[dict[str, Table], set[str]]:
    """Give what readers see: the tables, whoever published them, and what is set aside."""
    tables = {name: table.model_copy(update={"generation": 0}) for name, table in manifest.tables.items()}
    return tables, {*manifest.set_aside}
