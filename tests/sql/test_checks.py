"""Data checks: each detects planted bad rows and passes clean data; data that fails is not published; the command."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from stockstream.analytics.cli.commands.check import check_command
from stockstream.pipeline.checks import FOLDER, MAX_ROWS, Check, Finding, described, find, run_checks, shipped
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import CheckFailed, LakeError, NoLake, UsageError
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import SESSIONS, Lake, silver_key
from stockstream.pipeline.manifest import Change, DataFile, Table
from stockstream.pipeline.markets import MARKETS, market
from stockstream.pipeline.publishing import publish
from stockstream.pipeline.runner import run
from stockstream.pipeline.sources import open_source
from stockstream.pipeline.steps import consolidate as module
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.fetch_metadata import run as fetch_metadata
from stockstream.pipeline.steps.resample import run as resample
from stockstream.pipeline.steps.vacuum import run as vacuum
from stockstream.sql.loader import HOME, SqlFile, load
from stockstream.sql.session import LakeWarning, connect, set_silver, set_variable
from tests.conftest import SHARED
from tests.s3_server import S3Server

US = MARKETS["US"]
FIRST = "2024-01-19T12:00:00.000000Z"
LATER = "2024-01-20T12:00:00.000000Z"
DAYS = [session.date() for session in US.schedule(2024).loc["2024-01-08":].index[:10]]
Row = dict[str, Any]
Plant = Callable[[Lake], None]


def bar(symbol: str, day: date, close: float | None = 10.0, fetched: str = FIRST, **other: Any) -> Row:
    """Return a row of a batch file: a day on which the price does not move, unless `other` has other values."""
    prices = dict.fromkeys(("open", "high", "low", "close", "adjusted_close"), close)
    rest = {"volume": 100, "dividend": 0.0, "split_ratio": 1.0, "source": "test", "price_basis": day}
    return {"symbol": symbol, "date": day, **prices, "fetch_timestamp": fetched, **rest, **other}


@cache
def workshop() -> duckdb.DuckDBPyConnection:
    """Return a connection with the table `raw`, from which tests write Parquet files."""
    con = duckdb.connect()
    con.execute(load("schema/raw").text)
    return con


def parquet(rows: list[Row], columns: str = "*") -> bytes:
    """Return rows of a batch file as Parquet, or the result of a SELECT list on them."""
    con = workshop()
    con.execute("TRUNCATE raw")
    for row in rows:
        con.execute(f"INSERT INTO raw ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
    with tempfile.TemporaryDirectory() as folder:
        con.execute(f"COPY (SELECT {columns} FROM raw) TO '{folder}/raw.parquet' (FORMAT parquet)")
        return Path(folder, "raw.parquet").read_bytes()


def store(lake: Lake, rows: list[Row], name: str = "2024-02-01-batch-0", columns: str = "*") -> None:
    lake.store.put(f"raw-data/{name}.parquet", parquet(rows, columns), replaces=None)


def fresh(*rows: Row, columns: str = "*") -> Plant:
    """Return a function that plants rows in a batch file that is not consolidated."""
    return lambda lake: store(lake, list(rows), columns=columns)


def silver(query: str, table: str = "bars") -> Plant:
    """Return a function that publishes the result of a query on silver as a table of one file, without checks."""

    def plant(lake: Lake) -> None:
        with lake.session() as con, tempfile.TemporaryDirectory() as folder:
            con.execute(f"COPY ({query}) TO '{folder}/planted.parquet' (FORMAT parquet)")
            data = (Path(folder) / "planted.parquet").read_bytes()
        key = silver_key(table, 99, "delta", "planted")
        lake.store.put(key, data, replaces=None)
        checksum = hashlib.sha256(data).hexdigest()
        planted = Table(delta=(DataFile(key=key, rows=0, bytes=len(data), sha256=checksum, symbols=0),))

        publish(lake, "planted", lambda before: (Change(tables={table: planted}), None))

    return plant


def silver_with(column: str, value: str, symbol: str = "AAA", day: date = DAYS[2]) -> Plant:
    """Return a function that plants another value in one row of silver."""
    here = f"symbol = '{symbol}' AND date = DATE '{day}'"
    return silver(f"SELECT * REPLACE (CASE WHEN {here} THEN {value} ELSE {column} END AS {column}) FROM silver_bars")


def replaced(plant: Plant, key: str, change: Callable[[bytes], bytes] | None) -> Plant:
    """Return a function that plants a file and then changes its bytes, or deletes it."""

    def plant_and_change(lake: Lake) -> None:
        plant(lake)
        stored = lake.store.get(key)
        assert stored is not None
        lake.store.delete([key])
        if change is not None:
            lake.store.put(key, change(stored.data), replaces=None)

    return plant_and_change


def flipped(data: bytes) -> bytes:
    """Return the bytes with one bit flipped."""
    middle = len(data) // 3
    return data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]


def replaced_calendar(lake: Lake) -> None:
    calendar = lake.store.get(SESSIONS)
    with duckdb.connect() as con, tempfile.TemporaryDirectory() as folder:
        Path(folder, "sessions.parquet").write_bytes(calendar.data if calendar else b"")
        con.sql(f"SELECT * REPLACE (date::VARCHAR AS date) FROM '{folder}/sessions.parquet'").to_parquet(
            f"{folder}/new"
        )
        lake.store.put(SESSIONS, Path(folder, "new").read_bytes(), replaces=calendar)


def fill(lake: Lake) -> None:
    """Fill a lake with clean bars: base, delta, a restated symbol, a split, pending rows, old and deleted files."""
    lake.prepare(US, date(2024, 1, 19))
    rows = [bar(symbol, day) for symbol in ("AAA", "BBB", "CCC") for day in DAYS[:8]]
    split = [bar("TEN", day, 200.0) for day in DAYS[:5]]
    split += [bar("TEN", DAYS[5], 10.0, split_ratio=20.0)] + [bar("TEN", day, 10.0) for day in DAYS[6:8]]
    long_ago = [bar("OLD", date(2022, 1, day)) for day in (3, 10)]
    store(lake, rows + split + long_ago, "2024-01-19-batch-0")
    store(lake, [bar("GONE", day) for day in DAYS[:3]], "2024-01-19-batch-1")
    consolidate({}, lake)
    corrected = [bar("BBB", DAYS[1], 11.0, LATER), bar("AAA", DAYS[7], None, LATER)]
    store(lake, corrected, "2024-01-20-batch-0")
    store(lake, [bar("CCC", DAYS[8], None, LATER, volume=5)], "2024-01-20-batch-1")
    consolidate({}, lake)
    Path(lake.uri, "raw-data/2024-01-19-batch-1.parquet").unlink()
    first_schema = "* EXCLUDE (dividend, split_ratio, source, price_basis)"
    first_schema += " REPLACE (date::TIMESTAMP_NS AS date, volume::DOUBLE AS volume)"
    store(lake, [bar("AAA", DAYS[8], 10.5, LATER)], "2024-01-21", first_schema)


def fill_with_delta(patched: pytest.MonkeyPatch, lake: Lake) -> None:
    """Fill a lake with clean bars, of which the last sessions are in delta."""
    patched.setattr(module, "TAIL", 4)
    patched.setattr(module, "OPEN", 2)
    patched.setattr(module, "LARGEST_DELTA", 10.0)
    patched.setattr(module, "LARGEST_RESTATED", 10.0)
    fill(lake)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    with pytest.MonkeyPatch.context() as patched:
        fill_with_delta(patched, Lake(str(folder)))
    return folder


@pytest.fixture
def clean(filled: Path, tmp_path: Path) -> Lake:
    """Return a copy of the clean lake."""
    return Lake(str(shutil.copytree(filled, tmp_path / "lake")))


def findings(lake: Lake, checks: list[Check] | None = None) -> dict[str, Finding]:
    with lake.session() as con:
        return {finding.check.name: finding for finding in run_checks(con, checks or shipped())}


# --- each check, on planted bad rows and on clean data

NEW = DAYS[9]
ROW = bar("AAA", NEW)
CONSOLIDATED = "raw-data/2024-01-19-batch-0.parquet"
PLANTED = "silver/{}/000099-delta-planted.parquet"
WITHOUT = "FROM silver_bars WHERE NOT (symbol = 'AAA' AND date = DATE '{}')"
IMPOSSIBLE: dict[str, tuple[str, str]] = {
    "close is 0.0": ("close", "0"),
    "close is -1.5": ("close", "-1.5"),
    "open is 0.0": ("open", "0"),
    "high is -1.0": ("high", "-1"),
    "low is -1.0": ("low", "-1"),
    "high 10.0 is below low 10.5": ("low", "10.5"),
    "adjusted_close is 0.0": ("adjusted_close", "0"),
    "volume is -1": ("volume", "-1"),
    "dividend is -0.1": ("dividend", "-0.1"),
    "split_ratio is 0.0": ("split_ratio", "0"),
}
"""Column and value by what the check reports; planted in silver, because rows of batch files are judged."""
LEFT_OUT = "no readable batch file: it is left out"
FOREIGN = {
    "* RENAME (close AS last)": LEFT_OUT,
    "* REPLACE (20240119 AS date)": LEFT_OUT,
    "* REPLACE ({'code': symbol} AS symbol)": LEFT_OUT,
    "* REPLACE (date::TIMESTAMPTZ AS date)": "date DATE is declared, TIMESTAMP WITH TIME ZONE found",
    "* REPLACE (date::VARCHAR AS date)": "date DATE is declared, VARCHAR found",
    "* REPLACE (open::FLOAT AS open)": "open DOUBLE is declared, FLOAT found",
    "* REPLACE (volume::SMALLINT AS volume)": "volume BIGINT is declared, SMALLINT found",
}


def foreign_files(lake: Lake) -> None:
    for number, columns in enumerate(FOREIGN):
        store(lake, [ROW], f"2024-02-01-batch-{number}", columns)


PLANTS: list[tuple[str, Plant, list[str]]] = [
    (
        "bars__unique",
        silver(f"FROM silver_bars UNION ALL FROM silver_bars WHERE symbol = 'AAA' AND date = DATE '{DAYS[2]}'"),
        [f"AAA {DAYS[2]} 2 rows"],
    ),
    *(("bars__price_sanity", silver_with(*planted), [f"AAA {DAYS[2]} {what}"]) for what, planted in IMPOSSIBLE.items()),
    ("bars__price_sanity", silver_with("close", "'nan'"), [f"AAA {DAYS[2]} a price is no finite number"]),
    ("bars__price_sanity", silver_with("adjusted_close", "'inf'"), [f"AAA {DAYS[2]} a price is no finite number"]),
    (
        "bars__split_step",
        fresh(
            bar("S0", DAYS[0], 400.0, price_basis=DAYS[1]),
            bar("S0", DAYS[1], 100.0, split_ratio=4.0),
            bar("S1", DAYS[0], 400.0),
            bar("S1", DAYS[1], 410.0, split_ratio=4.0),
            bar("S2", DAYS[0], 400.0),
            bar("S2", DAYS[1], 110.0, split_ratio=4.0),
            bar("S3", DAYS[0], 100.0, price_basis=DAYS[1]),
            bar("S3", DAYS[1], 200.0, split_ratio=4.0),
            bar("S4", DAYS[0], 400.0, price_basis=DAYS[2]),
            bar("S4", DAYS[1], 100.0, price_basis=DAYS[3]),
            bar("S4", DAYS[2], 100.0, split_ratio=4.0),
        ),
        [
            f"S0 {DAYS[1]} the close of {DAYS[0]} is 4 times that of {DAYS[1]} in today's shares, about the step of a "
            "split 4: older prices are not restated",
            f"S1 {DAYS[1]} the close of {DAYS[0]} is 0.2439 times that of {DAYS[1]} in today's shares, about the step "
            "of a split 4: the split is not in the prices",
            f"S4 {DAYS[1]} the close of {DAYS[0]} is 4 times that of {DAYS[1]} in today's shares, about the step of a "
            "split 4: older prices are not restated",
        ],
    ),
    (
        "bars__price_suspicious",
        fresh(bar("CCC", NEW, 1000.0), bar("TEN", NEW, 1.0)),
        [
            f"CCC {NEW} adjusted close 1000 is 100 times the 10 before",
            f"TEN {NEW} adjusted close 1 is 0.1 times the 10 before",
        ],
    ),
    (
        "bars__no_session",
        fresh(bar("AAA", date(2024, 1, 20)), bar("BBB", date(2024, 1, 15)), bar("CCC", date(2024, 1, 16))),
        [
            "AAA 2024-01-20 the market had no session on this Saturday",
            "BBB 2024-01-15 the market had no session on this Monday",
        ],
    ),
    (
        "actions__dividend_above_close",
        fresh(ROW | {"dividend": 10.5}, bar("BBB", NEW, dividend=9.9), bar("TEN", NEW, dividend=10.0)),
        [
            f"AAA {NEW} dividend 10.5 is not below the last close 10.5: it does not adjust",
            f"TEN {NEW} dividend 10 is not below the last close 10: it does not adjust",
        ],
    ),
    (
        "bars__numbering",
        silver_with("bar_no", "bar_no + 1"),
        [f"AAA {DAYS[at]} bar_no 3, not {number}; prev_close 10.0, not 10.0" for at, number in ((2, 2), (3, 4))],
    ),
    (
        "bars__numbering",
        silver_with("prev_close", "9.5"),
        [f"AAA {DAYS[2]} bar_no 2, not 2; prev_close 9.5, not 10.0"],
    ),
    (
        "bars__numbering",
        silver(WITHOUT.format(DAYS[0])),
        [f"AAA {DAYS[1]} bar_no 1, not 0; prev_close 10.0, not NULL"],
    ),
    (
        "bars__silver_against_raw",
        silver(WITHOUT.format(DAYS[2])),
        [f"AAA {DAYS[2]} {CONSOLIDATED} close 10.0 of {FIRST} is not in silver"],
    ),
    (
        "bars__silver_against_raw",
        silver_with("fetch_timestamp", "'2023'"),
        [f"AAA {DAYS[2]} {CONSOLIDATED} close 10.0 of {FIRST} is in silver as 10.0 of 2023"],
    ),
    (
        "bars__silver_against_raw",
        silver_with("close", "NULL"),
        [f"AAA {DAYS[2]} {CONSOLIDATED} close 10.0 of {FIRST} is in silver as NULL of {FIRST}"],
    ),
    (
        "bars__missing_sessions",  # the market lacks session 8, and NEW also lacks session 7
        fresh(*(bar(symbol, NEW) for symbol in ("AAA", "BBB", "CCC", "TEN", "NEW")), bar("NEW", DAYS[6])),
        [f"{DAYS[8]} 4 of 5 symbols have no bar", f"NEW {DAYS[7]} 1 sessions without a bar, the last {DAYS[7]}"],
    ),
    (
        "files__schema",
        foreign_files,
        [f"raw-data/2024-02-01-batch-{number}.parquet {what}" for number, what in enumerate(FOREIGN.values())],
    ),
    (
        "files__schema",
        silver("SELECT * REPLACE (volume::DOUBLE AS volume) FROM silver_bars"),
        [f"{PLANTED.format('bars')} volume BIGINT is declared, DOUBLE found"],
    ),
    (
        "files__schema",
        silver("SELECT * EXCLUDE (is_open) FROM bars_resampled('3d')", "bars_3d"),
        [f"{PLANTED.format('bars_3d')} is_open BOOLEAN is declared, no such column found"],
    ),
    (
        "files__schema",
        silver("SELECT symbol, date FROM silver_bars", "other"),
        [f"{PLANTED.format('other')} no sql/schema/other.sql declares its columns"],
    ),
    *(
        (
            "files__published",
            replaced(silver("FROM silver_bars"), PLANTED.format("bars"), change),
            [f"{PLANTED.format('bars')} {reason}"],
        )
        for change, reason in (
            (flipped, "its bytes are not those that were published (SHA-256)"),
            (None, "it is gone"),
        )
    ),
    ("files__schema", replaced_calendar, [f"{SESSIONS} date DATE is declared, VARCHAR found"]),
    (
        "files__schema",
        lambda lake: lake.store.put("raw-data/2024-02-01-batch-0.parquet", b"PAR1 no parquet", replaces=None),
        [f"raw-data/2024-02-01-batch-0.parquet {LEFT_OUT}"],
    ),
]


RECONCILED = (
    "SELECT 'AAA' AS symbol, DATE '2024-01-08' AS date, DATE '2024-01-12' AS through, 'symbol' AS column_name,"
    " 5e0 AS here, 4e0 AS there, 0e0 AS ticks, NULL::DOUBLE AS ratio, 4::BIGINT AS bars, 'missing_there' AS verdict,"
    " NULL::VARCHAR AS detail, 'polygon' AS other, '2024-02-01T12:00:00.000000Z' AS compared_at"
)
PLANTS.append(
    (
        "reconciled__differences",
        silver(
            f"{RECONCILED} UNION ALL SELECT * REPLACE ('bar' AS column_name, 1 AS bars) FROM ({RECONCILED})"
            f" UNION ALL SELECT * REPLACE ('BBB' AS symbol, 'equal' AS verdict) FROM ({RECONCILED})"
            f" UNION ALL SELECT * REPLACE ('CCC' AS symbol, 'within_tolerance' AS verdict) FROM ({RECONCILED})",
            "reconciled",
        ),
        [
            "AAA 2024-01-08 missing_there (polygon): 1 bars missing, 0 shifted, 0 with another ratio; 0 prices, "
            "0 volumes, 0 actions differ"
        ],
    )
)


@pytest.mark.filterwarnings("ignore::stockstream.sql.session.LakeWarning")
@pytest.mark.parametrize(("name", "plant", "bad"), [pytest.param(*one, id=f"{one[0]}, {one[2][0]}") for one in PLANTS])
def test_check_finds_planted_rows_and_no_others(name: str, plant: Plant, bad: list[str], clean: Lake) -> None:
    plant(clean)
    checks = find([FOLDER / f"{name}.sql"])
    with clean.session(None, f"checks/{name}") as con:  # only with the views that its header needs
        (finding,) = run_checks(con, checks)
    assert [described(row).replace(f"{clean.uri}/", "") for row in finding.rows] == bad
    assert (finding.status, finding.bad_rows) == (checks[0].severity, len(bad))


def test_every_check_has_a_plant_and_is_in_the_readme() -> None:
    names = {path.stem for path in FOLDER.glob("*.sql")}
    assert {name for name, *_ in PLANTS} == names
    assert names == set(re.findall(r"^\| `(\w+__\w+)`", (HOME / "README.md").read_text(), re.MULTILINE))


def test_clean_data_of_every_kind_passes(clean: Lake) -> None:
    """The clean lake has everything that a real lake has."""
    bars = head(clean).table("bars")
    assert (len(bars.base), len(bars.delta), bars.restated) == (1, 1, ("BBB",))
    with clean.session() as con:
        assert con.sql("SELECT count(*) FROM unsettled").fetchall() == [(1,)]
        assert con.sql("SELECT len(raw_files()), len(fresh_files())").fetchall() == [(4, 1)]
    assert {name: finding.rows for name, finding in findings(clean).items() if finding.status != "ok"} == {}


def test_the_other_tables_pass(clean: Lake) -> None:
    """Resampled bars, metadata, and archived batch files that no longer exist."""
    clean.store.put("symbols/2024-01-19-symbols.csv", b"symbol,name,sector,market_cap\nAAA,Aaa,,\n", replaces=None)
    consolidate({}, clean)
    resample({"intervals": ["3d"]}, clean)
    fetch_metadata({"date": "2024-01-19"}, clean, None, US)
    vacuum({"delete": True, "raw": "archive", "raw_older_than_days": 0}, clean)
    assert head(clean).tables.keys() == {"bars", "bars_3d", "metadata", "raw"}
    assert {name: finding.rows for name, finding in findings(clean).items() if finding.status != "ok"} == {}


def test_a_split_is_a_jump_only_if_it_is_not_reported(clean: Lake) -> None:
    store(clean, [bar("TEN", DAYS[5], 10.0, LATER, split_ratio=1.0)])
    (row,) = findings(clean)["bars__price_suspicious"].rows
    assert (row["symbol"], row["date"]) == ("TEN", str(DAYS[5]))


values = st.sampled_from([None, 1.0, 2.0])
versions = st.fixed_dictionaries(
    {
        "fetch_timestamp": st.sampled_from([FIRST, LATER]),
        "volume": st.sampled_from([None, 1, 2]),
        "price_basis": st.sampled_from([None, DAYS[0], DAYS[1]]),
        "source": st.sampled_from([None, "one", "two"]),
        **dict.fromkeys(("open", "high", "low", "close", "adjusted_close", "dividend", "split_ratio"), values),
    }
)
changes = st.tuples(versions, st.sets(st.sampled_from(list(bar("", DAYS[0]))[2:]), max_size=2))


def is_found(con: duckdb.DuckDBPyConnection, folder: Path, stored: Row, raw: list[Row]) -> bool:
    """Return whether the check finds a bad row.

    It must do so if, and only if, merging again would change silver, or silver has other values than the fetch has from
    which its row comes.
    """
    key = {"symbol": "AAA", "date": DAYS[0]}
    (folder / "raw.parquet").write_bytes(parquet([key | row for row in raw]))
    numbered = "*, 0::BIGINT AS bar_no, NULL::DOUBLE AS prev_close"
    (folder / "silver.parquet").write_bytes(parquet([key | stored], numbered))
    set_silver(con, {"bars": ([], [f"{folder}/silver.parquet"], [])})
    set_variable(con, "raw_files", [f"{folder}/raw.parquet"])
    con.execute(
        "SET VARIABLE manifest = struct_update(getvariable('manifest'), consolidated := ['raw.parquet']::VARCHAR[])"
    )
    columns = ", ".join(bar("AAA", DAYS[0]))
    silver_row = con.sql(f"SELECT {columns} FROM silver_bars").fetchall()
    merged = con.sql(f"SELECT {columns} FROM read_merged(raw_files())").fetchall()
    bad_rows = con.sql(load("checks/bars__silver_against_raw").text).fetchall()
    of_fetches = con.sql(f"SELECT {columns} FROM read_raw(raw_files())").fetchall()
    at = list(bar("AAA", DAYS[0])).index("fetch_timestamp")
    is_other = silver_row[0] not in of_fetches and silver_row[0][at] in [row[at] for row in of_fetches]
    assert bool(bad_rows) == (merged != silver_row or is_other)
    assert all(detail for *_, detail in bad_rows)
    return bool(bad_rows)


@given(versions, st.lists(changes, min_size=1, max_size=2))
@examples(
    deadline=None,
    max_examples=examples.default.max_examples // 5,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_silver_is_compared_by_the_order_of_the_merge(
    empty: duckdb.DuckDBPyConnection, tmp_path: Path, stored: Row, changed: list[tuple[Row, set[str]]]
) -> None:
    """The check repeats the order of the merge: it finds a row if, and only if, merging again would change silver."""
    is_found(empty, tmp_path, stored, [stored | {name: row[name] for name in names} for row, names in changed])


@pytest.mark.parametrize("name", list(bar("", DAYS[0]))[2:])
def test_each_column_decides_where_those_before_it_are_equal(
    name: str, empty: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    row = bar("AAA", DAYS[0]) | {"source": "a", "price_basis": DAYS[0], "high": 13.0, "low": 8.0}
    others = {"fetch_timestamp": LATER, "source": "b", "price_basis": DAYS[1], "volume": 101, "high": 14.0, "low": 9.0}
    greater = others.get(name, 11.0)
    assert is_found(empty, tmp_path, row, [row | {name: greater}])
    is_same_fetch = name != "fetch_timestamp"  # otherwise silver has the row of a later fetch, whose file may be gone
    assert is_found(empty, tmp_path, row | {name: greater}, [row]) is is_same_fetch
    assert not is_found(empty, tmp_path, row | {name: greater}, [row, row | {name: greater}])
    if name not in ("fetch_timestamp", "price_basis"):  # read_raw has values for these
        assert is_found(empty, tmp_path, row | {name: None}, [row])
        assert is_found(empty, tmp_path, row, [row | {name: None}])


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a session that reads the files in its variables, without caches, because the tests replace the files."""
    with connect(str(tmp_path_factory.mktemp("empty"))) as con:
        con.execute("SET parquet_metadata_cache = false; SET enable_external_file_cache = false")
        yield con


