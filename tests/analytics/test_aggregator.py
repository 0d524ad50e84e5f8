"""DataAggregator returns the right rows, from a folder and from S3, and reads only the files that a call needs."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from stockstream.analytics import DataAggregator, connect
from stockstream.pipeline.errors import LakeError, UsageError
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import Lake, raw_key
from stockstream.pipeline.steps.consolidate import run as consolidate
from tests.s3_server import Request, S3Server

SCHEMA = {
    "symbol": pl.String,
    "date": pl.Date,
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
    "volume": pl.Int64,
    "adjusted_close": pl.Float64,
    "fetch_timestamp": pl.String,
    "dividend": pl.Float64,
    "split_ratio": pl.Float64,
    "source": pl.String,
    "price_basis": pl.Date,
}
QUOTED = "O'X"
Row = dict[str, Any]


def row(symbol: str, day: int, close: float | None, fetched: int, month: int = 11) -> Row:
    """Return the bar of a day in 2026 as a batch file of the day `fetched` has it; by default in November."""
    prices = dict.fromkeys(("open", "high", "low", "adjusted_close"), close)
    return prices | {
        "symbol": symbol,
        "date": date(2026, month, day),
        "close": close,
        "volume": 100 * day,
        "fetch_timestamp": f"2026-{month}-{fetched:02}T08:00:00.000000Z",
        "dividend": 0.0,
        "split_ratio": 1.0,
        "source": "test",
        "price_basis": date(2026, month, fetched),
    }


FILES: dict[tuple[int, int | None], list[Row]] = {
    (12, 0): [row("BHP", 11, 40.0, 12), row("BHP", 12, 41.0, 12), row("CBA", 12, 150.0, 12)],
    (12, 1): [row(QUOTED, 12, 1.0, 12), row("ZIP", 12, 2.0, 12)],
    (13, 0): [row("BHP", 12, 41.5, 13), row("BHP", 13, 42.0, 13), row("CBA", 13, None, 13)],  # BHP 12 is corrected
    (13, 1): [row(QUOTED, 13, 1.5, 13)],
    (16, None): [row("BHP", 16, 43.0, 16), row("BHP", 13, None, 16)],  # a row without a close does not replace the bar
}


def truth(
    keep: Callable[[Row], bool] = lambda row: True, files: Sequence[list[Row]] = tuple(FILES.values())
) -> pl.DataFrame:
    """Return the merged bars, computed in plain Python."""
    latest: dict[tuple[str, date], Row] = {}
    for each in sorted(
        (r for rows in files for r in rows if r["close"] is not None), key=lambda r: r["fetch_timestamp"]
    ):
        latest[each["symbol"], each["date"]] = each
    return pl.DataFrame([latest[key] for key in sorted(latest) if keep(latest[key])], schema=SCHEMA)


def parquet(rows: Sequence[Row]) -> bytes:
    return written(pl.DataFrame(rows, schema=SCHEMA))


def written(frame: pl.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.write_parquet(target)
    return target.getvalue()


def fill(uri: str, objects: dict[str, bytes] | None = None) -> str:
    lake = Lake(uri)
    for key, data in (objects or fetched()).items():
        lake.store.put(key, data, replaces=None)
    return uri


def fetched() -> dict[str, bytes]:
    return {raw_key(date(2026, 11, day), batch): parquet(rows) for (day, batch), rows in FILES.items()}


@cache
def consolidated(but: int = 0) -> dict[str, bytes]:
    """Return the objects of a lake that is consolidated except for some of the newest files."""
    with tempfile.TemporaryDirectory() as folder:
        lake, objects = Lake(folder), fetched()
        fill(folder, dict(list(objects.items())[: len(objects) - but]))
        consolidate({}, lake)
        files = {key: lake.store.get(key) for key in lake.store.list("")}
        return objects | {key: one.data for key, one in files.items() if one is not None}


CONTENTS = {"fetched": fetched, "consolidated": consolidated, "consolidated but for two": lambda: consolidated(2)}


@pytest.fixture(scope="module")
def lakes() -> dict[tuple[str, str], str]:
    """Return the lakes of `filled` so far, by their place and content: the tests only read them."""
    return {}


@pytest.fixture(params=CONTENTS)
def content(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["folder", "s3"])
def filled(
    request: pytest.FixtureRequest,
    content: str,
    lakes: dict[tuple[str, str], str],
    s3: S3Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """Return a lake, in a folder and on S3 in turn, with each content."""
    key = (request.param, content)
    if key not in lakes:
        folder = str(tmp_path_factory.mktemp("filled") / "lake")
        lakes[key] = fill(f"s3://{s3.new_bucket()}/lake" if key[0] == "s3" else folder, CONTENTS[content]())
    return lakes[key]


@pytest.fixture
def on_s3(s3: S3Server) -> str:
    return fill(f"s3://{s3.new_bucket()}/x")


@pytest.fixture
def silver_on_s3(s3: S3Server) -> str:
    """Return a lake whose files are consolidated, except for the newest."""
    return fill(f"s3://{s3.new_bucket()}/x", consolidated(1))


def of(*symbols: str) -> Callable[[Row], bool]:
    return lambda row: row["symbol"] in symbols


def between(first: int, last: int) -> Callable[[Row], bool]:
    return lambda row: date(2026, 11, first) <= row["date"] <= date(2026, 11, last)


CALLS: dict[str, tuple[str, tuple[Any, ...], Callable[[Row], bool]]] = {
    "all": ("all_data", (), lambda row: True),
    "day": ("date", ("2026-11-12",), between(12, 12)),
    "day as a date": ("date", (date(2026, 11, 13),), between(13, 13)),
    "day without bars": ("date", ("2026-11-14",), between(14, 14)),
    "range": ("date_range", ("2026-11-12", date(2026, 11, 13)), between(12, 13)),
    "range of one day": ("date_range", ("2026-11-16", "2026-11-16"), between(16, 16)),
    "symbol": ("symbols", (["BHP"],), of("BHP")),
    "symbols": ("symbols", (["ZIP", "BHP", "BHP"],), of("ZIP", "BHP")),
    "symbol with a quote": ("symbols", ([QUOTED],), of(QUOTED)),
    "no symbols": ("symbols", ([],), of()),
}


@pytest.mark.parametrize("call", CALLS)
def test_loads_and_scans_the_right_rows(call: str, filled: str) -> None:
    method, arguments, keep = CALLS[call]
    expected = truth(keep)
    assert_frame_equal(getattr(DataAggregator(filled), f"load_{method}")(*arguments), expected)
    if method != "date":  # load_date is load_date_range of one day
        lazy = getattr(DataAggregator(filled), f"scan_{method}")(*arguments)
        assert isinstance(lazy, pl.LazyFrame)
        assert lazy.collect_schema() == expected.schema
        assert_frame_equal(lazy.collect(), expected)


@pytest.mark.parametrize("day", [12, 13, 16, 14])
def test_merges_the_batches_of_one_run(day: int, filled: str) -> None:
    expected = truth(files=[rows for (of_day, _), rows in FILES.items() if of_day == day])
    assert_frame_equal(DataAggregator(filled).merge_daily_batches(f"2026-11-{day}"), expected)


OUTLIVES = """
import gc, sys, polars as pl
from stockstream.analytics import DataAggregator
aggregator = DataAggregator(sys.argv[1])
lazy = aggregator.scan_symbols(["BHP"]).filter(pl.col("close") > 42).select("date", "close")
del aggregator
gc.collect()
print(lazy.collect().rows(), lazy.collect().height)  # and it may be collected again
"""


def test_a_lazy_frame_outlives_its_aggregator(filled: str) -> None:
    """In a process of its own: DuckDB holds the GIL while it binds polars' filter, and the S3 server needs the GIL."""
    result = subprocess.run([sys.executable, "-c", OUTLIVES, filled], capture_output=True, text=True, timeout=60)
    assert result.stdout == "[(datetime.date(2026, 11, 16), 43.0)] 1\n", result.stderr


