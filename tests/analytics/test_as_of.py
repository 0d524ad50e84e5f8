"""Time travel: every way to read a lake returns what a generation published, and nothing newer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from stockstream import analytics
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.generations import generation
from stockstream.pipeline.lake import HISTORY, RAW, Lake, manifest_key
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.resample import run as resample
from stockstream.pipeline.steps.vacuum import run as vacuum
from stockstream.sql.loader import HOME
from tests.analytics.test_cli import process, run_cli
from tests.pipeline.test_consolidate import DAYS, fetch, row, table
from tests.pipeline.test_vacuum import RAW_ROWS, add, content, generations, grow_older

COUNT = "SELECT count(*) AS n FROM bars"
COUNTS = [36, 38, 40]
"""Number of bars in each generation of `lake`; two more bars are fetched, but not consolidated."""


@pytest.fixture
def lake(lake_uri: str) -> Lake:
    lake = generations(lake_uri, [3, 2, 1])
    add(lake, 3, consolidated=False)
    assert table(lake, COUNT) == [(42,)]
    return lake


def shell(lake: Lake, as_of: str) -> int:
    result = process("shell", "--lake", lake.uri, "--as-of", as_of, "--", "-csv", "-c", COUNT)
    assert result.returncode == 0, result.stderr
    return int(result.stdout.splitlines()[-1])


def query(lake: Lake, as_of: str) -> int:
    ran = run_cli("query", COUNT, "--lake", lake.uri, "--as-of", as_of, "--json")
    assert (ran.code, ran.err) == (0, "")
    return int(json.loads(ran.out)[0]["n"])


def status(lake: Lake, as_of: str) -> int:
    answer = json.loads(run_cli("status", "--lake", lake.uri, "--as-of", as_of, "--json").out)
    assert (answer["generation"], answer["fresh_files"], answer["batch_files"]) == (int(as_of), 0, int(as_of))
    return int(answer["bars"])


def connection(lake: Lake, as_of: str) -> int:
    with analytics.connect(lake.uri, as_of=int(as_of)) as con:
        return int(con.sql(COUNT).fetchall()[0][0])


def aggregator(lake: Lake, as_of: str) -> int:
    return int(analytics.DataAggregator(lake.uri, as_of=as_of).load_all_data().height)


@pytest.mark.parametrize("way", [query, status, connection, aggregator, shell])
def test_every_way_in_reads_one_generation(way: Callable[[Lake, str], int], lake: Lake) -> None:
    numbers = (1, 3) if way is shell else (1, 2, 3)
    assert [way(lake, str(number)) for number in numbers] == [COUNTS[number - 1] for number in numbers]


def test_the_plain_shell_does_as_the_readme_says(tmp_path: Path) -> None:
    lake = generations(str(tmp_path), [2, 1])
    duckdb = shutil.which("duckdb", path=str(Path(sys.executable).parent))
    steps = ["SET VARIABLE generation = 1", ".read sql/manifest.sql", ".read sql/lake.sql", COUNT]
    steps += ["SET VARIABLE generation = NULL", ".read sql/manifest.sql", ".read sql/lake.sql", COUNT]
    result = subprocess.run(
        [str(duckdb), "-init", "sql/init.sql", "-csv", *(word for step in steps for word in ("-c", step))],
        capture_output=True, text=True, timeout=60, cwd=HOME.parent, env=os.environ | {"STOCKSTREAM_LAKE": lake.uri},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert [int(line) for line in result.stdout.splitlines() if line.isdecimal()] == COUNTS[:2]


def test_all_views_follow(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    add(lake, 0)
    resample({"intervals": ["3d"]}, lake)
    views = ("bars_adjusted", "bars_3d", "raw_bars", "watermarks", "silver_bars", "gaps", "symbols")
    with analytics.connect(lake.uri) as con:
        before = {view: con.sql(f"FROM {view} ORDER BY ALL").fetchall() for view in views}
    fetch(lake, 1, [row("AAA", DAYS[2], 99.0), row("AAA", DAYS[13], 7.0, split=2.0)])
    consolidate({}, lake)
    resample({"intervals": ["3d"]}, lake)
    lake.store.put("symbols/2099-01-01-symbols.csv", b"symbol,name,sector,market_cap\nNEW,,,\n", replaces=None)
    for as_of, same in ((2, True), (4, False)):
        with analytics.connect(lake.uri, as_of=as_of) as con:
            after = {view: con.sql(f"FROM {view} ORDER BY ALL").fetchall() for view in views}
        assert {view for view in views if after[view] == before[view]} == (set(views) if same else {"symbols"})


def test_raw_bars_of_a_generation_outlive_their_batch_files(tmp_path: Path) -> None:
    """Rows that a later generation has archived are still read by the earlier generations."""
    lake = generations(str(tmp_path), [40, 35, 10, 2])

    def raw(number: int) -> list[object]:
        with analytics.connect(lake.uri, as_of=number) as con:
            return con.sql(f"{RAW_ROWS} ORDER BY ALL").fetchall()

    before = {number: raw(number) for number in (3, 4)}
    assert [len(rows) for rows in before.values()] == [40, 42]
    assert vacuum({"raw": "archive", "delete": True}, lake)["raw"]["files"] == 2
    assert len(lake.store.list(RAW)) == 2
    assert {number: raw(number) for number in (3, 4)} == before


# By time


def redated(lake: Lake, times: list[str]) -> None:
    """Replace the times of publication in the manifests."""
    for number, at in enumerate(times, start=1):
        manifest = generation(lake, number).model_copy(update={"created_at": at})
        key = manifest_key(number)
        lake.store.put(key, manifest.to_json(), replaces=lake.store.get(key))
    Path(lake.uri, HISTORY).unlink()  # it has the former times, and the manifests have the same sizes


TIMES = ["2026-11-18T23:59:59.999999Z", "2026-11-20T08:00:00.000000Z", "2026-11-20T20:00:00.000000Z"]


@pytest.mark.parametrize(
    ("as_of", "number"),
    [
        ("2026-11-18", 1),
        ("2026-11-19", 1),
        ("2026-11-20", 3),
        (date(2026, 11, 20), 3),
        ("9999-12-31", 3),
        ("2026-11-20T00:00", 1),
        ("2026-11-20T08:00:00Z", 2),
        ("2026-11-20T07:59:59.999999", 1),
        ("2026-11-20T18:59+11:00", 1),
        ("2026-11-20T19:00+11:00", 2),
        (datetime(2026, 11, 20, 8, tzinfo=UTC), 2),
        (datetime(2026, 11, 20, 7, 59), 1),  # without a zone it is UTC
        (2, 2),
        ("2", 2),
    ],
)
def test_a_time_means_the_newest_generation_up_to_it(
    as_of: analytics.session.AsOf, number: int, tmp_path: Path
) -> None:
    lake = generations(str(tmp_path), [3, 2, 1])
    redated(lake, TIMES)
    with analytics.connect(lake.uri, as_of=as_of) as con:
        assert con.sql(COUNT).fetchall() == [(COUNTS[number - 1],)]


@pytest.mark.parametrize(
    ("as_of", "words"),
    [
        ("2026-11-17", "no generation as old as 2026-11-17: the oldest one kept is 1 of 2026-11-18T23:59:59.999999Z"),
        ("2026-11-18T12:00", "the oldest one kept is 1"),
        ("4", "has no generation 4: it has generations 1 to 3"),
        ("0", "has no generation 0: it has generations 1 to 3"),
        ("yesterday", "yesterday is no generation: write its number, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS"),
        ("", "is no generation"),
        ("-1", "-1 is no generation"),
    ],
)
def test_what_there_is_not_is_one_line_and_exit_2(as_of: str, words: str, tmp_path: Path) -> None:
    lake = generations(str(tmp_path), [3, 2, 1])
    redated(lake, TIMES)
    for command in (["query", COUNT], ["status"], ["shell"]):
        ran = run_cli(*command, "--lake", lake.uri, f"--as-of={as_of}")
        assert (ran.code, ran.out) == (2, "")
        assert words in ran.err
    with pytest.raises(UsageError, match="generation"):
        analytics.DataAggregator(lake.uri, as_of=as_of)


def test_a_lake_without_generations_says_so(tmp_path: Path) -> None:
    for as_of in ("1", "2026-11-20"):
        with pytest.raises(UsageError, match=r"no generation.*(no generation|none) yet"):
            analytics.connect(str(tmp_path), as_of=as_of)


def test_a_generation_that_was_vacuumed_is_named_as_gone(lake_uri: str) -> None:
    lake = generations(lake_uri, [30, 20, 10])
    before = content(lake, 3)
    vacuum({"delete": True}, lake)
    with pytest.raises(UsageError, match="no generation 1: it has generations 3 to 4"):
        analytics.connect(lake_uri, as_of=1)
    assert generation(lake, 3).generation == 3
    assert content(lake, 3) == before
    grow_older(lake_uri, timedelta(days=8))
    assert vacuum({"delete": True}, lake)["kept"] == [4]
