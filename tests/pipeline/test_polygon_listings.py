"""Polygon's list of tickers as the list of companies of the US market."""

from __future__ import annotations

import pytest

from stockstream.pipeline.errors import ListingsRefused
from tests.polygon_vendor import Reply, Vendor, ok, refuse, source, ticker


def test_the_list_is_paged_sorted_and_without_duplicates(vendor: Vendor) -> None:
    vendor.routes["/v3/reference/tickers"] = lambda params: (
        ok([ticker("A"), ticker("BRK.B", name=None)])
        if "cursor" in params
        else ok([ticker("ZM"), ticker("A")], next_url="https://api.polygon.io/v3/reference/tickers?cursor=x")
    )
    listings = source(vendor).listings()
    companies = listings.companies()
    assert [(company.symbol, company.name) for company in companies] == [
        ("A", "A Inc."),
        ("BRK.B", ""),
        ("ZM", "ZM Inc."),
    ]
    assert {(company.sector, company.market_cap) for company in companies} == {("", None)}
    assert listings.name == "polygon"
    assert vendor.requests[0][1] == {"market": "stocks", "active": "true", "limit": "1000"}


@pytest.mark.parametrize(
    "reply",
    [ok([]), ok(), ok([{"name": "none"}]), ok(["A"]), (200, {}, "{"), refuse(401, "Unknown key"), refuse(429, "wait")],
)
def test_an_unbelievable_list_is_refused(vendor: Vendor, reply: Reply) -> None:
    vendor.routes["/v3/reference/tickers"] = [reply]
    with pytest.raises(ListingsRefused, match="polygon"):
        source(vendor).listings().companies()
