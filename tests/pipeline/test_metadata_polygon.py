"""Metadata from Polygon, with a server on the loopback that returns recorded answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.errors import ListingsRefused, RateLimited, SourceError, UsageError
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.metadata.polygon import PolygonReference
from stockstream.pipeline.steps.fetch_metadata import run as fetch_metadata
from stockstream.pipeline.steps.update_symbols import run as update_symbols
from tests.pipeline.test_metadata import links, query
from tests.polygon_vendor import KEY, Reply, Vendor, ok, refuse, source

US = MARKETS["US"]
TICKERS = "/v3/reference/tickers"
RECORDED = Path("polygon/client-python")
TODAY = date(2026, 11, 20)
SPRING = date(2026, 4, 1)


def evening(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 23, tzinfo=UTC)


def reference(vendor: Vendor, attempts: int = 1) -> PolygonReference:
    return PolygonReference(KEY, vendor.url, 100_000, attempts, wait=0.01, wait_max=0.05)


def ticker(symbol: str, figi: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "ticker": symbol,
        "name": f"{symbol} Inc.",
        "type": "CS",
        "primary_exchange": "XNYS",
        "currency_name": "usd",
        "active": "delisted_utc" not in more,
        **({"composite_figi": figi} if figi else {}),
        **more,
    }


def gone(symbol: str, day: date, figi: str | None = None) -> dict[str, Any]:
    return ticker(symbol, figi, delisted_utc=f"{day}T00:00:00Z")


def lists(vendor: Vendor, active: Sequence[dict[str, Any]], delisted: Sequence[dict[str, Any]] = ()) -> None:
    vendor.routes[TICKERS] = lambda params: ok(list(active if params["active"] == "true" else delisted))


def fetch(lake: Lake, vendor: Vendor, day: date = TODAY, **event: Any) -> dict[str, Any]:
    return fetch_metadata(event, lake, reference(vendor), US, evening(day))


def test_the_vendors_recorded_answers(lake_uri: str, vendor: Vendor, shared: Path) -> None:
    """Two pages of tickers, and the codes of Meta: FB until June 2022."""
    recorded = shared / RECORDED
    first, second = (recorded / "v3/reference/tickers.json", *recorded.glob("v3/reference/tickers&cursor=*.json"))
    added: list[dict[str, Any]] = []

    def tickers(params: dict[str, str]) -> Reply:
        if params.get("active") == "false":
            return ok([gone("TWTR", date(2022, 11, 8))])
        if "cursor" not in params:
            return 200, {}, first.read_text()
        page = json.loads(second.read_text())
        return ok([*page["results"], *added])

    vendor.routes[TICKERS] = tickers
    meta = (recorded / "vX/reference/tickers/META/events&types=ticker_change.json").read_text()
    vendor.routes["/vX/reference/tickers/META/events"] = [(200, {}, meta)]
    lake = Lake(lake_uri)

    added[:] = [ticker("FB", name="Facebook"), ticker("XX"), ticker("YY")]
    assert fetch(lake, vendor, date(2022, 6, 8))["polygon"] == {
        "tickers": 7,
        "delisted": 1,
        "codes": 0,
        "refused": None,
    }
    added[:] = [ticker("META", name="Meta Platforms"), ticker("XX"), ticker("YY")]
    result = fetch(lake, vendor, date(2022, 6, 13))
    assert (result["lists"], result["code_changes"], result["polygon"]["codes"]) == (1, 1, 1)

    assert query(lake, "SELECT symbol, name, type, exchange, currency, figi FROM metadata WHERE symbol = 'AAAU'") == [
        ("AAAU", "Goldman Sachs Physical Gold ETF Shares", "ETF", "BATS", "USD", "BBG00LPXX872")
    ]
    assert links(lake) == {("FB", "META", date(2022, 6, 13))}
    # Of Twitter only the end is known; in 2015 it was listed, and in 2023 no longer.
    assert query(lake, "SELECT source, delisting_date, valid_from, valid_to FROM metadata WHERE symbol = 'TWTR'") == [
        ("polygon-delisted", date(2022, 11, 8), None, date(2022, 11, 9))
    ]
    assert [query(lake, f"SELECT symbol FROM symbols_on('{day}')") for day in ("2015-06-30", "2023-01-03")] == [
        [("TWTR",)],
        [(symbol,) for symbol in ("A", "AA", "AAA", "AAAU", "META", "XX", "YY")],
    ]
    # What Polygon said is in the lake as it came.
    with lake.session() as con:
        files = [lake.store.uri(key) for key in lake.store.list("raw-metadata/")]
        stored = {answer for (answer,) in con.sql(f"SELECT answer FROM read_parquet({files})").fetchall()}
    assert {meta, first.read_text()} <= stored
    assert KEY not in "".join(stored)
    assert {headers.get("Authorization") for headers in vendor.headers} == {f"Bearer {KEY}"}


def test_a_day_is_asked_for_once_and_what_is_stored_makes_the_same_again(vendor: Vendor, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for day, active, delisted in (
        (SPRING, [ticker("A", "F1"), ticker("B", "F2"), ticker("C", "F3")], [gone("OLD", date(2010, 5, 5), "F2")]),
        (SPRING + timedelta(30), [ticker("A", "F1"), ticker("BB", "F2")], [gone("C", SPRING + timedelta(20), "F3")]),
        (TODAY, [ticker("A", "F1", name="Alpha"), ticker("BB", "F2"), ticker("C", "F9")], []),
    ):
        lists(vendor, active, [*delisted, gone("B", SPRING + timedelta(9), "F2"), gone("OLD", date(2010, 5, 5), "F2")])
        assert fetch(lake, vendor, day, accept_smaller=True)["lists"] == 1
        asked = len(vendor.requests)
        again = fetch(lake, vendor, day)
        assert (again["generation"], again["polygon"]["tickers"], len(vendor.requests)) == (None, None, asked)
    rows = (
        "SELECT symbol, figi, renamed_from, renamed_to, delisting_date, valid_from, valid_to FROM metadata ORDER BY ALL"
    )
    told = query(lake, rows)
    # The same FIGI under three codes is one security: no delisting lies between them.
    assert [row for row in told if row[1] == "F2"] == [
        ("B", "F2", "OLD", "BB", None, SPRING, SPRING + timedelta(30)),
        ("BB", "F2", "B", None, None, SPRING + timedelta(30), None),
        ("OLD", "F2", None, "B", None, None, date(2010, 5, 6)),
    ]
    assert fetch_metadata({"full": True}, lake, None, US)["lists"] == 3
    assert query(lake, rows) == told


def test_delistings_and_lists_far_apart(vendor: Vendor, tmp_path: Path) -> None:
    """A list of 2015 and one of today: delistings in between have their day, and a code is reused."""
    lake, then, middle = Lake(str(tmp_path)), date(2015, 6, 30), date(2018, 3, 2)
    lists(vendor, [ticker("A", "F1"), ticker("GONE", "F2"), ticker("USED", "F3"), ticker("ODD", "F5")])
    assert fetch(lake, vendor, date=str(then))["polygon"]["delisted"] is None
    assert vendor.requests[0][1]["date"] == str(then)
    lists(
        vendor,
        [ticker("A", "F1"), ticker("USED", "F4")],
        [
            gone("GONE", middle, "F2"),
            gone("USED", middle, "F3"),
            gone("USED", date(2009, 1, 5)),
            gone("A", middle, "F7"),
            gone("ODD", middle, "F8"),
        ],
    )
    fetch(lake, vendor, accept_smaller=True)
    assert "date" not in vendor.requests[-1][1]
    rows = "SELECT symbol, figi, delisting_date, valid_from, valid_to FROM metadata ORDER BY symbol, valid_to"
    assert query(lake, rows) == [
        ("A", "F1", None, then, None),  # the lists tell that A was listed in 2018, whatever else bore its code
        ("GONE", "F2", middle, then, TODAY),
        ("ODD", "F5", None, then, TODAY),  # what was delisted was another security
        ("USED", None, date(2009, 1, 5), None, date(2009, 1, 6)),
        ("USED", "F3", middle, then, TODAY),
        ("USED", "F4", None, TODAY, None),
    ]
    for day, symbols in {
        "2008-01-02": ["USED"],
        "2018-03-02": ["A", "GONE", "ODD", "USED"],
        "2018-03-03": ["A", "ODD"],
        str(TODAY): ["A", "USED"],
    }.items():
        assert query(lake, f"SELECT symbol FROM symbols_on('{day}') ORDER BY symbol") == [(each,) for each in symbols]


def test_a_delisting_long_after_the_lists_lost_the_code_is_somebody_elses(vendor: Vendor, tmp_path: Path) -> None:
    lake, late = Lake(str(tmp_path)), TODAY - timedelta(9)
    lists(vendor, [ticker("A"), ticker("OURS"), ticker("OTHER")])
    fetch(lake, vendor, SPRING)
    lists(vendor, [ticker("A")])
    fetch(lake, vendor, SPRING + timedelta(7), accept_smaller=True)
    lists(vendor, [ticker("A")], [gone("OURS", late), {**gone("OTHER", late), "name": "Somebody else"}])
    fetch(lake, vendor)
    assert query(lake, "SELECT symbol, delisting_date FROM metadata ORDER BY symbol") == [
        ("A", None),
        ("OTHER", None),
        ("OURS", late),
    ]


@pytest.mark.parametrize(
    ("active", "delisted", "error"),
    [
        pytest.param(ok([]), ok([]), ListingsRefused, id="an empty list"),
        pytest.param(
            ok([ticker(f"S{n:02}") for n in range(17)]),
            ok([]),
            ListingsRefused,
            id="a list cut off",
            marks=pytest.mark.large,
        ),
        pytest.param(ok([{"name": "none"}]), ok([]), SourceError, id="a row without a ticker", marks=pytest.mark.large),
        pytest.param(refuse(429, "wait"), ok([]), RateLimited, id="no active"),
        pytest.param(ok([ticker(f"S{n:02}") for n in range(20)]), refuse(500, "down"), SourceError, id="no delisted"),
    ],
)
def test_what_is_no_whole_list_publishes_nothing(
    active: Reply, delisted: Reply, error: type[Exception], vendor: Vendor, tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path))
    lists(vendor, [ticker(f"S{n:02}") for n in range(20)])
    fetch(lake, vendor, SPRING)
    vendor.routes[TICKERS] = lambda params: active if params["active"] == "true" else delisted
    with pytest.raises(error):
        fetch(lake, vendor)
    assert head(lake).generation == 1
    assert query(lake, "SELECT count(*) FROM metadata WHERE valid_to IS NULL") == [(20,)]
    lists(vendor, [ticker("S00")])
    assert fetch(lake, vendor, TODAY + timedelta(1), accept_smaller=True)["listed"] == 1


def test_the_pipelines_own_lists_and_polygons_are_one_history(vendor: Vendor, tmp_path: Path) -> None:
    """The daily list has names only: it neither ends a period nor removes known attributes."""
    lake, days = Lake(str(tmp_path)), [SPRING + timedelta(n) for n in range(4)]
    lists(vendor, [ticker("A", "F1"), ticker("B", "F2", type="ETF")])
    for number, day in enumerate(days):
        if number == 2:  # of one day the list that tells more is taken
            fetch(lake, vendor, day)
            lists(vendor, [ticker("A", "F1"), ticker("B", "F2"), ticker("EARLY")])
        if number == 3:
            lists(vendor, [ticker("A", "F1"), ticker("C")])
        update_symbols({"date": str(day), "accept_smaller": True}, lake, source(vendor).listings(), US)
        fetch_metadata({}, lake, None, US)
    rows = "SELECT symbol, figi, type, currency, source, valid_from, valid_to FROM metadata ORDER BY symbol"
    assert query(lake, rows) == [
        ("A", "F1", "CS", "USD", "directory", days[0], None),
        ("B", "F2", "ETF", "USD", "directory", days[0], days[3]),
        ("C", None, None, None, "directory", days[3], None),
    ]


def test_a_market_or_day_that_polygon_has_not(vendor: Vendor, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    with pytest.raises(UsageError, match="still to come"):
        fetch(lake, vendor, date=str(TODAY + timedelta(2)))
    lake.prepare(MARKETS["ASX"], TODAY)
    with pytest.raises(UsageError, match="holds the ASX market"):
        fetch(lake, vendor)
    assert vendor.requests == []


def test_settings_make_the_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="POLYGON_API_KEY"):
        PolygonReference.from_settings(Settings.read())
    monkeypatch.setenv("POLYGON_API_KEY", KEY)
    assert PolygonReference.from_settings(Settings.read()).tickers