def test_an_unknown_symbol_is_refused(filled: str) -> None:
    aggregator = DataAggregator(filled)
    for symbols in (["'; DROP VIEW bars; --", "NOPE"], ["BHP", "NOPE"], "NOPE"):
        for load in (aggregator.load_symbols, aggregator.scan_symbols):
            with pytest.raises(UsageError, match=r"no bars of .*NOPE in bars"):
                load(symbols)


def test_an_empty_lake_gives_empty_frames(lake_uri: str, s3: S3Server) -> None:
    aggregator = DataAggregator(lake_uri)
    empty = pl.DataFrame(schema=SCHEMA)
    for method, arguments, _ in CALLS.values():
        assert_frame_equal(getattr(aggregator, f"load_{method}")(*arguments), empty)
    assert_frame_equal(aggregator.merge_daily_batches("2026-11-12"), empty)
    assert_frame_equal(aggregator.scan_all_data().collect(), empty)


@pytest.mark.parametrize("method", ["load_date", "load_date_range", "scan_date_range", "merge_daily_batches"])
@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "12.11.2026", ""])
def test_a_bad_day_is_a_value_error(method: str, day: str, tmp_path: Path) -> None:
    arguments = (day, "2026-11-12") if "range" in method else (day,)
    with pytest.raises(ValueError, match=r"[Ii]nvalid|day"):
        getattr(DataAggregator(str(tmp_path)), method)(*arguments)


