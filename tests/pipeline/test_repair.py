"""`stockstream repair`: each kind of file, damaged in some way, is named and mended; what is lost is named."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner, Result

from stockstream.analytics.cli import app
from stockstream.pipeline.errors import NoLake
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import CURRENT, MARKER, SESSIONS, Lake, manifest_key, parquet
from stockstream.pipeline.repair import RepairResult, repair_lake
from stockstream.pipeline.steps.check import run as check
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.sql.session import LakeWarning, quoted
from tests.faults._lake import FIRST, INTERVAL, SECOND, content, copy, fetch, publish_all
from tests.faults._lake import SESSIONS as DAYS
from tests.faults.conftest import short_tail
from tests.s3_server import S3Server

Damage = Callable[[bytes], bytes | None]
HALF: Damage = lambda data: data[: len(data) // 2]  # noqa: E731
EMPTY: Damage = lambda data: b""  # noqa: E731
GARBLED: Damage = lambda data: bytes(200 + at % 50 for at in range(len(data)))  # noqa: E731
GONE: Damage = lambda data: None  # noqa: E731
NOTHING: Damage = lambda data: b"{}"  # noqa: E731


def flip(data: bytes) -> bytes:
    """Return the bytes with one bit flipped in the middle."""
    middle = len(data) // 3
    return data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]


def page(data: bytes) -> bytes:
    """Return a Parquet file with its footer and damaged pages."""
    return data[:30] + bytes(len(data) // 3) + data[30 + len(data) // 3 :]


@pytest.fixture(autouse=True)
def _short_tail(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("STOCKSTREAM_RESAMPLE", f'["{INTERVAL}"]')
    with short_tail():
        yield


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Path:
    """Return a lake with two days of batch files, all tables, lists of companies, findings of checks."""
    folder = tmp_path_factory.mktemp("published")
    lake = Lake(str(folder / "lake"))
    with short_tail():
        for day in (FIRST, SECOND):
            fetch(lake, folder, day)
            publish_all(lake)
        check({}, lake)
    return folder / "lake"


@pytest.fixture
def lake(published: Path, tmp_path: Path, s3_server: S3Server) -> Lake:
    return Lake(copy(str(published), str(tmp_path / "lake"), s3_server))


def keys(lake: Lake, prefix: str) -> list[str]:
    return [*lake.store.list(prefix)]


def damage(lake: Lake, key: str, how: Damage) -> None:
    """Replace the bytes of an object, or delete it."""
    stored = lake.store.get(key)
    assert stored is not None
    lake.store.delete([key])
    if (data := how(stored.data)) is not None:
        lake.store.put(key, data, replaces=None)


def state(lake: Lake) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", LakeWarning)
        return content(lake.uri, "bars", "silver_bars", "bars_resampled", "indicators", "metadata", "symbols")


def table(name: str, role: str) -> Callable[[Lake], str]:
    return lambda lake: next(file.key for file in getattr(head(lake).table(name), role))


KINDS: dict[str, tuple[Callable[[Lake], str], Damage, int]] = {
    "bars, base: a bit": (table("bars", "base"), flip, 0),
    "bars, delta: gone": (table("bars", "delta"), GONE, 0),
    "bars, base: pages": (table("bars", "base"), page, 0),
    "resampled bars: half": (table(f"bars_{INTERVAL}", "delta"), HALF, 0),
    "indicators: empty": (table("indicators", "delta"), EMPTY, 0),
    "metadata: garbled": (table("metadata", "base"), GARBLED, 0),
    "batch file: pages": (lambda lake: keys(lake, "raw-data/")[0], page, 0),
    "batch file: empty": (lambda lake: keys(lake, "raw-data/")[-1], EMPTY, 0),
    "pointer: {}": (lambda lake: CURRENT, NOTHING, 0),
    "pointer: half": (lambda lake: CURRENT, HALF, 0),
    "newest manifest: a bit": (lambda lake: manifest_key(head(lake).generation), flip, 0),
    "earlier manifest: gone": (lambda lake: manifest_key(2), GONE, 0),
    "calendar: a bit": (lambda lake: SESSIONS, flip, 0),
    "marker: gone": (lambda lake: MARKER, GONE, 0),
    "marker: half": (lambda lake: MARKER, HALF, 0),
    "list: garbled": (lambda lake: keys(lake, "symbols/")[0], GARBLED, 3),
    "findings of checks: half": (lambda lake: keys(lake, "state/checks/")[0], HALF, 0),
}
"""Per damage the object, what happens to its bytes, and the exit code of the repair."""


@pytest.mark.faults
@pytest.mark.parametrize("what", KINDS)
def test_each_kind_of_file_is_mended(what: str, lake: Lake) -> None:
    """The tables are as before, the damaged bytes are kept, and a second repair finds nothing."""
    before, (find, how, code) = state(lake), KINDS[what]
    key = find(lake)
    damage(lake, key, how)
    broken = lake.store.get(key)
    dry = repair_lake(lake)
    assert (dry["exit"], [finding["object"] for finding in dry["findings"]]) == (1, [key])
    assert lake.store.get(key) == broken, "a dry run has changed something"
    mended = repair_lake(lake, apply=True)
    assert (mended["exit"], [finding["repaired"] for finding in mended["findings"]]) == (code, [True]), mended
    assert state(lake) == before
    kept = lake.store.get(f"damaged/{key}")
    assert broken is None or (kept is not None and kept.data == broken.data)
    assert repair_lake(lake)["findings"] == []


@pytest.mark.faults
@pytest.mark.parametrize("what", ["bars, base: a bit", "batch file: pages", "pointer: half"])
def test_on_s3(what: str, published: Path, s3: S3Server) -> None:
    test_each_kind_of_file_is_mended(what, Lake(copy(str(published), f"s3://{s3.new_bucket()}/lake", s3)))


def test_an_intact_lake_has_no_findings(lake: Lake) -> None:
    result = repair_lake(lake)
    assert (result["exit"], result["findings"], result["lost"], result["generation"]) == (0, [], [], None)
    assert result["objects"] > 20


def remove_raw(lake: Lake) -> None:
    """Delete the batch files, as `stockstream vacuum --raw remove` does."""
    lake.store.delete(keys(lake, "raw-data/"))


def test_bars_that_only_silver_had_are_named(lake: Lake) -> None:
    """Without batch files and earlier generations: the table of indicators has the days, a command fetches them."""
    remove_raw(lake)
    base = table("bars", "base")(lake)
    damage(lake, base, GONE)
    result = repair_lake(lake, apply=True)
    assert result["exit"] == 3
    lost = {loss["symbol"]: loss["rows"] for loss in result["lost"]}
    assert sorted(lost) == ["AAA", "CCC", "DDD"]  # BBB is restated, so that delta has all of its rows
    assert all(loss["object"] == base and loss["days"][0] == str(DAYS[0]) for loss in result["lost"])
    command = result["lost"][0]["command"]
    assert command is not None
    assert command.startswith(f"stockstream backfill --start {DAYS[0]} --end")
    assert "--symbols AAA,CCC,DDD" in command
    with lake.session() as con:
        rest = con.sql("SELECT symbol, count(*) FROM bars GROUP BY symbol ORDER BY symbol").fetchall()
        assert dict(rest) == {"BBB": 20, **{symbol: 20 - number for symbol, number in lost.items()}}  # type: ignore[operator]


def test_bars_that_only_a_damaged_file_has_are_served_and_named(lake: Lake) -> None:
    """One flipped bit must not cost all bars of a file; but each of its rows may be the one."""
    before = state(lake)["bars"]
    remove_raw(lake)
    base = table("bars", "base")(lake)
    damage(lake, base, reencoded)
    result = repair_lake(lake, apply=True)
    assert result["exit"] == 3
    assert {loss["symbol"] for loss in result["lost"]} == {"AAA", "CCC", "DDD"}
    assert all("may be wrong" in loss["what"] for loss in result["lost"])
    assert state(lake)["bars"] == before
    assert repair_lake(lake)["findings"] == []


def reencoded(data: bytes) -> bytes:
    """Return a Parquet file with the same rows and other bytes."""
    with duckdb.connect() as con, tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        Path(file.name).write_bytes(data)
        return parquet(con, f"FROM read_parquet({quoted(file.name)})")


def test_bars_of_an_earlier_generation_are_used_before_those_of_a_damaged_file(lake: Lake) -> None:
    """The delta of the first day still has the bars that the newest delta lost."""
    remove_raw(lake)
    damage(lake, table("bars", "delta")(lake), GONE)
    result = repair_lake(lake, apply=True)
    assert any("an earlier generation" in note for note in result["notes"])
    assert {tuple(loss["days"]) for loss in result["lost"]} == {tuple(map(str, DAYS[18:]))}


def test_bars_that_a_consolidation_left_out_are_restored_from_the_damaged_file(lake: Lake) -> None:
    """`consolidate --full` did without a file with a flipped bit, which had the only bars of three symbols."""
    before = state(lake)["bars"]
    remove_raw(lake)
    base = table("bars", "base")(lake)
    damage(lake, base, reencoded)
    assert consolidate({"full": True}, lake)["damaged"]
    assert content(lake.uri, "bars")["bars"] != before
    result = repair_lake(lake, apply=True)
    assert result["exit"] == 3
    assert {loss["symbol"] for loss in result["lost"]} == {"AAA", "CCC", "DDD"}
    assert all("may be wrong" in loss["what"] for loss in result["lost"])
    assert content(lake.uri, "bars")["bars"] == before
    assert repair_lake(lake)["findings"] == []


def changed_close(lake: Lake, key: str, day: date, close: float) -> None:
    """Replace the closes of a day in a batch file, as flipped bits do, without an error of the reader."""
    with duckdb.connect() as con:
        rows = f"FROM read_parquet({quoted(lake.store.uri(key))})"
        changed = parquet(con, f"SELECT * REPLACE (if(date = DATE '{day}', {close}, close) AS close) {rows}")
    damage(lake, key, lambda data: changed)


def test_a_batch_file_that_has_changed_since_it_was_consolidated(lake: Lake) -> None:
    """No batch file has a checksum, but silver has the values that it had."""
    before = state(lake)
    key = keys(lake, "raw-data/")[-1]
    changed_close(lake, key, DAYS[19], 0.5)
    (finding,) = repair_lake(lake)["findings"]
    assert finding["object"] == key
    assert "it has changed since it was consolidated" in finding["problem"]
    assert repair_lake(lake, apply=True)["exit"] == 0
    consolidate({"full": True}, lake)
    assert state(lake)["bars"] == before["bars"]


def test_a_full_consolidation_names_batch_files_that_have_changed(lake: Lake) -> None:
    key = keys(lake, "raw-data/")[-1]
    assert consolidate({"full": True}, lake)["replaced"] == []
    changed_close(lake, key, DAYS[19], 0.5)
    (change,) = consolidate({"full": True}, lake)["replaced"]
    assert change.startswith(f"{lake.store.uri(key)}: ")
    assert "has close 0.5, silver took" in change


def test_what_is_left_of_silver_shows_that_a_batch_file_has_changed(lake: Lake) -> None:
    """Base still has the first days of the batch file, and delta, which has the rest of them, is gone."""
    before = closes(lake)
    damage(lake, table("bars", "delta")(lake), GONE)
    key = keys(lake, "raw-data/")[0]
    changed_close(lake, key, DAYS[0], 0.5)
    result = repair_lake(lake, apply=True)
    assert {finding["object"] for finding in result["findings"]} >= {key}
    assert closes(lake) == before
    assert all("may be wrong" in loss["what"] for loss in result["lost"])


def closes(lake: Lake) -> list[tuple[object, ...]]:
    with lake.session() as con:
        return con.sql("SELECT symbol, date, close, volume FROM bars ORDER BY symbol, date").fetchall()


@pytest.fixture
def fresh(lake: Lake) -> str:
    """Return the key of a batch file that is not consolidated, and has one bar that nothing else has."""
    with duckdb.connect() as con:
        con.execute("CREATE TABLE one AS SELECT 'NEW' AS symbol, DATE '2024-03-01' AS date, 10.0 AS close")
        many = "SELECT symbol, date + CAST(i AS INT) AS date, close + i / 7 AS close FROM one, range(100) AS t (i)"
        lake.store.put("raw-data/2024-06-20-batch-3.parquet", parquet(con, many), replaces=None)
    return "raw-data/2024-06-20-batch-3.parquet"


def undecodable(column: str) -> Damage:
    """Return a damage after which a column of a batch file cannot be decoded, while its other columns can."""

    def damaged(data: bytes) -> bytes:
        with duckdb.connect() as con, tempfile.NamedTemporaryFile(suffix=".parquet") as file:
            Path(file.name).write_bytes(data)
            place = f"FROM parquet_metadata({quoted(file.name)}) WHERE path_in_schema = '{column}'"
            ((at,),) = con.execute(f"SELECT data_page_offset {place}").fetchall()
        return data[:at] + bytes(40) + data[at + 40 :]

    return damaged


def test_a_batch_file_with_a_damaged_page_is_left_out_and_its_bars_are_named(lake: Lake, fresh: str) -> None:
    before = content(lake.uri, "silver_bars")
    damage(lake, fresh, undecodable("close"))
    with pytest.warns(LakeWarning, match=rf"{fresh} is left out.*`stockstream repair`"):
        con = lake.session()
    with con:
        assert con.sql("SELECT count(*) FROM bars WHERE symbol = 'NEW'").fetchall() == [(0,)]
        assert con.sql("SELECT len(getvariable('unreadable_files'))").fetchall() == [(1,)]
        assert con.sql("SELECT count(*) > 0 FROM raw_bars").fetchall() == [(True,)]
    with pytest.warns(LakeWarning, match=fresh):
        consolidate({}, lake)
    assert content(lake.uri, "silver_bars") == before
    result = repair_lake(lake, apply=True)
    assert result["exit"] == 3
    (loss,) = result["lost"]
    assert loss["object"] == fresh
    assert (loss["symbol"], loss["rows"], loss["days"]) == ("NEW", 100, ["2024-03-01", "2024-06-08"])
    command = f"stockstream backfill --start 2024-03-01 --end 2024-06-08 --symbols NEW --lake {lake.uri}"
    assert loss["command"] == command
    assert repair_lake(lake)["findings"] == []


def test_a_batch_file_whose_days_cannot_be_read(lake: Lake, fresh: str) -> None:
    damage(lake, fresh, undecodable("date"))
    result = repair_lake(lake, apply=True)
    assert [(loss["what"], loss["rows"]) for loss in result["lost"]] == [("unknown rows of 2024-06-20-batch-3", 100)]


@pytest.fixture
def wide(lake: Lake) -> str:
    """Return the key of a batch file that is not consolidated, and has a bar with all of its prices."""
    with duckdb.connect() as con:
        bars = "SELECT 'NEW' AS symbol, DATE '2024-03-01' + CAST(i AS INT) AS date, 9.0 + i / 7 AS open, "
        bars += "10.0 + i / 7 AS close, 1000 + i AS volume FROM range(100) AS t (i)"
        lake.store.put("raw-data/2024-06-20-batch-3.parquet", parquet(con, bars), replaces=None)
    return "raw-data/2024-06-20-batch-3.parquet"


def test_bars_are_restored_without_the_column_that_cannot_be_read(lake: Lake, wide: str) -> None:
    query = "SELECT date, close, volume FROM bars WHERE symbol = 'NEW' ORDER BY date"
    with lake.session() as con:
        before = con.sql(query).fetchall()
    damage(lake, wide, undecodable("open"))
    (loss,) = repair_lake(lake, apply=True)["lost"]
    assert (loss["symbol"], loss["rows"]) == ("NEW", 100)
    assert "may be wrong" in loss["what"]
    with lake.session() as con:
        assert con.sql(query).fetchall() == before
        assert con.sql("SELECT DISTINCT open FROM bars WHERE symbol = 'NEW'").fetchall() == [(None,)]


def test_a_batch_file_with_a_date_that_cannot_be(lake: Lake, wide: str) -> None:
    """Python has no year 20000, and DuckDB returns a text instead of a date."""
    with duckdb.connect() as con:
        rows = f"FROM read_parquet({quoted(lake.store.uri(wide))})"
        days = "CASE date WHEN '2024-03-02' THEN DATE '20000-01-01' WHEN '2024-03-03' THEN DATE '0100-01-01 (BC)' "
        changed = parquet(con, f"SELECT * REPLACE ({days} ELSE date END AS date) {rows}")
    damage(lake, wide, lambda data: changed)
    with pytest.warns(LakeWarning, match="it has a date before 1600 or after 9999"):
        assert consolidate({}, lake)["inputs"] == 0
    result = repair_lake(lake, apply=True)
    assert {(loss["symbol"], loss["rows"]) for loss in result["lost"]} == {("NEW", 98), (None, 100)}
    assert consolidate({}, lake)["inputs"] == 1
    assert repair_lake(lake)["findings"] == []


@pytest.mark.parametrize("marker", [True, False])
def test_a_calendar_with_a_date_that_cannot_be(lake: Lake, marker: bool) -> None:
    """Most of its sessions still say of which market it is, when the marker is damaged, too."""
    market = lake.market()
    if not marker:
        damage(lake, MARKER, flip)
    before = lake.store.get(SESSIONS)
    assert before is not None
    with duckdb.connect() as con:
        rows = f"FROM read_parquet({quoted(lake.store.uri(SESSIONS))}) ORDER BY date"
        changed = parquet(
            con, f"SELECT * REPLACE (CASE date WHEN '{DAYS[0]}' THEN DATE '20000-01-01' ELSE date END AS date) {rows}"
        )
    damage(lake, SESSIONS, lambda data: changed)
    assert repair_lake(lake, apply=True)["exit"] == 0
    after = lake.store.get(SESSIONS)
    assert after is not None
    assert after.data == before.data
    assert lake.market() == market


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["repair", *arguments])


def test_the_command(lake: Lake, fresh: str) -> None:
    """Exit codes: 1 for damage, 3 for a loss, 0 for an intact lake; JSON; text with the command to fetch again."""
    damage(lake, fresh, EMPTY)
    dry = command("--lake", lake.uri)
    assert dry.exit_code == 1
    assert f"damaged    {fresh}" in dry.stdout
    assert "run it with --apply" in dry.stdout
    applied = command("--lake", lake.uri, "--apply", "--json")
    result: RepairResult = json.loads(applied.stdout)
    assert (applied.exit_code, result["exit"], result["dry_run"]) == (3, 3, False)
    assert result["findings"][0]["repaired"]
    assert result["lost"][0]["what"] == "unknown rows of 2024-06-20-batch-3"
    again = command("--lake", lake.uri)
    assert (again.exit_code, "nothing is damaged" in again.stdout) == (0, True)


def test_no_lake(tmp_path: Path) -> None:
    ended = command("--lake", str(tmp_path / "none"))
    assert isinstance(ended.exception, NoLake)
