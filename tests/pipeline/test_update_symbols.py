"""The step update_symbols, with a server on loopback, ten years of recorded lists and recorded failures."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import ListingsRefused, UsageError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.listings import open_listings
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps.update_symbols import batches
from stockstream.pipeline.steps.update_symbols import run as update_symbols
from tests.exchange import Exchange

ASX = MARKETS["ASX"]


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    with Exchange() as exchange:
        monkeypatch.setenv("STOCKSTREAM_ASX_URL", exchange.url)
        monkeypatch.setenv("STOCKSTREAM_ASX_FALLBACK_URLS", "[]")
        settings.cache_clear()
        yield exchange


def update(lake: str, day: str, **event: Any) -> dict[str, Any]:
    return update_symbols({"date": day, **event}, Lake(lake), open_listings(ASX, settings()), ASX)


def listing(*symbols: str) -> bytes:
    rows = "".join(f'"{symbol}","{symbol} LIMITED","Materials","01/01/2000",1000\n' for symbol in symbols)
    return f'"ASX code","Company name","GICs industry group","Listing date","Market Cap"\n{rows}'.encode()


def query(lake: str, text: str) -> list[tuple[Any, ...]]:
    with Lake(lake).session() as con:
        return con.sql(text).fetchall()


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (99, [99]), (100, [100]), (101, [100, 1]), (1000, [100] * 10)])
def test_batches(count: int, sizes: list[int]) -> None:
    symbols = [f"S{i}" for i in range(count)]
    cut = batches(symbols)
    assert [len(batch["symbols"]) for batch in cut] == sizes
    assert [batch["batchNumber"] for batch in cut] == list(range(len(sizes)))
    assert [symbol for batch in cut for symbol in batch["symbols"]] == symbols


def test_list_is_stored_and_changes_are_told(exchange: Exchange, lake_uri: str) -> None:
    exchange.body = listing("BHP", "CBA", *[f"X{i:02}" for i in range(20)])
    first = update(lake_uri, "2026-08-17")
    assert first["symbolBatches"] == [{"symbols": first["symbols"], "batchNumber": 0}]
    assert (first["metadata"]["count"], first["metadata"]["added"], first["metadata"]["removed"]) == (22, [], [])
    stored = Lake(lake_uri).store.get("symbols/2026-08-17-symbols.csv")
    assert stored is not None
    assert next(iter(csv.reader(io.StringIO(stored.data.decode())))) == ["symbol", "name", "sector", "market_cap"]
    assert query(lake_uri, "SELECT symbol, name, sector, market_cap FROM symbols WHERE symbol = 'BHP'") == [
        ("BHP", "BHP LIMITED", "Materials", 1000)
    ]

    exchange.body = listing("BHP", "NEW", *[f"X{i:02}" for i in range(20)])
    second = update(lake_uri, "2026-08-18")
    assert (second["metadata"]["added"], second["metadata"]["removed"]) == (["NEW"], ["CBA"])
    changes = query(lake_uri, "SELECT date::VARCHAR, symbol, change FROM symbol_changes ORDER BY symbol")
    assert changes == [("2026-08-18", "CBA", "removed"), ("2026-08-18", "NEW", "added")]


def test_the_same_list_twice_changes_nothing(exchange: Exchange, lake_uri: str) -> None:
    exchange.body = listing("BHP", "CBA")
    update(lake_uri, "2026-08-17")
    before = Lake(lake_uri).store.list("")
    update(lake_uri, "2026-08-17")
    assert Lake(lake_uri).store.list("") == before


@pytest.mark.parametrize(("left", "refused"), [(90, False), (89, True)])
def test_more_than_a_tenth_smaller_is_refused(left: int, refused: bool, exchange: Exchange, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    symbols = [f"X{i:02}" for i in range(100)]
    exchange.body = listing(*symbols)
    update(lake, "2026-08-17")
    exchange.body = listing(*symbols[:left])
    result = update(lake, "2026-08-18")
    assert bool(result["metadata"]["refused"]) is refused
    assert len(result["symbols"]) == (100 if refused else 90)
    if refused:
        assert result["metadata"]["list_of"] == "2026-08-17"
        assert Lake(lake).store.get("symbols/2026-08-18-symbols.csv") is None
        accepted = update(lake, "2026-08-18", accept_smaller=True)
        assert len(accepted["symbols"]) == 89


@pytest.mark.parametrize(
    "body", [b"", b"Bad Gateway", b'{"error":{"code":500}}', b"<html><h1>Service unavailable</h1></html>", listing()]
)
def test_no_list_uses_the_last_good_one_or_fails_without_one(body: bytes, exchange: Exchange, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    exchange.body = body
    with pytest.raises(ListingsRefused, match="no list from before"):
        update(lake, "2026-08-17")
    exchange.body = listing("BHP", "CBA")
    update(lake, "2026-08-17")
    exchange.body = body
    result = update(lake, "2026-08-18")
    assert result["symbols"] == ["BHP", "CBA"]
    assert result["metadata"]["refused"]


def test_a_market_without_a_public_list_says_what_to_do() -> None:
    with pytest.raises(UsageError, match="--symbols"):
        open_listings(MARKETS["US"], settings())


def test_ten_years_of_real_lists(exchange: Exchange, shared: Path, tmp_path: Path) -> None:
    """Each real list is taken, in both formats, in the order of their days; each real failure is refused."""
    lake = str(tmp_path / "lake")
    lists = sorted(
        [*shared.glob("asx_listed/ASXListedCompanies-*.csv"), *shared.glob("asx_directory_api/ASX_Listed_*.csv")],
        key=lambda path: path.stem[-10:],
    )
    # Up to two years lie between two of them, yet the largest loss is the 7 % from 2023-08-11 to 2025-06-30.
    for path in lists:
        exchange.body = path.read_bytes()
        result = update(lake, path.stem[-10:])
        assert result["metadata"]["refused"] is None, path.name
        assert result["metadata"]["count"] > 1800
    assert query(lake, "SELECT count(*) FROM symbols") == [(1840,)]
    last_days = query(lake, "FROM symbol_changes WHERE date >= '2026-08-18'")
    assert last_days, "three consecutive days are among them, and companies changed between"

    for path in sorted(shared.glob("asx_directory_api/failure-*")):
        exchange.body = path.read_bytes()
        result = update(lake, "2026-08-20")
        good = path.name == "failure-market_cap_dashes.csv"  # 1,800 companies, only their market caps are missing
        assert (result["metadata"]["refused"] is None) is good, path.name
        assert len(result["symbols"]) == (1800 if good else 1840)
        if good:
            Path(lake, "symbols/2026-08-20-symbols.csv").unlink()
