"""Findings are stored in the lake, per generation of silver."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from stockstream.analytics.cli.commands.check import check_command
from stockstream.pipeline.checks import shipped
from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.lake import CHECKS, Lake
from stockstream.pipeline.steps import check, vacuum
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.sql.session import LakeWarning
from tests.sql.test_checks import NEW, bar, store

WRONG = "SELECT symbol, date FROM bars WHERE close > 5"


def run(lake: Lake, *arguments: str) -> int:
    app = typer.Typer()
    app.command()(check_command)
    return CliRunner().invoke(app, ["--lake", lake.uri, *arguments]).exit_code


def stored(lake: Lake, generation: int = 1) -> dict[str, Any]:
    found = lake.store.get(f"{CHECKS}{generation:06d}.json")
    assert found is not None
    content = json.loads(found.data)
    assert content["generation"] == generation
    return {one["check"]: one for one in content["checks"]}


def test_findings_are_stored_per_generation(small_lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text(WRONG)
    assert run(small_lake, str(tmp_path / "mine.sql"), "--sql", "SELECT 1 WHERE false") == 1
    mine = stored(small_lake)["mine"]
    assert (mine["status"], mine["bad_rows"], mine["rows"][0]["symbol"]) == ("fail", 16, "AAA")
    assert run(small_lake) == 0
    assert stored(small_lake).keys() == {"mine", *(one.name for one in shipped())}  # the others stay, --sql has no name
    assert stored(small_lake)["mine"] == mine
    store(small_lake, [bar("AAA", NEW)])
    consolidate({}, small_lake)
    assert run(small_lake, "--select", "bars__unique") == 0
    assert stored(small_lake, 2).keys() == {"bars__unique"}
    assert len(stored(small_lake, 1)) > 1


def test_a_run_that_finds_the_same_writes_nothing(small_lake: Lake) -> None:
    run(small_lake)
    before = small_lake.store.list(CHECKS)
    run(small_lake)
    assert small_lake.store.list(CHECKS) == before  # also the tags of their versions


def test_the_step_of_the_pipeline_stores_them_too(small_lake: Lake) -> None:
    assert check.run({}, small_lake)["failed"] == []
    assert stored(small_lake).keys() == {one.name for one in shipped()}


def test_a_lake_that_cannot_be_written_is_checked_with_a_warning(
    small_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise LakeError("read only")

    monkeypatch.setattr(Lake, "update", refuse)
    with pytest.warns(LakeWarning, match="the findings are not stored in the lake: read only"):
        assert run(small_lake, "--sql", WRONG) == 1


def test_a_damaged_file_is_written_again(small_lake: Lake) -> None:
    small_lake.store.put(f"{CHECKS}000001.json", b"{", replaces=None)
    assert run(small_lake) == 0
    assert stored(small_lake)["bars__unique"]["status"] == "ok"


def test_vacuum_deletes_them_with_their_generation(small_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    run(small_lake)
    for number in range(2):
        store(
            small_lake,
            [bar("AAA", NEW, 10.0 + number, f"2024-01-2{number}T12:00:00.000000Z")],
            f"2024-02-0{number + 1}-batch-0",
        )
        consolidate({}, small_lake)
        run(small_lake)
    assert len(small_lake.store.list(CHECKS)) == 3
    monkeypatch.setattr(vacuum, "MIN_RETENTION", timedelta(0))
    result = vacuum.run({"delete": True, "retention_hours": 0}, small_lake)
    assert result["orphans"] == 0
    manifests = {key.rsplit("/")[-1] for key in small_lake.store.list("state/manifests/")}
    assert {key.rsplit("/")[-1] for key in small_lake.store.list(CHECKS)} <= manifests
    assert len(small_lake.store.list(CHECKS)) < 3
