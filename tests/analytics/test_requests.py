"""How many requests a lake on S3 costs its readers; and that they read the same as with more requests."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stockstream.analytics import connect
from stockstream.pipeline import pointer
from stockstream.pipeline.companies import store_list
from stockstream.pipeline.events import FetchBatchEvent
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import CURRENT, Lake, raw_key
from stockstream.pipeline.listings.base import Company
from stockstream.pipeline.manifest import Change, Manifest
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.publishing import publish
from stockstream.pipeline.sealing import seal
from stockstream.pipeline.staging import stage, upload
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.fetch_batch import run as fetch_batch
from stockstream.pipeline.steps.fetch_metadata import run as fetch_metadata
from stockstream.sql.loader import HOME
from stockstream.sql.session import explain, extension
from tests.benchmarks._synthetic import copy, make_bars, sessions, write_daily
from tests.pipeline.test_invariants import BLANK, NUMBERS, Told
from tests.s3_server import Request, S3Server

DUCKDB = shutil.which("duckdb", path=str(Path(sys.executable).parent))
SYMBOL = "S0007"  # it has a split
HISTORIES = {
    "close": f"SELECT symbol, date, close FROM bars WHERE symbol = '{SYMBOL}' ORDER BY date",
    "all columns": f"FROM bars WHERE symbol = '{SYMBOL}' ORDER BY date",
    "split adjusted": f"FROM bars_split_adjusted WHERE symbol = '{SYMBOL}' ORDER BY date",
    "adjusted": f"FROM bars_adjusted WHERE symbol = '{SYMBOL}' ORDER BY date",
}
DAYS = sessions(100)  # the last one is too little for a tier


@dataclass(frozen=True)
class Twin:
    """A lake in a folder with base and delta, and a copy of it on S3."""

    folder: Path
    uri: str

    @property
    def on_s3(self) -> Lake:
        return Lake(self.uri)

    def expected(self, query: str) -> list[tuple[object, ...]]:
        with connect(self.folder) as con:
            return con.execute(query).fetchall()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("requests") / "lake"
    lake = Lake(str(path))
    lake.prepare(MARKETS["ASX"], DAYS[-1])
    with duckdb.connect() as con:
        make_bars(con, 40, DAYS)
        write_daily(con, path, 40, DAYS[:-1])
        store_list(lake, DAYS[0], [Company("S0000", "FIRST LIMITED", "Materials")])
        fetch_metadata({}, lake, None, MARKETS["ASX"])
        consolidate({}, lake)
        copy(con, f"FROM raw WHERE date = '{DAYS[-1]}' ORDER BY symbol", path / raw_key(DAYS[-1], 0))
        consolidate({}, lake)
    assert {part for part in ("base", "delta") if getattr(head(lake).table("bars"), part)} == {"base", "delta"}
    return path


@pytest.fixture
def twin(folder: Path, s3: S3Server) -> Twin:
    uri = f"s3://{s3.new_bucket()}/a/lake"
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    s3.fill(uri, {key: path.read_bytes() for key, path in files.items() if not path.name.startswith(".")})
    return Twin(folder, uri)


def requests_of(s3: S3Server, lake: str, query: str) -> tuple[list[Request], list[tuple[object, ...]]]:
    with s3.counted() as requests, connect(lake) as con:
        rows = con.execute(query).fetchall()
    return requests, rows


def shell(s3: S3Server, lake: str, query: str, cache: Path) -> tuple[list[Request], str]:
    """Return the requests of the plain shell, and the rows that it prints after its greeting."""
    loads = [text for name in ("httpfs", "aws") for text in ("-cmd", f"LOAD '{extension(name)}'")]
    arguments = [*loads, "-cmd", f".read {HOME}/init.sql", "-csv", "-c", query]
    variables = {"STOCKSTREAM_LAKE": lake, "NO_COLOR": "1", "XDG_CACHE_HOME": str(cache)}
    with s3.counted() as requests:
        ran = subprocess.run([str(DUCKDB), *arguments], env=os.environ | variables, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    return requests, ran.stdout.split("\n", 2)[2]


def add_tier(lake: Lake, folder: Path) -> None:
    """Publish base in one more file, without another row."""

    def make(before: Manifest) -> tuple[Change, None]:
        bars = before.table("bars")
        with lake.session() as con:
            files = list(map(lake.store.uri, (file.key for file in bars.base)))
            last = bars.base[-1].last_date
            halves = [f"FROM read_parquet({files}) WHERE date {sign} DATE '{last}'" for sign in ("<", "=")]
            staged = [
                stage(con, f"{half} ORDER BY symbol, date", folder / f"{number}.parquet", 57_344)
                for number, half in enumerate(halves)
            ]
            base = upload(lake, staged, "bars", "base", before.generation + 1)
        return Change(tables={"bars": bars.model_copy(update={"base": base})}), None

    publish(lake, "consolidate", make)


@pytest.mark.parametrize("history", HISTORIES)
def test_four_requests_from_python(history: str, twin: Twin, s3: S3Server) -> None:
    requests, rows = requests_of(s3, twin.uri, HISTORIES[history])
    assert len(requests) <= 4, requests
    assert rows == twin.expected(HISTORIES[history])
    assert len(rows) == len(DAYS)


def test_a_tier_is_one_request_from_python_and_three_in_the_shell(twin: Twin, s3: S3Server, tmp_path: Path) -> None:
    def counts() -> tuple[int, int]:
        from_python, rows = requests_of(s3, twin.uri, HISTORIES["close"])
        in_shell, text = shell(s3, twin.uri, HISTORIES["close"], tmp_path)
        assert rows == twin.expected(HISTORIES["close"])
        assert text.splitlines() == [f"{symbol},{day},{close}" for symbol, day, close in rows]
        return len(from_python), len(in_shell)

    point_again(twin.on_s3)
    python, plain_shell = counts()
    assert python <= 4
    assert plain_shell <= 8
    add_tier(twin.on_s3, tmp_path)
    with_tier = counts()
    assert with_tier[0] <= python + 1
    assert with_tier[1] <= plain_shell + 3


def point_again(lake: Lake) -> None:
    """Write the pointer as a writer does, so that it does not look like a copy."""
    manifest = head(lake)
    lake.update(CURRENT, lambda before: pointer.pointer_to(lake, manifest, before))


def test_the_pointer_is_small_and_no_manifest_has_its_keys(twin: Twin, s3: S3Server) -> None:
    objects = s3.objects(twin.uri)
    assert "readers" in json.loads(objects[CURRENT])
    tables = [key.split("/")[1] for key in json.loads(objects[CURRENT])["readers"]["files"]]
    assert sorted(tables) == ["bars", "bars", "metadata"]
    assert not [key for key, data in objects.items() if key.startswith("state/manifests/") and b"readers" in data]


def without_readers(data: bytes) -> bytes:
    document = json.loads(data)
    return json.dumps({key: value for key, value in document.items() if key not in ("readers", "sha256")}).encode()


def with_a_flipped_bit(data: bytes) -> bytes:
    at = data.index(b'"files"') + 200
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def with_a_damaged_index(data: bytes) -> bytes:
    document = json.loads(data)
    files = document["readers"]["files"]
    document["readers"]["files"] = {key: text[:50] + "AAAA" + text[54:] for key, text in files.items()}
    return json.dumps({key: value for key, value in document.items() if key != "sha256"}).encode()


def with_other_types(data: bytes) -> bytes:
    document = json.loads(data) | {"readers": {"files": [], "symbols": 3, "written_at": None}}
    return json.dumps({key: value for key, value in document.items() if key != "sha256"}).encode()


@pytest.mark.parametrize("spoil", [without_readers, with_a_flipped_bit, with_a_damaged_index, with_other_types])
def test_a_pointer_without_what_readers_need_costs_requests_only(
    spoil: Callable[[bytes], bytes], twin: Twin, s3: S3Server
) -> None:
    s3.fill(twin.uri, {CURRENT: spoil(s3.objects(twin.uri)[CURRENT])})
    requests, rows = requests_of(s3, twin.uri, HISTORIES["split adjusted"])
    assert len(requests) > 4
    assert rows == twin.expected(HISTORIES["split adjusted"])
    with connect(twin.uri) as con:
        assert con.execute("SELECT symbol FROM symbols").fetchall() == [("S0000",)]


def test_indexes_that_do_not_fit_are_left_out(twin: Twin, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = sorted(map(len, json.loads(s3.objects(twin.uri)[CURRENT])["readers"]["files"].values()))
    monkeypatch.setattr(pointer, "MAX_INDEXES", sizes[-1])
    point_again(twin.on_s3)
    assert len(json.loads(s3.objects(twin.uri)[CURRENT])["readers"]["files"]) < 3
    assert requests_of(s3, twin.uri, HISTORIES["all columns"])[1] == twin.expected(HISTORIES["all columns"])


def test_a_process_that_has_not_uploaded_the_files_makes_their_indexes(
    twin: Twin, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = json.loads(s3.objects(twin.uri)[CURRENT])["readers"]["files"]
    monkeypatch.setattr(pointer, "_indexes", {})
    s3.fill(twin.uri, {CURRENT: without_readers(s3.objects(twin.uri)[CURRENT])})
    point_again(twin.on_s3)
    assert json.loads(s3.objects(twin.uri)[CURRENT])["readers"]["files"] == before


def test_a_new_batch_file_and_a_new_list_are_seen(twin: Twin, s3: S3Server, tmp_path: Path) -> None:
    next_day = DAYS[-1] + timedelta(days=1)
    with duckdb.connect() as con:
        make_bars(con, 40, DAYS)
        rows = f"SELECT * REPLACE (DATE '{next_day}' AS date) FROM raw WHERE date = '{DAYS[-1]}'"
        copy(con, rows, tmp_path / "new.parquet")
    s3.fill(twin.uri, {raw_key(next_day, 0): (tmp_path / "new.parquet").read_bytes()})
    store_list(twin.on_s3, next_day, [Company("S0001", "SECOND LIMITED", "Energy")])
    with connect(twin.uri) as con:
        assert con.execute(f"SELECT max(date) FROM bars WHERE symbol = '{SYMBOL}'").fetchall() == [(next_day,)]
        assert con.execute("SELECT symbol, listed_on FROM symbols").fetchall() == [("S0001", next_day)]
        assert con.execute("SELECT fresh_files, batch_files FROM lake_status()").fetchall() == [(1, len(DAYS) + 1)]


def test_only_the_end_of_a_long_listing_is_requested(twin: Twin, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pointer, "LISTED", 5)
    point_again(twin.on_s3)
    with s3.counted() as requests, connect(twin.uri) as con:
        assert con.execute("SELECT count(*), count(DISTINCT file) FROM raw_bars").fetchall() == [
            (40 * len(DAYS), len(DAYS))
        ]
    listing = next(request for request in requests if "raw-data" in request.query)
    assert str(DAYS[-5]) in listing.query


def test_an_older_copy_of_the_pointer_is_not_believed(twin: Twin, s3: S3Server, tmp_path: Path) -> None:
    """It names the same batch files as the newest one, so that only its time shows that it is a copy."""
    document = json.loads(s3.objects(twin.uri)[CURRENT])
    del document["sha256"]
    add_tier(twin.on_s3, tmp_path)
    s3.age(twin.uri, days=2)
    document["readers"]["written_at"] = str(datetime.fromisoformat(document["readers"]["written_at"]) - timedelta(1))
    s3.fill(twin.uri, {CURRENT: seal(json.dumps(document).encode())})
    with connect(twin.uri) as con:
        assert con.execute("SELECT generation FROM lake_status()").fetchall() == [(4,)]
        assert con.execute(HISTORIES["close"]).fetchall() == twin.expected(HISTORIES["close"])


def test_a_connection_stays_at_its_generation_and_new_ones_see_the_next(twin: Twin, tmp_path: Path) -> None:
    with connect(twin.uri) as con:
        add_tier(twin.on_s3, tmp_path)
        assert con.execute(HISTORIES["close"]).fetchall() == twin.expected(HISTORIES["close"])
        with connect(twin.uri) as later, connect(twin.uri, as_of=3) as earlier:
            generations = [each.execute("SELECT generation FROM lake_status()").fetchall() for each in (con, later)]
            assert generations == [[(3,)], [(4,)]]
            assert earlier.execute(HISTORIES["close"]).fetchall() == twin.expected(HISTORIES["close"])


def test_a_file_that_is_gone_is_one_line(twin: Twin, s3: S3Server) -> None:
    with connect(twin.uri) as con:
        bucket, _, prefix = twin.uri.removeprefix("s3://").partition("/")
        for file in head(twin.on_s3).table("bars").files:
            s3.client().delete_object(Bucket=bucket, Key=f"{prefix}/{file.key}")
        with pytest.raises(duckdb.Error) as caught:
            con.execute("SELECT sum(close) FROM bars").fetchall()
    message = str(explain(caught.value, twin.uri))
    assert re.fullmatch(
        rf"cannot read {twin.uri}/silver/bars/\S+\.parquet: it is gone: connect again, or `stockstream repair` .*",
        message,
    )


def test_threads_read_the_same_row_group_at_once(twin: Twin) -> None:
    query = "SELECT count(*), count(DISTINCT symbol), sum(volume) FROM bars WHERE symbol > 'S0003'"
    with connect(twin.uri) as con:
        con.execute("SET threads = 4")
        assert con.execute(query).fetchall() == twin.expected(query)


def test_symbols_and_calendar_are_those_of_the_lake(twin: Twin) -> None:
    columns = "symbol, date, column_name, text, reason, line"
    quarantine = f"SELECT {columns} FROM quarantine ORDER BY ALL"
    for query in ("FROM symbols", "SELECT count(*), max(date) FROM sessions", quarantine):
        with connect(twin.uri) as con:
            assert con.execute(query).fetchall() == twin.expected(query)


def test_a_lake_without_silver_needs_no_pointer(s3: S3Server, tmp_path: Path) -> None:
    lake = Lake(f"s3://{s3.new_bucket()}")
    lake.prepare(MARKETS["ASX"], date(2026, 11, 20))
    assert requests_of(s3, lake.uri, "SELECT count(*) FROM bars")[1] == [(0,)]
    assert shell(s3, lake.uri, "SELECT count(*) FROM sessions WHERE date = '2026-11-20'", tmp_path)[1] == "1\n"


def test_no_progress_bar_on_the_output_of_a_program(folder: Path) -> None:
    """DuckDB draws it after two seconds, on a terminal."""
    code = (
        "from stockstream.analytics import connect\n"
        f"con = connect({str(folder)!r})\n"
        "print(con.execute(\"SELECT current_setting('enable_progress_bar')\").fetchall())"
    )
    main, terminal = os.openpty()
    subprocess.run([sys.executable, "-c", code], stdout=terminal, check=True)
    os.close(terminal)
    assert os.read(main, 10_000) == b"[(False,)]\r\n"
    os.close(main)


def test_a_run_for_a_day_long_past_is_seen_before_it_is_consolidated(
    twin: Twin, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointer, "LISTED", 5)
    point_again(twin.on_s3)
    day = DAYS[3]
    bar = {**BLANK, **dict.fromkeys(NUMBERS, 7.0), "symbol": "NEW", "date": day, "volume": 1, "price_basis": day}
    event: FetchBatchEvent = {
        "symbols": ["NEW"], "batchNumber": 0, "date": str(day), "start": str(day), "end": str(day),
    }  # fmt: skip
    fetched = fetch_batch(event, twin.on_s3, Told([bar]), MARKETS["ASX"], datetime.combine(day, time(9), tzinfo=UTC))
    assert fetched["key"] == raw_key(day, 0, 1)
    with connect(twin.uri) as con:
        assert con.execute("SELECT date, close FROM bars WHERE symbol = 'NEW'").fetchall() == [(day, 7.0)]


def test_a_body_that_is_cut_is_requested_again(twin: Twin, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    whole: Callable[..., Iterable[bytes]] = s3._server.app  # type: ignore[assignment]
    cut: list[str] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = b"".join(whole(environ, start_response))
        path = environ["PATH_INFO"]
        if path in cut or not path.endswith(("current.json", ".parquet")):
            return [body]
        cut.append(path)
        return [body[: len(body) // 2]]

    with monkeypatch.context() as patched:
        patched.setattr(s3._server, "app", app)
        assert requests_of(s3, twin.uri, HISTORIES["close"])[1] == twin.expected(HISTORIES["close"])
    assert len(cut) == 3
