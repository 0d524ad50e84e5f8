"""`stockstream reconcile`: files and vendors as the other source, exit codes, the report."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.lake import MARKER, Lake
from tests.analytics.test_cli import Ran, assert_one_error, run_cli
from tests.pipeline.test_reconciliation import DAYS, lake_of, pair
from tests.polygon_vendor import FRIDAY, KEY, MONDAY, Vendor, bar, ok, refuse

NAMES = "symbol,date,open,high,low,close,volume,dividend,split_ratio"


def us_lake(folder: Path, rows: list[dict[str, Any]]) -> str:
    lake = lake_of(folder, rows)
    lake.store.put(MARKER, json.dumps({"market": "US"}).encode(), replaces=None)
    return lake.uri


def csv_of(path: Path, rows: list[dict[str, Any]]) -> str:
    lines = [",".join("" if row[name] is None else str(row[name]) for name in NAMES.split(",")) for row in rows]
    path.write_text("\n".join([NAMES, *lines, ""]))
    return f"files:{path}"


def as_json(ran: Ran) -> Any:
    return json.loads(ran.out)


def test_files_that_are_equal_and_files_that_differ(tmp_path: Path) -> None:
    here, there = pair(tmp_path, "AAA", "three ticks")
    lake = us_lake(tmp_path / "lake", here)
    options = ("--lake", lake, "--prices", "as-traded", "--json")
    equal = run_cli("reconcile", "--with", csv_of(tmp_path / "equal.csv", here), *options)
    assert (equal.code, as_json(equal)["verdicts"]) == (0, {"equal": 1}), equal
    source = csv_of(tmp_path / "other.csv", there)
    differing = run_cli("reconcile", "--with", source, *options)
    assert differing.code == 1
    report = as_json(differing)
    assert (report["status"], report["verdicts"], report["prices"]) == ("different", {"differs": 1}, "as traded")
    (row,) = report["differences"]
    assert (row["symbol"], row["prices"], round(abs(row["max_ticks"]))) == ("AAA", 1, 3)
    assert (row["first_date"], row["last_date"]) == (str(DAYS[0]), str(DAYS[-1]))
    assert run_cli("reconcile", "--with", source, *options, "--tolerance", "3").code == 0
    text = run_cli("reconcile", "--with", source, *options[:-1])
    assert text.out.splitlines()[0].split() == ["AAA", "differs", "1", "prices"]
    found = run_cli("query", "--lake", lake, "--format", "csv", "SELECT symbol, other, verdict FROM reconciled_symbols")
    assert f"AAA,{source},differs" in found.out


def test_a_range_of_days_and_symbols(tmp_path: Path) -> None:
    rows = {symbol: pair(tmp_path, symbol, kind) for symbol, kind in {"AAA": "copy", "BBB": "cents"}.items()}
    lake = us_lake(tmp_path / "lake", [row for here, _ in rows.values() for row in here])
    other = csv_of(tmp_path / "other.csv", [row for _, there in rows.values() for row in there][5:])
    options = ("reconcile", "--with", other, "--lake", lake, "--prices", "as-traded", "--json")
    assert run_cli(*options, "--symbols", "aaa", "--start", str(DAYS[5])).code == 0
    assert as_json(run_cli(*options, "--symbols", "AAA"))["differences"][0]["missing_there"] == 5
    assert as_json(run_cli(*options, "--start", str(DAYS[5])))["verdicts"] == {"equal": 1, "ratio": 1}


def test_prices_that_are_adjusted_are_compared_as_traded(tmp_path: Path) -> None:
    here, there = pair(tmp_path, "AAA", "restated for a split")
    lake = us_lake(tmp_path / "lake", here)
    for row in there:
        row["split_ratio"] = None  # the file does not list splits: those of the lake apply
    ran = run_cli("reconcile", "--with", csv_of(tmp_path / "other.csv", there), "--lake", lake, "--prices", "adjusted")
    assert ran.code == 0, ran
    assert "1 equal; prices as traded" in ran.out


@pytest.fixture
def polygon(monkeypatch: pytest.MonkeyPatch) -> Any:
    with Vendor() as vendor:
        monkeypatch.setenv("POLYGON_API_KEY", KEY)
        monkeypatch.setenv("STOCKSTREAM_POLYGON_URL", vendor.url)
        monkeypatch.setenv("STOCKSTREAM_POLYGON_CALLS_PER_MINUTE", "100000")
        yield vendor


def week_of(symbol: str) -> list[dict[str, Any]]:
    """Return the rows of a lake that equal the vendor's week."""
    prices = {"open": 9.0, "high": 11.0, "low": 8.0, "close": 10.0, "volume": 1000, "adjusted_close": None}
    actions = {"dividend": 0.0, "split_ratio": 1.0, "fetch_timestamp": "2024-04-01T00:00:00.000000Z", "source": "test"}
    days = [MONDAY + timedelta(offset) for offset in range(5)]
    return [{"symbol": symbol, "date": day, "price_basis": day, **prices, **actions} for day in days]


