"""The vendor's own recorded answers, through the source."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from stockstream.pipeline.sources.base import Window
from tests.polygon_vendor import GROUPED, Reply, Vendor, cells, rows, source

MOCKS = Path(__file__).parents[3] / "shared" / "data" / "polygon" / "client-python"
pytestmark = pytest.mark.skipif(not MOCKS.is_dir(), reason="the vendor's recorded mocks are not beside the repository")


def recorded(name: str) -> list[Reply]:
    return [(200, {}, (MOCKS / name).read_text())]


def test_aggregates(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    window = Window("AAPL", date(2005, 4, 1), date(2005, 4, 4))
    path = "/v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04"
    vendor.routes[path] = recorded(f"{path[1:]}.json")
    vendor.routes["/v3/reference/dividends"] = recorded("v3/reference/dividends.json")
    vendor.routes["/v3/reference/splits"] = recorded("v3/reference/splits.json")
    (answer,) = source(vendor).fetch(con, [window])
    assert [(row["date"], row["open"], row["close"], row["volume"]) for row in rows(answer)] == [
        (date(2005, 4, 1), 1.5032, 1.4604, 642646396),
        (date(2005, 4, 4), 1.4639, 1.4675, 578172308),
    ]


def test_grouped_whose_date_contradicts_its_name(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    replies = recorded("v2/aggs/grouped/locale/us/market/stocks/2005-04-04&adjusted=true.json")
    wrong, right = date(2005, 4, 4), date(2020, 10, 14)
    for day in (wrong, right):
        vendor.routes[f"{GROUPED}/{day}"] = replies
    polygon = source(vendor)
    windows = [[Window(s, day, day) for s in ("GIK", "OTHER")] for day in (wrong, right)]
    (dropped,), (kept,) = [list(polygon.fetch(con, group)) for group in windows]
    assert rows(dropped) == []
    ((symbol, day, column, _, reason),) = cells(dropped)
    assert (symbol, day, column, reason) == ("GIK", right, None, f"not of {wrong}, the requested day")
    assert [(row["symbol"], row["date"], row["volume"]) for row in rows(kept)] == [("GIK", right, 895345)]


def test_splits_and_dividends_without_bars(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    vendor.routes["/v3/reference/dividends"] = recorded("v3/reference/dividends.json")
    vendor.routes["/v3/reference/splits"] = recorded("v3/reference/splits.json")
    day = date(2022, 7, 18)
    symbols = ("GOOG", "GOOGL", "CIG.C", "CSSEN")
    (answer,) = source(vendor).fetch(con, [Window(symbol, day, day) for symbol in symbols])
    actions = {(row["symbol"], row["date"]): (row["dividend"], row["split_ratio"]) for row in rows(answer)}
    assert actions["GOOG", day] == actions["GOOGL", day] == (0, 20)
    assert actions["CIG.C", date(2022, 5, 2)] == (0, 4 / 3)
    assert actions["CSSEN", date(2023, 9, 14)] == (0.59375, 1)


def test_listings_with_their_cursor_page(vendor: Vendor) -> None:
    (following,) = (path.name for path in (MOCKS / "v3/reference").glob("tickers&cursor=*.json"))
    cursor = following.removesuffix(".json").partition("cursor=")[2]
    vendor.routes["/v3/reference/tickers"] = lambda params: recorded(
        f"v3/reference/{following if params.get('cursor') == cursor else 'tickers.json'}"
    )[0]
    companies = source(vendor).listings().companies()
    assert [company.symbol for company in companies] == ["A", "AA", "AAA", "AAAU"]
    assert companies[0].name == "Agilent Technologies Inc."
