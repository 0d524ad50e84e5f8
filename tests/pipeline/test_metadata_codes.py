"""The codes that a company had, requested from Polygon where lists and FIGIs do not show them."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.steps.fetch_metadata import run as fetch_metadata
from tests.pipeline.test_metadata import links, query
from tests.pipeline.test_metadata_polygon import SPRING, TICKERS, TODAY, US, fetch, lists, ticker
from tests.polygon_vendor import Reply, Vendor, refuse


def codes(vendor: Vendor, symbol: str, *changes: tuple[date, str], figi: str | None = None) -> None:
    events = [{"type": "ticker_change", "date": str(day), "ticker_change": {"ticker": code}} for day, code in changes]
    company = {"name": "Company", **({"composite_figi": figi} if figi else {}), "events": events}
    body = json.dumps({"status": "OK", "results": company})
    vendor.routes[f"{TICKERS.replace('v3', 'vX')}/{symbol}/events"] = [(200, {}, body)]


def test_former_codes_that_no_list_shows(vendor: Vendor, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lists(vendor, [ticker("A"), ticker("TWO")])
    fetch(lake, vendor, SPRING)
    lists(vendor, [ticker("A"), ticker("THREE")])
    codes(vendor, "THREE", (TODAY, "THREE"), (date(2020, 2, 3), "TWO"), (date(2012, 5, 18), "ONE"), figi="F1")
    assert fetch(lake, vendor)["polygon"]["codes"] == 1
    rows = "SELECT symbol, renamed_from, renamed_to, source, valid_from, valid_to FROM metadata ORDER BY valid_from"
    assert [row for row in query(lake, rows) if row[0] != "A"] == [
        ("ONE", None, "TWO", "polygon-events", date(2012, 5, 18), date(2020, 2, 3)),
        ("TWO", "ONE", "THREE", "polygon", SPRING, TODAY),
        ("THREE", "TWO", None, "polygon", TODAY, None),
    ]
    # Asked for again under the next code, Polygon knows better when the first one began.
    lists(vendor, [ticker("A"), ticker("ZED")])
    later = TODAY + timedelta(7)
    known = ((later, "ZED"), (TODAY, "THREE"), (date(2020, 2, 3), "TWO"), (date(2012, 5, 20), "ONE"))
    codes(vendor, "ZED", *known, figi="F1")
    assert fetch(lake, vendor, later)["code_changes"] == 3
    told = query(lake, rows)
    assert told[0] == ("ONE", None, "TWO", "polygon-events", date(2012, 5, 20), date(2020, 2, 3))
    fetch_metadata({"full": True}, lake, None, US)
    assert query(lake, rows) == told


def test_another_figi_is_another_security_whatever_its_name(vendor: Vendor, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lists(vendor, [ticker("A", "F1"), ticker("OLD", "F2", name="Same Inc."), ticker("KEPT", "F3", name="Kept Inc.")])
    fetch(lake, vendor, SPRING)
    lists(vendor, [ticker("A", "F1"), ticker("NEW", "F4", name="Same Inc."), ticker("KEPT2", name="Kept Inc.")])
    assert fetch(lake, vendor)["polygon"]["codes"] == 0  # all is explained: nothing to ask for
    assert links(lake) == {("KEPT", "KEPT2", TODAY)}


def test_only_what_no_figi_explains_is_asked_for_and_not_for_ever(vendor: Vendor, tmp_path: Path) -> None:
    lake, days = Lake(str(tmp_path)), [SPRING + timedelta(n) for n in range(5)]
    lists(vendor, [ticker("A", "F1"), ticker("B", "F2"), ticker("C")])
    fetch(lake, vendor, days[0])
    # B is AB by its FIGI; N1 to N3 may be C, or new; A goes on.
    lists(vendor, [ticker("A", "F1"), ticker("AB", "F2"), *(ticker(f"N{n}", f"F{n + 5}") for n in range(1, 4))])
    events = "/vX/reference/tickers/"
    for symbol in ("N1", "N2", "N3"):
        vendor.routes[f"{events}{symbol}/events"] = [refuse(404, "Not found")]
    results = [fetch(lake, vendor, day, codes=2)["polygon"]["codes"] for day in days[1:]]
    assert results == [2, 2, 2, 2]
    asked = [path for path, _ in vendor.requests if path.startswith(events)]
    assert sorted(asked) == sorted(
        [f"{events}N{n}/events" for n in (1, 2, 3)] * 2 + [f"{events}N{n}/events" for n in (1, 2)]
    )
    assert [fetch(lake, vendor, days[-1] + timedelta(n))["polygon"]["codes"] for n in (1, 2)] == [1, 0]
    assert links(lake) == {("B", "AB", days[1])}


@pytest.mark.parametrize("reply", [refuse(403, "not in your plan"), refuse(429, "wait")])
def test_lists_are_merged_though_codes_are_refused(reply: Reply, vendor: Vendor, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lists(vendor, [ticker("A"), ticker("OLD")])
    fetch(lake, vendor, SPRING)
    lists(vendor, [ticker("A"), ticker("NEW")])
    vendor.routes["/vX/reference/tickers/NEW/events"] = [reply]
    result = fetch(lake, vendor)
    assert result["lists"] == 1
    assert "polygon" in result["polygon"]["refused"]
    codes(vendor, "NEW", (TODAY, "NEW"), (SPRING, "OLD"))  # the next run asks again
    fetch(lake, vendor)
    assert links(lake) == {("OLD", "NEW", TODAY)}
