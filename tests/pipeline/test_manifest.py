"""The manifest: its stored form, which earlier and later versions must read, and what the next generation inherits."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.batch_names import batch_name, from_text, to_text
from stockstream.pipeline.errors import NewerFormat
from stockstream.pipeline.generation_history import history
from stockstream.pipeline.generations import generation, head
from stockstream.pipeline.lake import CURRENT, Lake, manifest_key
from stockstream.pipeline.manifest import FORMAT, Change, DataFile, Manifest, Table
from stockstream.pipeline.sealing import seal
from stockstream.pipeline.steps import consolidate as consolidating
from stockstream.pipeline.steps.consolidate import run as consolidate
from tests.analytics.test_cli import run_cli
from tests.pipeline.test_consolidate import DAYS, _short_tail, fetch, history_first, row, table

__all__ = ["_short_tail"]  # a fixture

FILE = DataFile(key="silver/bars/000001-base-0.parquet", rows=1, bytes=2, sha256="", symbols=1)


def edit(lake: Lake, number: int, change: Any) -> None:
    """Replace the stored JSON of a generation, and of the pointer to it."""
    for key in (manifest_key(number), CURRENT):
        stored = lake.store.get(key)
        assert stored is not None
        content = json.loads(stored.data)
        del content["sha256"]
        change(content)
        lake.store.put(key, seal(json.dumps(content).encode()), replaces=stored)


def test_the_stored_form_keeps_the_names_of_the_first_release() -> None:
    bars = Table(base=(FILE,), restated=("AAA",), through=DAYS[3], stable_through=DAYS[5])
    manifest = Manifest().next(Change(tables={"bars": bars}), "consolidate")
    stored = json.loads(manifest.to_json())
    assert (stored["format"], stored["generation"], stored["step"]) == (FORMAT, 1, "consolidate")
    assert (stored["tables"]["bars"]["moved"], stored["tables"]["bars"]["settled"]) == (["AAA"], str(DAYS[5]))
    assert not {"restated", "stable_through"} & stored["tables"]["bars"].keys()
    assert Manifest.from_json(manifest.to_json()) == manifest


@pytest.mark.parametrize(("key", "field"), [("moved", "restated"), ("restated", "restated")])
def test_restated_symbols_are_read_under_both_names(key: str, field: str) -> None:
    assert getattr(Table.model_validate({key: ["AAA"]}), field) == ("AAA",)


@pytest.mark.parametrize("key", ["settled", "stable_through"])
def test_the_stable_day_is_read_under_both_names(key: str) -> None:
    assert Table.model_validate({key: "2026-11-20"}).stable_through is not None


@pytest.mark.parametrize("names", [("moved", "settled"), ("restated", "stable_through")])
def test_a_restated_symbol_is_not_shown_twice(
    names: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consolidating, "LARGEST_RESTATED", 2.0)  # base stays, although all its symbols are restated
    lake = Lake(str(tmp_path))
    fetch(lake, 0, history_first)
    consolidate({}, lake)
    fetch(lake, 1, [row("AAA", DAYS[2], 99.0)])
    consolidate({}, lake)
    assert head(lake).table("bars").restated == ("AAA",)
    rows = table(lake, "FROM silver_bars")

    def rename(content: dict[str, Any]) -> None:
        bars = content["tables"]["bars"]
        bars[names[0]], bars[names[1]] = bars.pop("moved"), bars.pop("settled")

    edit(lake, 2, rename)
    assert head(lake).table("bars").restated == ("AAA",)
    assert table(lake, "FROM silver_bars") == rows
    assert consolidate({}, lake)["generation"] is None
    fetch(lake, 2, [row("BBB", DAYS[2], 98.0)])
    assert consolidate({}, lake)["restated"] == 2
    assert table(lake, "SELECT count(*), count(DISTINCT (symbol, date)) FROM silver_bars") == [(len(rows),) * 2]


def test_the_next_generation_inherits_what_the_change_does_not_name() -> None:
    first = Manifest().next(
        Change(tables={"bars": Table(base=(FILE,))}, inputs=("one",), consolidated=("one",), restores=7), "consolidate"
    )
    assert (first.generation, first.parent, first.restores, first.inputs) == (1, None, 7, ("one",))
    assert first.created_at.endswith("Z")
    assert "duckdb" in first.writer
    second = first.next(Change(tables={"metadata": Table(base=(FILE,))}), "metadata")
    assert (second.generation, second.parent, second.restores, second.inputs) == (2, 1, None, ())
    assert (second.consolidated, second.set_aside) == (("one",), ())
    assert {name: table.generation for name, table in second.tables.items()} == {"bars": 1, "metadata": 2}
    third = second.next(Change(tables={"metadata": None}, consolidated=(), set_aside=("one",)), "rollback")
    assert third.tables == {"bars": second.table("bars")}
    assert (third.consolidated, third.set_aside) == ((), ("one",))


def test_the_archived_files_of_a_thousand_days_are_a_short_text() -> None:
    days = [str(date(2020, 1, 1) + timedelta(days=number)) for number in range(1000)]
    names = [*(batch_name(day, number) for day in days for number in range(23)), "2020-01-01-batch-4-part-1.parquet"]
    assert sorted(from_text(to_text(names))) == sorted(names)
    assert len(to_text(names)) < 20_000
    assert from_text("2020-01-01.parquet 2020-01-02-batch-0.parquet") == (  # format 1
        "2020-01-01.parquet", "2020-01-02-batch-0.parquet"
    )  # fmt: skip
    assert from_text("") == ()


def test_a_manifest_without_a_format_has_format_1() -> None:
    assert Manifest.model_validate_json(b'{"generation": 3}').format == 1


COMMANDS = (
    "consolidate", "consolidate --full", "resample", "indicators refresh", "metadata", "vacuum", "vacuum --delete",
    "rollback 1", "history", "status", "check", "query 'FROM bars'",
)  # fmt: skip


def test_a_newer_format_is_refused_in_one_line_by_every_command(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fetch(lake, 0, history_first)
    consolidate({}, lake)
    edit(lake, 1, lambda content: content.update(format=FORMAT + 1))
    before = lake.store.list("")
    message = f"the lake was written by a newer Stock Stream (format {FORMAT + 1}; this one reads"
    for command in COMMANDS:
        words = [word.strip("'") for word in command.split(" ", 1 if command.startswith("query") else -1)]
        ran = run_cli(*words, "--lake", lake.uri)
        assert ran.code == 1, command
        assert message in ran.err, command
        assert ran.err.strip().endswith("upgrade stock-stream"), command
        assert ran.err.count("\n") == 1, command
    assert lake.store.list("") == before
    edit(lake, 1, lambda content: content.update(tables="in a form of the future"))
    for read in (head, history, lambda of: generation(of, 1)):
        with pytest.raises(NewerFormat, match="upgrade stock-stream"):
            read(lake)
