"""Lakes that earlier versions wrote: every later version reads them, runs on them, checks them, rolls them back.

`tests/fixtures/lakes/NAME/` is a lake as that version left it, `NAME.expected.json` what that version read in it. Each
test works on a copy, in a folder and on S3; git keeps no file's time, so the copy's ages are set here.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stockstream import analytics
from tests.analytics.test_cli import run_cli
from tests.lakes import SUMMED, VIEWS, read

LAKES = Path(__file__).parents[1] / "fixtures" / "lakes"
NAMES = sorted(path.name.removesuffix(".expected.json") for path in LAKES.glob("*.expected.json"))
DAY = 86_400.0
CLOSE = 12.5
"""Of every bar of the further day."""

BARS = "SELECT symbol, date, open, high, low, close, volume, dividend, split_ratio FROM bars ORDER BY ALL"
ONCE = [view for view in SUMMED if view != "raw_bars"]
"""The views of one row per symbol and date."""
TWICE = "SELECT symbol, date, count(*) FROM {} GROUP BY symbol, date HAVING count(*) > 1"


@dataclass
class OldLake:
    """A copy of a lake that an earlier version wrote, and what that version read in it."""

    uri: str
    expected: dict[str, Any]

    @property
    def newest(self) -> int:
        return int(self.expected["newest"])

    @property
    def earlier(self) -> int:
        """The generation that is expected beside the newest one."""
        return min(map(int, self.expected["generations"]))

    def of(self, generation: int) -> dict[str, Any]:
        """Return what that version read as of a generation, by view."""
        return dict(self.expected["generations"][str(generation)])

    def bars(self) -> list[tuple[Any, ...]]:
        with analytics.connect(self.uri) as con:
            return con.sql(BARS).fetchall()

    def command(self, *arguments: str) -> dict[str, Any] | list[Any]:
        """Run a command that must succeed, and return the JSON that it prints."""
        ran = run_cli(*arguments, "--lake", self.uri, "--json")
        assert ran.code == 0, f"{arguments}: {ran.out}{ran.err}"
        result: dict[str, Any] | list[Any] = json.loads(ran.out)
        return result

    def done(self, *arguments: str) -> dict[str, Any]:
        result = self.command(*arguments)
        assert isinstance(result, dict)
        return result


@pytest.fixture(params=NAMES)
def lake(request: pytest.FixtureRequest, lake_uri: str) -> Iterator[OldLake]:
    """Copy a lake; its batch files are older than its generations, and both older than any retention."""
    source = LAKES / request.param
    files = {str(path.relative_to(source)): path for path in sorted(source.rglob("*")) if path.is_file()}
    raw = {key: path for key, path in files.items() if key.startswith("raw-data/")}
    before = {path: path.read_bytes() for path in files.values()}
    if lake_uri.startswith("s3://"):
        s3 = request.getfixturevalue("s3")
        s3.fill(lake_uri, {key: path.read_bytes() for key, path in raw.items()})
        s3.age(lake_uri, 1)
        s3.fill(lake_uri, {key: path.read_bytes() for key, path in files.items() if key not in raw})
        s3.age(lake_uri, 60)
    else:
        shutil.copytree(source, lake_uri)
        for key in files:
            then = time.time() - DAY * (61 if key in raw else 60)
            os.utime(Path(lake_uri) / key, (then, then))
    yield OldLake(lake_uri, json.loads((LAKES / f"{request.param}.expected.json").read_text()))
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before, (
        "the fixture was changed"
    )


def assert_reads(lake: OldLake, expected: dict[str, Any], as_of: int | None = None) -> None:
    """Compare every view with what the earlier version read, in all digits but the last few."""
    with analytics.connect(lake.uri, as_of=as_of) as con:
        for view in ONCE:
            assert con.sql(TWICE.format(view)).fetchall() == [], view
        for view in VIEWS:
            assert close(read(con, view), expected[view]), f"{view}: {read(con, view)} is not {expected[view]}"


def close(found: Any, expected: Any) -> bool:
    """Return whether two JSON values are equal, numbers up to rounding."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(close(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(close, found, expected))
    if isinstance(expected, float):
        return bool(found == pytest.approx(expected, rel=1e-9, abs=1e-9))
    return bool(found == expected)


