"""Symbols are 1 to 32 printable characters, wherever they come from."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stockstream.pipeline.companies import last_list
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import ListingsRefused, SourceError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.metadata.polygon import PolygonReference
from stockstream.pipeline.runner import run
from stockstream.pipeline.sources import open_source
from stockstream.pipeline.sources.base import Window
from stockstream.pipeline.symbols import fault
from tests.pipeline.yahoo_week import FRIDAY, MONDAY, WEEK, only, rows, source
from tests.polygon_vendor import KEY, Vendor, ok
from tests.polygon_vendor import source as polygon
from tests.yahoo_replay import YahooReplay, chart

ASX = MARKETS["ASX"]
ESCAPE, LONG = "EV\x1b[31mIL", "L" * 33
UNUSABLE = [ESCAPE, LONG, "A\x00B", "\u202eBHP", " "]


@pytest.mark.parametrize("name", ["BHP", "BRK.B", "^AXJO", "AUDUSD=X", "BC PRA", "Å", "株", "../x", "x" * 32])
def test_a_symbol_is_any_printable_text_of_some_length(name: str) -> None:
    assert fault(name) is None


@pytest.mark.parametrize("name", ["", *UNUSABLE])
def test_what_is_no_symbol(name: str) -> None:
    assert fault(name)


def test_rows_of_a_file_with_another_text_are_in_quarantine(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    lines = [
        f"{symbol},{day},1,3,0.5,2,100" for symbol in ("BHP", ESCAPE, LONG) for day in ("2020-02-03", "2020-02-04")
    ]
    path.write_text("\n".join(["symbol,date,open,high,low,close,volume", *lines, f"{ESCAPE},2020-02-05,x,3,0.5,2,1"]))
    lake = Lake(str(tmp_path / "lake"))
    result = run(lake, open_source(f"files:{path}", ASX, settings()), ASX, day=date(2021, 8, 2))
    assert (result["status"], result["rows"], result["symbols"]) == ("partial", 2, 1)
    losses = {group["reason"]: group["values"] for group in result["quarantined"]}
    assert losses == {
        "no symbol: it has a character that cannot be printed": 3,
        "no symbol: it has 33 characters, more than 32": 2,
        "no number": 1,
    }
    with lake.session() as con:
        assert con.sql("SELECT DISTINCT symbol FROM bars").fetchall() == [("BHP",)]
        cells = con.sql(
            "SELECT symbol, date::VARCHAR, text, line FROM quarantine WHERE column_name = 'symbol'"
        ).fetchall()
    assert sorted(cells, key=lambda cell: cell[3]) == [
        (None, "2020-02-03", ESCAPE, 4),
        (None, "2020-02-04", ESCAPE, 5),
        (None, "2020-02-03", LONG, 6),
        (None, "2020-02-04", LONG, 7),
        (None, "2020-02-05", ESCAPE, 8),
    ]


def test_a_file_without_a_column_of_symbols_needs_a_name_that_is_one(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in (("BHP", "date,close\n2020-02-03,2\n"), (LONG, "date,close\n2020-02-03,2\n"), ("M" * 40, "")):
        (folder / f"{name}.csv").write_text(text)
    lake = Lake(str(tmp_path / "lake"))
    result = run(lake, open_source(f"files:{folder}", ASX, settings()), ASX, day=date(2021, 8, 2))
    assert (result["status"], result["rows"], result["missing"]) == ("partial", 1, [])
    named = {group["column_name"]: group["reason"].split("; ")[-1] for group in result["quarantined"]}
    assert named == {
        "symbol": "no symbol: it has 33 characters, more than 32",
        None: "no symbol: it has 40 characters, more than 32",
    }


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_list_of_polygon_with_another_text_is_refused(name: str, vendor: Vendor) -> None:
    vendor.routes["/v3/reference/tickers"] = lambda _: ok([{"ticker": "A"}, {"ticker": name}])
    with pytest.raises(ListingsRefused, match="no symbol: it"):
        polygon(vendor).listings().companies()
    reference = PolygonReference(KEY, vendor.url, 100_000, 1, wait=0.01, wait_max=0.05)
    with pytest.raises(SourceError, match="no symbol: it"):
        reference.tickers()
    event = {"type": "ticker_change", "date": "2020-01-01", "ticker_change": {"ticker": name}}
    vendor.routes["/vX/reference/tickers/A/events"] = lambda _: (200, {}, _answer([event]))
    page = reference.codes("A")
    assert (page.answer, "is no symbol: it" in str(page.refused)) == (None, True)


def _answer(events: list[Any]) -> str:
    return json.dumps({"status": "OK", "results": {"name": "any", "events": events}})


def test_a_stored_list_is_read_without_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lake = Lake(str(tmp_path / "lake"))
    text = f"symbol,name,sector,market_cap\nBHP,BHP Group,,\n{LONG},any,,\n"
    lake.store.put("symbols/2026-08-07-symbols.csv", text.encode(), replaces=None)
    _, companies = last_list(lake, date(2026, 8, 7))
    assert [company.symbol for company in companies] == ["BHP"]
    assert f"1 symbols of a list cannot be used; the first: '{LONG}'" in caplog.text


def test_a_symbol_stays_one_part_of_yahoos_address(yahoo: YahooReplay) -> None:
    yahoo.script("B?C#D.AX", chart("B?C#D.AX", WEEK))
    with duckdb.connect() as con:
        answer = only(source(yahoo).fetch(con, [Window("A/B?C#D", MONDAY, FRIDAY)]))
        assert len(rows(answer.bars, "close")) == 5
    assert yahoo.charts()[-1].path == "/v8/finance/chart/A/B?C#D.AX"