def test_an_inverted_range_is_a_value_error(tmp_path: Path) -> None:
    for method in ("load_date_range", "scan_date_range"):
        with pytest.raises(ValueError, match=r"2026-11-11.* before it starts .*2026-11-12"):
            getattr(DataAggregator(str(tmp_path)), method)("2026-11-12", "2026-11-11")


@pytest.mark.parametrize(
    ("lake", "prefix"), [("x", "x"), ("x", "/x/"), ("x", "x/raw-data/"), ("", ""), ("", "raw-data")]
)
def test_another_bucket_by_prefix(lake: str, prefix: str, s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.new_bucket()
    fill(f"s3://{bucket}/{lake}")
    elsewhere = DataAggregator(str(tmp_path))
    assert_frame_equal(elsewhere.load_all_data(bucket, prefix), truth())
    assert_frame_equal(elsewhere.scan_all_data(bucket, prefix).collect(), truth())


# --- files of the first schema


@pytest.mark.parametrize("kind", ["as it was", "timestamps and doubles"])
def test_an_old_file_of_nine_columns_merges(kind: str, lake_uri: str) -> None:
    """`raw-data/2025-12-26.parquet`: no batch, no dividend, split_ratio, source and price_basis."""
    nine = list(SCHEMA)[:9]
    old = [row("BHP", 23, 30.0, 26, 12), row("BHP", 24, 31.0, 26, 12), row("CBA", 24, 100.0, 26, 12)]
    old = [r | {"date": r["date"].replace(year=2025), "fetch_timestamp": "2025-12-26T06:00:00.000000Z"} for r in old]
    frame = pl.DataFrame(old, schema=SCHEMA).select(nine)
    volumes: list[int | None] = [2300, 2400, 2400]
    if kind != "as it was":
        frame = frame.with_columns(
            pl.col("date").cast(pl.Datetime("ns")), pl.Series("volume", [2300.0, float("nan"), 2400.0])
        )
        volumes[1] = None
    lake = Lake(lake_uri)
    lake.store.put("raw-data/2025-12-26.parquet", written(frame), replaces=None)
    newer = row("BHP", 24, 31.5, 29, 12) | {"date": date(2025, 12, 24)}
    lake.store.put(raw_key(date(2026, 12, 29), 0), parquet([newer]), replaces=None)
    bars = DataAggregator(lake_uri).load_all_data()
    assert bars.schema == pl.Schema(SCHEMA)
    assert bars.select("symbol", "date", "close").rows() == [
        ("BHP", date(2025, 12, 23), 30.0),
        ("BHP", date(2025, 12, 24), 31.5),
        ("CBA", date(2025, 12, 24), 100.0),
    ]
    assert bars["volume"].to_list() == [volumes[0], 2400, volumes[2]]
    assert bars["price_basis"].to_list() == [date(2025, 12, 26), date(2026, 12, 29), date(2025, 12, 26)]
    assert bars["dividend"].to_list() == [None, 0.0, None]
    merged = DataAggregator(lake_uri).merge_daily_batches("2025-12-26")
    assert merged["close"].to_list() == [30.0, 31.0, 100.0]
    assert merged["volume"].to_list() == volumes


# --- only the files that a call needs are read


def batch_files(requests: Sequence[Request], method: str = "GET") -> set[str]:
    """Return the names of the batch files that were read."""
    return {r.path.rsplit("/", 1)[1] for r in requests if r.method == method and "/raw-data/" in r.path}


def test_a_day_opens_no_older_file(on_s3: str, s3: S3Server) -> None:
    with s3.counted() as requests:
        assert DataAggregator(on_s3).load_date("2026-11-13").height == 2
    assert batch_files(requests) == {"2026-11-13-batch-0.parquet", "2026-11-13-batch-1.parquet", "2026-11-16.parquet"}
    assert batch_files(requests, "HEAD") <= batch_files(requests)
    with s3.counted() as requests:
        DataAggregator(on_s3).merge_daily_batches("2026-11-12")
    assert batch_files(requests) == {"2026-11-12-batch-0.parquet", "2026-11-12-batch-1.parquet"}


def test_a_symbol_reads_a_fraction_of_a_big_file(s3: S3Server, tmp_path: Path) -> None:
    """200 symbols in row groups of about twelve: statistics leave one or two groups to read, without `verify`."""
    path = tmp_path / "big.parquet"
    query = """SELECT 'S' || lpad((i // 500)::VARCHAR, 3, '0') AS symbol, DATE '2020-01-01' + (i % 500)::INT AS date,
        random() AS open, random() AS high, random() AS low, random() AS close, (random() * 1e9)::BIGINT AS volume,
        random() AS adjusted_close, '2026-11-13T08:00:00.000000Z' AS fetch_timestamp FROM range(100_000) t(i)"""
    duckdb.sql("SELECT setseed(0.5)").fetchall()
    duckdb.sql(query).query("rows", f"COPY (FROM rows ORDER BY symbol, date) TO '{path}' (ROW_GROUP_SIZE 5000)")
    assert duckdb.sql(f"SELECT max(row_group_id) FROM parquet_metadata('{path}')").fetchall()[0][0] >= 15
    lake = f"s3://{s3.new_bucket()}"
    Lake(lake).store.put(raw_key(date(2026, 11, 13), 0), path.read_bytes(), replaces=None)
    with s3.counted() as requests:
        bars = connect(lake, verify=False).sql("FROM bars WHERE symbol = 'S101' ORDER BY date").pl()
    assert bars.height == 500
    assert bars["symbol"].unique().to_list() == ["S101"]
    assert bars["date"].to_list() == [date(2020, 1, 1) + timedelta(days=i) for i in range(500)]
    read = sum(r.sent for r in requests if r.path.endswith(".parquet"))
    assert read < path.stat().st_size / 4, f"{read} of {path.stat().st_size} bytes"
    with s3.counted() as requests:  # the count is right: reading the whole file sends more
        assert DataAggregator(lake).load_all_data().height == 100_000
    assert sum(r.sent for r in requests) > path.stat().st_size * 0.9


# --- the cache


def test_the_cache_downloads_each_version_once(on_s3: str, s3: S3Server, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with s3.counted() as requests:
        assert_frame_equal(DataAggregator(on_s3, cache).load_all_data(), truth())
    assert len(batch_files(requests)) == len(FILES)
    with s3.counted() as requests:
        assert_frame_equal(DataAggregator(on_s3, cache).load_all_data(), truth())
    assert [r for r in requests if "list-type=2" not in r.query] == []

    key = raw_key(date(2026, 11, 12), 1)
    lake = Lake(on_s3)
    lake.store.put(key, parquet([row("ZIP", 12, 2.25, 12)]), replaces=lake.store.get(key))
    with s3.counted() as requests:
        bars = DataAggregator(on_s3, cache).load_symbols(["ZIP"])
    assert bars["close"].to_list() == [2.25]
    assert batch_files(requests) == {key.removeprefix("raw-data/")}
    assert {path.suffix for path in cache.rglob("*") if path.is_file()} == {".parquet"}  # no temporary file is left


def silver_files(requests: Sequence[Request]) -> list[str]:
    """Return the names of the silver files that were read, one per request."""
    return [r.path.rsplit("/", 1)[1] for r in requests if r.method == "GET" and "/silver/" in r.path and r.status < 300]


def test_the_cache_keeps_silver_too(silver_on_s3: str, s3: S3Server, tmp_path: Path) -> None:
    cache, lake = tmp_path / "cache", Lake(silver_on_s3)
    size = sum(file.bytes for file in head(lake).table("bars").files)
    with s3.counted() as requests:
        assert_frame_equal(DataAggregator(silver_on_s3, cache).load_all_data(), truth())
    assert (len(silver_files(requests)), batch_files(requests)) == (1, {"2026-11-16.parquet"})
    assert sum(r.sent for r in requests if "/silver/" in r.path) == size, "downloaded whole, and once"
    with s3.counted() as requests:
        for method, arguments, keep in CALLS.values():
            assert_frame_equal(getattr(DataAggregator(silver_on_s3, cache), f"load_{method}")(*arguments), truth(keep))
    assert [r for r in requests if r.path.endswith(".parquet")] == []

    consolidate({}, lake)
    (delta,) = head(lake).table("bars").delta
    with s3.counted() as requests:
        assert_frame_equal(DataAggregator(silver_on_s3, cache).load_all_data(), truth())
    assert (silver_files(requests), batch_files(requests)) == ([Path(delta.key).name], set())
    with s3.counted() as requests:
        old = DataAggregator(silver_on_s3, cache, as_of=1).load_all_data()
    assert_frame_equal(old, truth(files=list(FILES.values())[:-1]))
    assert [r for r in requests if r.path.endswith(".parquet")] == []


def test_a_symbol_is_read_from_silver_alone(s3: S3Server) -> None:
    lake = fill(f"s3://{s3.new_bucket()}/x", consolidated())
    with s3.counted() as requests:
        assert_frame_equal(DataAggregator(lake).load_symbols(["BHP"]), truth(of("BHP")))
    assert (len(set(silver_files(requests))), batch_files(requests)) == (1, set())


@pytest.mark.parametrize("cached", [False, True])
def test_a_runs_batches_are_read_without_silver(silver_on_s3: str, s3: S3Server, tmp_path: Path, cached: bool) -> None:
    aggregator = DataAggregator(silver_on_s3, tmp_path / "cache" if cached else None)
    with s3.counted() as requests:
        bars = aggregator.merge_daily_batches("2026-11-12")
    assert_frame_equal(bars, truth(files=[rows for (day, _), rows in FILES.items() if day == 12]))
    assert (silver_files(requests), batch_files(requests)) == (
        [],
        {"2026-11-12-batch-0.parquet", "2026-11-12-batch-1.parquet"},
    )


def test_a_cached_file_that_is_gone_from_the_lake_is_one_line(silver_on_s3: str, tmp_path: Path) -> None:
    (file,) = head(Lake(silver_on_s3)).table("bars").files
    Lake(silver_on_s3).store.delete([file.key])
    with pytest.raises(LakeError, match=rf"{file.key} was deleted in the meantime"):
        DataAggregator(silver_on_s3, tmp_path / "cache").load_all_data()


def test_the_cache_narrows_too(on_s3: str, s3: S3Server, tmp_path: Path) -> None:
    with s3.counted() as requests:
        bars = DataAggregator(on_s3, tmp_path / "cache").load_date("2026-11-16")
    assert_frame_equal(bars, truth(between(16, 16)))
    assert batch_files(requests) == {"2026-11-16.parquet"}


def test_a_folder_needs_no_cache(tmp_path: Path) -> None:
    lake = fill(str(tmp_path / "lake"))
    assert_frame_equal(DataAggregator(lake, tmp_path / "cache").load_all_data(), truth())
    assert not (tmp_path / "cache").exists()