# --- publishing


@pytest.fixture
def published(lake_uri: str) -> Lake:
    """Return a lake with one generation."""
    lake = Lake(lake_uri)
    lake.prepare(US, date(2024, 1, 19))
    store(lake, [bar(symbol, day) for symbol in ("AAA", "BBB") for day in DAYS[:8]], "2024-01-19-batch-0")
    consolidate({}, lake)
    return lake


def closes(lake: Lake) -> list[tuple[Any, ...]]:
    with lake.session() as con:
        return con.sql(f"SELECT symbol, close FROM bars WHERE date = DATE '{NEW}' ORDER BY symbol").fetchall()


def objects(lake: Lake) -> dict[str, str]:
    return {**lake.store.list("silver/"), **lake.store.list("state/")}


def test_an_impossible_row_is_left_out_and_the_rest_is_published(published: Lake) -> None:
    store(published, [bar("AAA", NEW, -1.0), bar("BBB", NEW)])
    assert consolidate({}, published)["rows"] == 18
    assert closes(published) == [("BBB", 10.0)]
    with published.session() as con:
        (reasons,) = con.sql("SELECT list(DISTINCT reason) FROM quarantine WHERE symbol = 'AAA'").fetchall()
    assert reasons == (["not above 0"],)


def test_a_refused_publication_leaves_the_old_generation(published: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocking checks remain for what the pipeline itself could break: here, the judging itself."""
    store(published, [bar("AAA", NEW), bar("BBB", NEW)])
    monkeypatch.setattr(module, "load", broken("r.high, r.low", "-r.high AS high, r.low"))
    before = objects(published)
    with pytest.raises(CheckFailed) as refused:
        consolidate({}, published)
    message = str(refused.value)
    assert re.search(r"bars__price_sanity finds 18 bad rows \(AAA .*; AAA .*; AAA .*, \.\.\.\)", message)
    assert "stockstream consolidate --full" in message
    assert "\n" not in message
    assert refused.value.exit_code == 1
    assert objects(published) == before
    assert head(published).generation == 1
    assert closes(published) == [("AAA", 10.0), ("BBB", 10.0)]


def test_a_correction_replaces_an_impossible_row(clean: Lake, tmp_path: Path) -> None:
    store(clean, [bar("AAA", NEW, -1.0), bar("BBB", NEW)])
    consolidate({}, clean)
    (tmp_path / "fix.csv").write_text(f"symbol,date,open,high,low,close,volume\nAAA,{NEW},12,12,12,12,100\n")
    source = open_source(f"files:{tmp_path}/fix.csv", US, settings(), prices="as-traded")
    run(clean, source, US, symbols=["AAA"], start=NEW, end=NEW)
    consolidate({}, clean)
    assert closes(clean) == [("AAA", 12.0), ("BBB", 10.0)]
    with clean.session() as con:
        assert con.sql("FROM quarantine").fetchall() == []


def test_a_batch_file_that_would_be_read_wrong_is_refused(clean: Lake) -> None:
    """Rows with an invalid date would be missing in silver, although their file counts as consolidated."""
    store(clean, [ROW], columns="* REPLACE ('19/01/2024' AS date)")
    with pytest.raises(CheckFailed, match=r"files__schema finds 1 bad rows \(.*batch-0\.parquet date DATE is declared"):
        consolidate({}, clean)


def test_an_unreadable_batch_file_does_not_keep_the_others_from_being_published(clean: Lake) -> None:
    clean.store.put("raw-data/2024-02-01-batch-7.parquet", b"PAR1 no parquet", replaces=None)
    with pytest.warns(LakeWarning, match="batch-7"):
        assert consolidate({}, clean)["inputs"] == 1


def broken(before: str, after: str) -> Callable[[str], SqlFile]:
    """Return `load` with another text in the step that writes the bars."""

    def load_broken(step: str) -> SqlFile:
        file = load(step)
        assert step != "steps/consolidate" or before in file.text
        return SqlFile(file.path, file.text.replace(before, after))

    return load_broken


BROKEN = [
    ("bars__silver_against_raw", "FROM rows_to_write AS r", "FROM (FROM rows_to_write WHERE symbol <> 'CCC') AS r"),
    ("bars__numbering", "+ count(r.close) OVER before", "+ 2 * count(r.close) OVER before"),
    ("bars__numbering", "coalesce(s.bar_no, 0)", "7 + coalesce(s.bar_no, 0)"),  # a symbol's first row
    ("bars__price_sanity", "r.high, r.low", "-r.high AS high, r.low"),
]


@pytest.mark.parametrize("full", [False, True], ids=["delta", "all"])
@pytest.mark.parametrize(("name", "before", "after"), BROKEN)
def test_a_broken_step_is_not_published(
    name: str, before: str, after: str, full: bool, clean: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SQL of the step itself is wrong: the checks look at its output, and not only at its input."""

    store(clean, [bar(symbol, NEW) for symbol in ("AAA", "BBB", "CCC")])
    monkeypatch.setattr(module, "load", broken(before, after))
    before_it = objects(clean)
    with pytest.raises(CheckFailed, match=name):
        consolidate({"full": full}, clean)
    assert objects(clean) == before_it


# --- checks of users, and the command


def cli(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(check_command)
    return CliRunner().invoke(app, list(arguments))


def test_command_on_a_clean_lake(clean: Lake) -> None:
    ran = cli("--lake", clean.uri)
    assert ran.exit_code == 0
    names = [one.name for one in shipped()]
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["check", *names, str(len(names))]
    assert "checks" in ran.stdout.splitlines()[-1]


def test_command_fails_on_a_failure_and_not_on_a_warning(clean: Lake) -> None:
    store(clean, [bar("AAA", date(2024, 1, 20))])  # a Saturday
    warned = cli("--lake", clean.uri)
    assert warned.exit_code == 0
    assert "1 warned" in warned.stdout
    days = ", ".join(f"DATE '{day}'" for day in DAYS[:4])
    wrong = f"CASE WHEN symbol = 'AAA' AND date IN ({days}) THEN -1 ELSE volume END"
    silver(f"SELECT * REPLACE ({wrong} AS volume) FROM silver_bars")(clean)
    failed = cli("--lake", clean.uri)
    assert failed.exit_code == 1
    assert re.search(rf"bars__price_sanity +fail +4  AAA {DAYS[0]} volume is -1\n", failed.stdout)
    assert "and 1 more" in failed.stdout
    assert "what to do: " in failed.stdout


def test_json_is_complete_and_of_one_form(clean: Lake) -> None:
    silver("SELECT * REPLACE (-1 AS volume) FROM silver_bars LIMIT 20")(clean)
    ran = cli("--lake", clean.uri, "--json")
    result = json.loads(ran.stdout)
    assert ran.exit_code == 1
    assert (result["lake"], result["status"]) == (clean.uri, "failed")
    assert [one["check"] for one in result["checks"]] == [one.name for one in shipped()]
    keys = [
        "check",
        "severity",
        "status",
        "title",
        "tags",
        "bad_rows",
        "known_rows",
        "checked_rows",
        "tolerate",
        "rows",
    ]
    keys += ["error", "fix"]
    assert all(list(one) == keys for one in result["checks"])
    (sanity,) = [one for one in result["checks"] if one["check"] == "bars__price_sanity"]
    assert sanity["bad_rows"] == 20
    assert sanity["rows"][0] == {"symbol": "AAA", "date": str(DAYS[0]), "detail": "volume is -1"}


@pytest.mark.parametrize(
    ("sql", "code", "message"),
    [
        ("SELECT symbol, date FROM bars WHERE volume < 0", 0, "1 checks\n"),
        ("FROM bars WHERE symbol = 'TEN'", 1, "1 failed"),
        ("SET VARIABLE ten = 'TEN'; SELECT 'a' AS a, 1 AS b FROM bars WHERE symbol = getvariable('ten');", 1, "a 1"),
        ("SELECT symbol FROM barz", 4, "--sql  fail          error  Catalog Error"),
        ("SELEC", 4, "Parser Error"),
        ("", 4, "it is empty"),
        ("-- nothing", 4, "it is empty"),
        ("SELECT 1; CREATE TABLE t (a INT)", 4, "does not end with a SELECT"),
        ("SET VARIABLE silver = 1; SELECT 1", 4, "the variable silver is one of the views"),
    ],
)
def test_sql_of_the_user(sql: str, code: int, message: str, clean: Lake) -> None:
    ran = cli("--lake", clean.uri, "--sql", sql)
    assert (ran.exit_code, message in ran.stdout) == (code, True), ran.stdout


def test_what_json_cannot_write_is_text(clean: Lake) -> None:
    sql = "SELECT 'nan'::DOUBLE AS a, 1.50 AS b, TIMESTAMP '2024-01-08 10:00:00' AS c, [1] AS d, NULL AS e, true AS f"
    (one,) = json.loads(cli("--lake", clean.uri, "--json", "--sql", sql).stdout)["checks"]
    assert one["rows"] == [{"a": "nan", "b": "1.50", "c": "2024-01-08T10:00:00", "d": "[1]", "e": None, "f": True}]


def test_all_bad_rows_are_counted_and_the_first_are_given(clean: Lake) -> None:
    finding = findings(clean, [Check("many", f"SELECT range AS n FROM range({2 * MAX_ROWS + 5})")])["many"]
    assert (finding.bad_rows, len(finding.rows), finding.rows[-1]) == (2 * MAX_ROWS + 5, MAX_ROWS, {"n": MAX_ROWS - 1})


def test_files_and_folders_of_a_persons_own(clean: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "deep").mkdir(parents=True)
    (folder / "b__warns.sql").write_text("/* ---\nseverity: warn\nfix: wait\n--- */\nSELECT 1 AS a;")
    (folder / "a__fails.sql").write_text("-- no header\nSELECT symbol FROM bars WHERE symbol = 'TEN';\n")
    (folder / "deep" / "c__passes.sql").write_text("SELECT 1 WHERE false")
    (folder / "notes.txt").write_text("no check")
    read = [(one.name, one.severity) for one in find([folder])]
    assert read == [("a__fails", "fail"), ("b__warns", "warn"), ("c__passes", "fail")]
    assert cli("--lake", clean.uri, str(folder)).exit_code == 1
    assert cli("--lake", clean.uri, str(folder / "b__warns.sql"), str(folder / "deep")).exit_code == 0
    both = cli("--lake", clean.uri, str(folder / "deep"), "--sql", "SELECT 1")
    assert (both.exit_code, "2 checks" in both.stdout) == (1, True)


def test_a_check_that_was_edited_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "edited.sql"
    for severity in ("warn", "fail"):
        path.write_text(f"/* ---\nseverity: {severity}\n--- */\nSELECT 1")
        assert [one.severity for one in find([path])] == [severity]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none.sql", None, "cannot read the check .*none.sql: No such file"),
        ("folder/none", "", "no .sql file"),
        ("a.sql", "\udcff", "cannot read the check .*a.sql"),
    ],
)
def test_a_check_that_cannot_be_read_is_wrong_usage(name: str, text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if text is not None:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    ran = cli("--lake", str(tmp_path / "lake"), str(path.parent if "/" in name and not text else path))
    assert isinstance(ran.exception, UsageError)
    assert ran.exception.exit_code == 2
    assert re.search(message, str(ran.exception))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/* ---\nseverity: [\n--- */\nSELECT 1", "the header of wrong.sql is wrong: .*not YAML"),
        ("/* ---\njust text\n--- */\nSELECT 1", "the header of wrong.sql is wrong: write /\\* --- YAML --- \\*/"),
        ("/* ---\nseverity: fail\nSELECT 1", "the header of wrong.sql is wrong: .*does not open with a"),
        ("/* ---\nseverity: error\n--- */\nSELECT 1", "severity is error: write fail or warn"),
        ("/* ---\nseverty: warn\n--- */\nSELECT 1", "no field is called severty; did you mean severity"),
        ("/* ---\ntolerate: much\n--- */\nSELECT 1", "tolerate is much: write e.g. 5 rows, or 0.1 %"),
        ("/* ---\ntolerate: 1 %\n--- */\nSELECT 1", "a tolerance in % needs `rows_of: TABLE`"),
        ("/* ---\ntags: 7\n--- */\nSELECT 1", "tags is 7: write a name, or a list of names"),
        ("", "it is empty"),
    ],
)
def test_a_wrong_header_stops_no_other_check(text: str, reason: str, clean: Lake, tmp_path: Path) -> None:
    (tmp_path / "wrong.sql").write_text(text)
    (tmp_path / "zzz.sql").write_text("SELECT 'bad' AS detail")
    ran = cli("--lake", clean.uri, str(tmp_path / "wrong.sql"), str(tmp_path / "zzz.sql"))
    assert ran.exit_code == 4  # although the other one fails
    assert re.search(f"wrong +fail +error  .*{reason}", ran.stdout)
    assert re.search("zzz +fail +1  bad", ran.stdout)