@pytest.fixture
def next_day(lake: OldLake, tmp_path: Path) -> str:
    """Return a source with one more day of all listed symbols, and the pending closes."""
    with analytics.connect(lake.uri) as con:
        listed = [symbol for (symbol,) in con.sql("SELECT symbol FROM metadata WHERE valid_to IS NULL").fetchall()]
        unsettled = con.sql("SELECT symbol, date FROM unsettled").fetchall()
    rows = [*unsettled, *((symbol, lake.expected["next_day"]) for symbol in listed)]
    lines = [f"{symbol},{day},12,13,11,{CLOSE},1000" for symbol, day in rows]
    path = tmp_path / "next-day.csv"
    path.write_text("\n".join(["symbol,date,open,high,low,close,volume", *lines, ""]))
    return f"files:{path}"


def test_every_view_tells_what_it_told(lake: OldLake) -> None:
    assert_reads(lake, lake.of(lake.newest))
    assert_reads(lake, lake.of(lake.newest), as_of=lake.newest)
    assert_reads(lake, lake.of(lake.earlier), as_of=lake.earlier)
    history = lake.command("history")
    assert [made["generation"] for made in history] == lake.expected["kept"][::-1]
    assert lake.done("check")["status"] == "ok"


def test_a_further_day_adds_its_bars_and_no_others(lake: OldLake, next_day: str) -> None:
    before, expected = lake.bars(), lake.of(lake.newest)
    run = ("run", "--source", next_day, "--date", lake.expected["next_day"])
    assert lake.done(*run)["status"] == "complete"
    after = lake.bars()
    new = [bar for bar in after if bar not in before]
    assert [bar for bar in after if bar in before] == before
    listed = [row[0] for row in expected["metadata"] if row[-1] is None]
    assert {(symbol, str(day)) for symbol, day, *_ in new} == {
        *((symbol, lake.expected["next_day"]) for symbol in listed),
        *((row[0], row[1]) for row in expected["unsettled"]),
    }
    assert {bar[5] for bar in new} == {CLOSE}
    with analytics.connect(lake.uri) as con:
        for view in ONCE:
            assert con.sql(TWICE.format(view)).fetchall() == [], view
        assert con.sql("FROM unsettled").fetchall() == []
        assert (
            con.sql("SELECT symbol, date, close FROM bars_split_adjusted ORDER BY ALL").fetchall()
            == con.sql("SELECT symbol, date, close FROM indicators ORDER BY ALL").fetchall()
        )
        changed = con.sql("SELECT symbol, renamed_to FROM metadata WHERE renamed_to IS NOT NULL").fetchall()
    assert changed == [(row[0], row[6]) for row in expected["metadata"] if row[6]]

    generations = lake.command("history")
    again = lake.done(*run)
    assert (again["status"], again["rows"]) == ("complete", 0)
    assert lake.command("history") == generations
    assert lake.bars() == after
    assert lake.done("check")["status"] == "ok"
    assert_reads(lake, lake.of(lake.earlier), as_of=lake.earlier)


def test_rolling_back_and_forth_gives_what_was(lake: OldLake) -> None:
    lake.done("rollback", str(lake.earlier))
    assert_reads(lake, lake.of(lake.earlier))
    assert lake.done("check")["status"] == "ok"
    lake.done("rollback", str(lake.newest))
    assert_reads(lake, lake.of(lake.newest))


def test_nothing_is_lost_by_writing_all_anew_and_by_a_vacuum(lake: OldLake) -> None:
    before = lake.bars()
    assert lake.done("consolidate", "--full")["compacted"]
    assert lake.bars() == before
    lake.done("resample")
    lake.done("indicators", "refresh")
    assert_reads(lake, lake.of(lake.newest))
    done = lake.done("vacuum", "--delete", "--raw", "archive")
    assert done["manifests"]
    assert done["raw"]["files"]
    assert_reads(lake, lake.of(lake.newest))
    assert lake.done("check")["status"] == "ok"
