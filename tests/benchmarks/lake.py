"""Reading a lake of daily batch files: CPU beside the same files read plainly, and what S3 is asked for."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from analytics import DataAggregator
from pipeline.lake import raw_key
from sql.session import connect
from tests.benchmarks._harness import Figure, beside, main
from tests.benchmarks._synthetic import copy, make_bars, sessions, write_daily
from tests.s3_server import Request, S3Server

# Every column is used, so that none is left unread.
BARS_COLUMNS = """
    max(symbol), max(date), sum(open), sum(high), sum(low), sum(close), sum(volume), sum(adjusted_close),
    max(fetch_timestamp), sum(dividend), sum(split_ratio), max(source), max(price_basis)
"""
ADJUSTED_COLUMNS = """
    max(symbol), max(date), sum(open), sum(high), sum(low), sum(close), sum(volume), sum(dividend), sum(split_ratio),
    sum(split_factor), sum(dividend_factor)
"""
PLAIN = "read_parquet(getvariable('raw_files'))"
SYMBOL = "S0100"
ONE_SYMBOL = f"SELECT date, close FROM bars WHERE symbol = '{SYMBOL}'"
ROW_GROUPS = (20_480, 122_880)


def measure(quick: bool) -> Iterator[Figure]:
    symbols, days = (200, sessions(50)) if quick else (2000, sessions(250))
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder, duckdb.connect() as con:
        root = Path(folder)
        make_bars(con, symbols, days)
        write_daily(con, root / "daily", symbols, days)
        for rows in ROW_GROUPS:
            (root / f"one-{rows}" / "raw-data").mkdir(parents=True)
            one_file = root / f"one-{rows}" / raw_key(days[-1], 0)
            copy(con, "FROM raw ORDER BY symbol, date", one_file, f"COMPRESSION zstd, ROW_GROUP_SIZE {rows}")
        yield Figure("batch files", len(list((root / "daily/raw-data").iterdir())), "files")
        yield Figure("rows", symbols * len(days), "rows")
        yield from _on_disk(root / "daily", root / f"one-{ROW_GROUPS[-1]}", days, runs=2 if quick else 5)
        with S3Server() as s3:
            os.environ.update(s3.environment)
            yield from _on_s3(s3, root, days)


def _on_disk(daily: Path, one_file: Path, days: Sequence[date], runs: int) -> Iterator[Figure]:
    works = [
        _reading(PLAIN, BARS_COLUMNS),
        _reading("bars", BARS_COLUMNS),
        _reading("bars_adjusted", ADJUSTED_COLUMNS),
        _reading(f"bars_since('{days[-5]}')", BARS_COLUMNS),
    ]
    plain, bars, adjusted, newest = beside(works, partial(connect, str(daily), verify=False), runs)
    yield Figure("read_parquet, as they are", plain.cpu, "CPU s")
    yield Figure("bars", bars.cpu, "CPU s")
    yield Figure("bars / read_parquet", bars.cpu / plain.cpu, "x", goal=3)
    yield Figure("bars_adjusted", adjusted.cpu, "CPU s")
    yield Figure("bars_adjusted / bars", adjusted.cpu / bars.cpu, "x")
    yield Figure("bars_since, last 5 days", newest.cpu, "CPU s")
    yield Figure("bars_since, last 5 days / bars", newest.cpu / bars.cpu, "x")

    opening: list[Callable[[Any], Any]] = [
        lambda _: connect(str(daily)),
        lambda _: connect(str(daily), verify=False),
    ]
    verified, unverified = beside(opening, lambda: None, runs)
    yield Figure("connect()", verified.cpu, "CPU s")
    yield Figure("connect(verify=False)", unverified.cpu, "CPU s")

    plain, bars = beside(works[:2], partial(connect, str(one_file), verify=False), runs)
    yield Figure("one file: read_parquet", plain.cpu, "CPU s")
    yield Figure("one file: bars", bars.cpu, "CPU s")
    yield Figure("one file: bars / read_parquet", bars.cpu / plain.cpu, "x")


def _on_s3(s3: S3Server, root: Path, days: Sequence[date]) -> Iterator[Figure]:
    """Count what the server is asked for; its speed says nothing about S3's, so nothing is timed.

    `one file/20k` is what consolidation gives: the same bars in one file sorted by symbol, row groups of 20,480 rows.
    """
    lakes = {
        "S3 daily": _uploaded(s3, root / "daily"),
        **{f"S3 one file/{rows // 1000}k": _uploaded(s3, root / f"one-{rows}") for rows in ROW_GROUPS},
    }
    in_all = {}
    for name, lake in lakes.items():
        with s3.counted() as connecting:
            con = connect(lake)
        with s3.counted() as asked:
            con.execute(ONE_SYMBOL).fetchall()
        con.close()
        in_all[name] = connecting + asked
        yield from _counts(f"{name}: connect, list", [r for r in connecting if "list-type" in r.query])
        yield from _counts(f"{name}: connect, open", [r for r in connecting if "list-type" not in r.query])
        yield from _counts(f"{name}: one symbol", asked)
        yield from _counts(f"{name}: connect + one symbol", in_all[name])
    for name, requests in list(in_all.items())[1:]:
        daily = in_all["S3 daily"]
        yield Figure(f"S3 daily / {name}: requests", len(daily) / len(requests), "x")
        yield Figure(f"S3 daily / {name}: sent", _sent(daily) / _sent(requests), "x")

    lake, last = lakes["S3 daily"], days[-1]
    for what, source in {
        "bars, latest day": f"bars WHERE date = '{last}'",
        "bars_since(latest day)": f"bars_since('{last}')",
    }.items():
        con = connect(lake, verify=False)
        with s3.counted() as asked:
            con.execute(f"SELECT symbol, close FROM {source}").fetchall()
        con.close()
        yield from _counts(f"S3 daily: {what}", asked)
    loads: dict[str, Callable[[], Any]] = {
        "load_date(latest day)": lambda: DataAggregator(lake).load_date(last),
        "load_symbols(one)": lambda: DataAggregator(lake).load_symbols([SYMBOL]),
    }
    for what, load in loads.items():
        with s3.counted() as asked:
            load()
        yield from _counts(f"S3 daily: {what}", asked)


def _reading(source: str, columns: str) -> Callable[[DuckDBPyConnection], Any]:
    return lambda con: con.execute(f"SELECT {columns} FROM {source}").fetchall()


def _uploaded(s3: S3Server, folder: Path) -> str:
    """Put a lake's files into a new bucket; give the lake's URI."""
    bucket, client = s3.new_bucket(), s3.client()
    files = [file for file in folder.rglob("*") if file.is_file()]

    def put(file: Path) -> None:
        client.put_object(Bucket=bucket, Key=f"lake/{file.relative_to(folder)}", Body=file.read_bytes())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, files))
    return f"s3://{bucket}/lake"


def _counts(name: str, requests: Sequence[Request]) -> Iterator[Figure]:
    methods = Counter(request.method for request in requests)
    for method in ("GET", "HEAD"):
        yield Figure(name, methods[method], method)
    yield Figure(name, _sent(requests), "bytes")


def _sent(requests: Sequence[Request]) -> int:
    return sum(request.sent for request in requests)


if __name__ == "__main__":
    main("Reading a lake", measure)