def test_a_lake_without_bars_is_wrong_usage(tmp_path: Path) -> None:
    Lake(str(tmp_path / "new")).prepare(market("ASX"), date(2026, 11, 20))
    ran = cli("--lake", str(tmp_path / "new"))
    assert isinstance(ran.exception, UsageError)
    assert "holds no bars" in str(ran.exception)
    assert isinstance(cli("--lake", str(tmp_path / "typo")).exception, NoLake)
    assert not (tmp_path / "typo").exists()


def test_a_silver_file_that_is_gone_fails(clean: Lake) -> None:
    (file,) = head(clean).table("bars").delta
    Path(clean.uri, file.key).unlink()
    ran = cli("--lake", clean.uri)
    assert ran.exit_code == 4
    assert re.search(rf"bars__unique +fail +error  cannot read .*{file.key}: it is gone: .*stockstream", ran.stdout)
    assert re.search(rf"files__published +fail +1  .*{file.key} it is gone", ran.stdout)


@pytest.mark.parametrize("lake_uri", ["s3"], indirect=True)
def test_on_s3(published: Lake, s3: S3Server) -> None:
    assert cli("--lake", published.uri).exit_code == 0
    (file,) = head(published).table("bars").delta
    bucket, _, prefix = published.uri.removeprefix("s3://").partition("/")
    s3.client().delete_object(Bucket=bucket, Key=f"{prefix}/{file.key}")
    ran = cli("--lake", published.uri)
    assert isinstance(ran.exception, LakeError)
    assert file.key in str(ran.exception)