def test_polygon_is_asked_and_nothing_is_stored_in_raw_data(tmp_path: Path, polygon: Vendor) -> None:
    lake = us_lake(tmp_path / "lake", week_of("AAPL") + week_of("GONE"))
    before = sorted((tmp_path / "lake" / "raw-data").iterdir())
    path = f"/v2/aggs/ticker/AAPL/range/1/day/{MONDAY}/{FRIDAY}"
    polygon.routes[path] = [ok([bar(MONDAY + timedelta(offset)) for offset in range(5)])]
    options = ("reconcile", "--with", "polygon", "--lake", lake, "--end", str(FRIDAY), "--json")
    ran = run_cli(*options)
    assert (ran.code, as_json(ran)["verdicts"]) == (1, {"equal": 1, "missing_there": 1}), ran
    assert run_cli(*options, "--symbols", "AAPL").code == 0
    assert sorted((tmp_path / "lake" / "raw-data").iterdir()) == before


def test_a_symbol_that_a_vendor_cannot_answer_is_named_and_exits_3(tmp_path: Path, polygon: Vendor) -> None:
    lake = us_lake(tmp_path / "lake", week_of("AAPL") + week_of("BAD"))
    for symbol, reply in {
        "AAPL": ok([bar(MONDAY + timedelta(at)) for at in range(5)]),
        "BAD": refuse(500, "x"),
    }.items():
        polygon.routes[f"/v2/aggs/ticker/{symbol}/range/1/day/{MONDAY}/{FRIDAY}"] = [reply]
    ran = run_cli("reconcile", "--with", "polygon", "--lake", lake, "--end", str(FRIDAY), "--json")
    assert ran.code == 3, ran
    report = as_json(ran)
    assert (report["status"], report["verdicts"]) == ("partial", {"equal": 1, "failed": 1})
    assert [(row["symbol"], "500" in row["detail"]) for row in report["differences"]] == [("BAD", True)]


def test_wrong_usage(tmp_path: Path) -> None:
    here, _ = pair(tmp_path, "AAA")
    lake = us_lake(tmp_path / "lake", here)
    nowhere = str(tmp_path / "nowhere")
    assert_one_error(run_cli("reconcile", "--lake", lake, "--with", nowhere), 2, "neither a source", "nor the folder")
    assert_one_error(run_cli("reconcile", "--lake", lake, "--with", lake), 2, "is the lake itself")
    assert_one_error(run_cli("reconcile", "--lake", nowhere, "--with", lake), 2, "is no lake")
    assert_one_error(run_cli("reconcile", "--lake", lake, "--with", f"files:{nowhere}"), 2, "no such file")
    other = csv_of(tmp_path / "other.csv", here)
    assert_one_error(run_cli("reconcile", "--lake", lake, "--with", other, "--tick", "0"), 2, "--tick 0")
    assert_one_error(
        run_cli("reconcile", "--lake", lake, "--with", other, "--prices", "adjusted", "--symbols", "AAB"),
        2,
        "AAB",
        "mean AAA",
    )
    assert not Lake(lake).store.list("silver/")
