"""Damaged files and a wrong clock: damage is reported, undamaged data is served, nothing is lost."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import duckdb
import pytest

from stockstream.pipeline.generation_history import history
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import Lake, parquet
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.sql.session import LakeWarning
from tests.faults._cli import command, notices
from tests.faults._lake import content, publish_all
from tests.faults.conftest import Prepare
from tests.injected import Injected
from tests.kill_at import Runner

BAD = "2024-02-28-batch-7.parquet"
FOREIGN = {
    "no-bars": "SELECT 1 AS id, 'x' AS what",
    "text-as-price": "SELECT 'AAA' AS symbol, DATE '2024-03-01' AS date, 'ten' AS close",
    "integer-date": "SELECT 'AAA' AS symbol, 20240301 AS date, 10.0 AS close",
    "nested-symbol": "SELECT {'code': 'AAA'} AS symbol, DATE '2024-03-01' AS date, 10.0 AS close",
}


@pytest.mark.parametrize(
    "damage",
    ["truncated"] + [pytest.param(damage, marks=pytest.mark.faults) for damage in ("empty", "csv", *FOREIGN)],
)
def test_a_bad_batch_file_holds_nobody_up(damage: str, prepare: Prepare, injected: Injected) -> None:
    """It is left out and named, the others are consolidated; its replacement is merged."""
    undisturbed, lake = Lake(prepare("fetched", "undisturbed")), Lake(prepare("fetched", "damaged"))
    consolidate({}, undisturbed)
    bars = content(undisturbed.uri, "bars", "silver_bars")
    good = lake.store.get(next(iter(lake.store.list("raw-data/"))))
    assert good is not None
    with duckdb.connect() as con:
        bad = {
            "empty": b"",
            "truncated": good.data[: len(good.data) // 2],
            "csv": b"symbol,date,close\nAAA,2024-03-01,10\n",
        }.get(damage) if damage not in FOREIGN else parquet(con, FOREIGN[damage])  # fmt: skip
    assert bad is not None
    lake.store.put(f"raw-data/{BAD}", bad, replaces=None)
    injected("consolidate", "folder or S3: a fresh batch file", damage)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LakeWarning)
        assert consolidate({}, lake)["generation"]
        assert content(lake.uri, "bars", "silver_bars") == bars
    assert any(BAD in str(warning.message) for warning in caught)
    assert BAD not in head(lake).consolidated
    lake.store.delete([f"raw-data/{BAD}"])
    lake.store.put(f"raw-data/{BAD.replace('7', '8')}", good.data, replaces=None)
    consolidate({}, lake)
    assert content(lake.uri, "bars", "silver_bars") == bars


@pytest.mark.parametrize("damage", [pytest.param("gone", marks=pytest.mark.faults), "truncated"])
def test_a_damaged_silver_file_is_named_and_computed_from_the_batch_files(
    damage: str, prepare: Prepare, injected: Injected
) -> None:
    """Only a person can do that; the batch files still have the bars."""
    lake = Lake(prepare("published", "damaged"))
    before = content(lake.uri)
    (base,) = head(lake).table("bars").base
    stored = lake.store.get(base.key)
    assert stored is not None
    lake.store.delete([base.key])
    if damage == "truncated":
        lake.store.put(base.key, stored.data[:100], replaces=None)
    injected("consolidate --full", "base", damage)
    ended = command("query", "FROM silver_bars", "--lake", lake.uri)
    assert (ended.code, len(errors := [line for line in notices(ended) if line.startswith("error: ")])) == (1, 1)
    assert re.search(
        rf"error: cannot read {re.escape(lake.uri)}/{base.key}: it (is|has) .*`stockstream repair`", errors[0]
    )
    (damaged,) = consolidate({"full": True}, lake)["damaged"]
    assert Path(base.key).name in damaged
    publish_all(lake)
    assert content(lake.uri) == before


@pytest.mark.parametrize("at", ["2019-01-01T00:00:00+00:00", "2031-01-01T00:00:00+00:00"])
def test_a_writer_whose_clock_is_wrong(at: str, prepare: Prepare, runner: Runner, injected: Injected) -> None:
    """Generations are ordered by number, and vacuum uses the clock of the store: young objects stay."""
    lake = prepare("fetched", "clock")
    clock = (at, "stockstream.pipeline.manifest.datetime")
    ended = runner.run(["consolidate", "--lake", lake], clock=clock) + runner.run(["resample", "--lake", lake])
    assert [each.code for each in ended] == [0, 0]
    made = history(Lake(lake))
    assert made[1].created_at[:4] == at[:4]
    assert [manifest.generation for manifest in made] == list(range(len(made), 0, -1))
    expected = content(lake)
    injected("consolidate", at, "a wrong clock")
    (vacuumed,) = runner.run(["vacuum", "--delete", "--json", "--lake", lake], clock=clock)
    assert json.loads(vacuumed.out)["files"] == json.loads(vacuumed.out)["orphans"] == 0
    assert content(lake) == expected