def test_every_check_can_be_read_into_the_shell(clean: Lake) -> None:
    reads = [text for path in sorted(FOLDER.glob("*.sql")) for text in ("-c", f'.read "{path}"')]
    command = [
        sys.executable,
        "-c",
        "from stockstream.analytics.cli import main; main()",
        "shell",
        "--lake",
        clean.uri,
        "--",
    ]
    silver_with("volume", "-1")(clean)
    result = subprocess.run([*command, *reads], capture_output=True, text=True, timeout=60, check=False)
    assert "Error" not in result.stdout + result.stderr
    assert "volume is -1" in result.stdout


# --- real data


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, str]:
    """Return a lake with a year and a half of unclean real ASX bars, of the companies with A and L."""
    if not SHARED.is_dir():
        pytest.skip("the recorded data (../shared/data) is not beside this checkout")
    recorded = f"{SHARED}/ohlcv/asx_yahoo_2020_2021.parquet"
    ours = f"(SELECT * REPLACE (replace(symbol, '.AX', '') AS symbol) FROM '{recorded}' WHERE symbol[1] IN ('A', 'L'))"
    lake = Lake(str(tmp_path_factory.mktemp("real")))
    source = open_source(f"files:{recorded}", MARKETS["ASX"], settings())
    symbols = [row[0] for row in duckdb.sql(f"SELECT DISTINCT symbol FROM {ours} ORDER BY symbol").fetchall()]
    result = run(lake, source, MARKETS["ASX"], symbols=symbols)
    assert result["rows"] > 90_000
    consolidate({}, lake)
    return lake, ours


@pytest.mark.large
def test_real_data_is_published_and_its_dirt_is_a_warning(real: tuple[Lake, str]) -> None:
    lake, ours = real
    assert head(lake).generation > 0
    results = findings(lake)
    assert {name for name, finding in results.items() if finding.failed} == set()
    outside = duckdb.sql(
        f"SELECT count(*) FROM {ours} WHERE greatest(open, close) > high * 1.0001 OR least(open, close) < low * 0.9999"
    ).fetchall()[0][0]
    with lake.session() as con:
        (judged,) = con.sql("SELECT count(DISTINCT (symbol, date)) FROM quarantine").fetchall()[0]
    assert judged >= outside > 50
    rows = results["bars__price_suspicious"].rows
    assert all("times" in row["detail"] for row in rows)
    jumped = {row["symbol"] for row in rows if "times" in row["detail"]}
    assert {"AFR", "AOF", "LAW", "LNU", "LRT"} <= jumped  # wrong units, and a consolidation without a split in the data
    market = [row["date"] for row in results["bars__missing_sessions"].rows if row["symbol"] is None]
    assert market[0] == "2021-06-23"  # from there on the recording lacks most companies
