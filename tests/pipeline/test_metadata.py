"""Metadata from lists of companies: periods, code changes, survivorship; merging lists one by one or all at once."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from stockstream import analytics
from stockstream.pipeline.errors import LakeError, ListingsRefused
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import Lake, metadata_key, no_files, parquet, symbols_key
from stockstream.pipeline.listings.base import Company
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.metadata import periods as module
from stockstream.pipeline.steps.fetch_metadata import run as fetch_metadata
from stockstream.pipeline.steps.update_symbols import run as update_symbols
from stockstream.sql.loader import views_for
from stockstream.sql.session import connect

ASX = MARKETS["ASX"]
MONDAY = date(2024, 3, 4)
DAYS = [MONDAY + timedelta(days) for days in range(8)]
OLD = date(1999, 12, 31)
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
BOUNDS = examples(
    deadline=None,
    max_examples=examples.default.max_examples // 12,
    phases=PHASES,
    suppress_health_check=[HealthCheck.too_slow],
)


class Entry(NamedTuple):
    """What a list says of a symbol."""

    name: str
    sector: str = "Materials"
    listing_date: date | None = None


Companies = Mapping[str, Entry]


class Told:
    """A listings source that returns the companies of its constructor."""

    name = "told"

    def __init__(self, companies: Companies) -> None:
        self._companies = companies

    def companies(self) -> list[Company]:
        if not self._companies:
            raise ListingsRefused("no list today")
        return [Company(symbol, each[0], each[1], None, each[2]) for symbol, each in sorted(self._companies.items())]


def tell(lake: Lake, day: date, companies: Companies) -> None:
    update_symbols({"date": str(day), "accept_smaller": True}, lake, Told(companies), ASX)


def put(lake: Lake, day: date, companies: Companies) -> None:
    """Store a list as `tell` does, in a tenth of the time; replace an existing one."""
    text = "".join(f"{symbol},{each.name},{each.sector},\n" for symbol, each in companies.items())
    lake.update(symbols_key(day), lambda _: f"symbol,name,sector,market_cap\n{text}".encode())
    dates = ", ".join(f"('{symbol}', DATE '{each.listing_date or OLD}')" for symbol, each in companies.items())
    known = ", ".join(f"'{symbol}'" for symbol, each in companies.items() if each.listing_date)
    with duckdb.connect() as con:
        rows = f"FROM (VALUES {dates}) AS v (symbol, listing_date) WHERE symbol IN ({known or 'NULL'})"
        data = parquet(con, rows)
    lake.update(metadata_key(day, "listing-dates"), lambda _: data)


def merged(lake: Lake, **event: Any) -> dict[str, Any]:
    return fetch_metadata(event, lake, None, ASX, datetime(2024, 3, 20, tzinfo=UTC))


def query(lake: Lake, sql: str, generation: int | None = None) -> list[tuple[Any, ...]]:
    with connect(lake.uri, file_filter=no_files, generation=generation, only=views_for("views/symbols_on")) as con:
        return con.sql(sql).fetchall()


def periods(lake: Lake) -> list[tuple[Any, ...]]:
    return query(lake, "FROM metadata ORDER BY symbol, valid_from")


def links(lake: Lake) -> set[tuple[str, str, date]]:
    """Return the old code, the new code and the day of each code change, in which both of its periods agree."""
    there = set(query(lake, "SELECT symbol, renamed_to, valid_to FROM metadata WHERE renamed_to IS NOT NULL"))
    back = set(query(lake, "SELECT renamed_from, symbol, valid_from FROM metadata WHERE renamed_from IS NOT NULL"))
    assert there == back
    return there


def test_a_life_on_the_exchange(lake_uri: str) -> None:
    """Listed, renamed, reclassified, another code, delisted, and the code reused by another company."""
    lake = Lake(lake_uri)
    others = {"BHP": Entry("BHP GROUP LIMITED")}
    lives = [
        {"OLD": Entry("OLDCO LIMITED")},
        {"OLD": Entry("OLDER LTD")},
        {"OLD": Entry("OLDER LTD", "Energy")},
        {"NEW": Entry("OLDER LIMITED", "Energy")},
        {},
        {"OLD": Entry("ANOTHER NL")},
    ]
    for day, life in zip(DAYS, lives, strict=False):
        tell(lake, day, {**others, **life})
        assert merged(lake)["lists"] == 1
    assert query(
        lake,
        "SELECT symbol, name, sector, renamed_from, renamed_to, valid_from, valid_to FROM metadata "
        "WHERE symbol <> 'BHP' ORDER BY valid_from",
    ) == [
        ("OLD", "OLDCO LIMITED", "Materials", None, None, DAYS[0], DAYS[1]),
        ("OLD", "OLDER LTD", "Materials", None, None, DAYS[1], DAYS[2]),
        ("OLD", "OLDER LTD", "Energy", None, "NEW", DAYS[2], DAYS[3]),
        ("NEW", "OLDER LIMITED", "Energy", "OLD", None, DAYS[3], DAYS[4]),
        ("OLD", "ANOTHER NL", "Materials", None, None, DAYS[5], None),
    ]
    assert query(lake, "SELECT valid_from, valid_to, source FROM metadata WHERE symbol = 'BHP'") == [
        (DAYS[0], None, "directory")
    ]
    then = "SELECT symbol, name FROM symbols_on('{}') WHERE symbol <> 'BHP'"
    assert query(lake, then.format(DAYS[0])) == [("OLD", "OLDCO LIMITED")]  # delisted since
    assert query(lake, then.format(DAYS[4])) == []
    assert query(lake, f"SELECT count(*) FROM symbols_on(DATE '{DAYS[0]}' - 1)") == [(0,)]  # nothing is known of then
    assert query(lake, then.format("2030-01-01")) == [("OLD", "ANOTHER NL")]
    assert analytics.symbols_on(DAYS[0], lake.uri) == ["BHP", "OLD"]
    assert analytics.symbols_on(str(DAYS[3]), lake.uri) == ["BHP", "NEW"]
    assert analytics.symbols_on(DAYS[3], lake.uri, as_of=3) == ["BHP", "OLD"], "the code had not changed yet"
    # Time travel: the third generation knew neither the new code nor the end.
    assert query(lake, "SELECT symbol, renamed_to, valid_to FROM metadata ORDER BY valid_from", generation=3) == [
        ("BHP", None, None),
        ("OLD", None, DAYS[1]),
        ("OLD", None, DAYS[2]),
        ("OLD", None, None),
    ]


def test_nothing_new_publishes_nothing(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    assert merged(lake)["generation"] is None  # no list at all
    tell(lake, MONDAY, {"A": Entry("ALPHA")})
    assert (merged(lake)["generation"], merged(lake)["generation"]) == (1, None)
    with pytest.raises(ListingsRefused):
        update_symbols({"date": str(DAYS[1])}, Lake(str(tmp_path / "other")), Told({}), ASX)
    refused = update_symbols({"date": str(DAYS[1])}, lake, Told({}), ASX)
    assert refused["metadata"]["refused"]
    smaller = {f"S{n}": Entry(f"COMPANY {n}") for n in range(20)}
    tell(lake, DAYS[1], smaller)
    assert merged(lake)["lists"] == 1
    cut = update_symbols({"date": str(DAYS[2])}, lake, Told(dict(list(smaller.items())[:9])), ASX)
    assert cut["metadata"]["refused"]
    assert merged(lake)["generation"] is None  # a refused list reports no delisting
    assert merged(lake, full=True) == {
        "generation": 3,
        "lists": 2,
        "rows": 21,
        "listed": 20,
        "code_changes": 0,
        "reused": 0,
        "unlinked": 20,
        "polygon": None,
    }


ALPHA, BETA = Entry("ALPHA LIMITED"), Entry("BETA NL")


def test_what_is_told_later_is_filled_in(tmp_path: Path) -> None:
    """Listing dates, which only the later form of the list has, still show the former code."""
    lake = Lake(str(tmp_path))
    lists = [
        {"A": ALPHA._replace(listing_date=OLD)},
        {"A": ALPHA},
        {"B": BETA},
        {"B": BETA._replace(listing_date=OLD, sector="")},
    ]
    for day, companies in zip(DAYS, lists, strict=False):
        tell(lake, day, companies)
        merged(lake)
    assert query(lake, "SELECT symbol, sector, listing_date, renamed_to, valid_to FROM metadata ORDER BY symbol") == [
        ("A", "Materials", OLD, "B", DAYS[2]),
        ("B", "Materials", OLD, None, None),
    ]


company = st.builds(
    Entry,
    st.sampled_from(["", "ALPHA LIMITED", "BETA NL", "GAMMA LTD"]),
    st.sampled_from(["", "Energy", "Materials"]),
    st.sampled_from([None, OLD, date(2001, 2, 3)]),
)
some_list = st.dictionaries(st.sampled_from(["A", "B", "C", "D"]), company, min_size=1)
Arrivals = list[tuple[date, Companies, bool]]
"""Lists in the order in which they arrive, each with its day, and whether metadata are merged after it."""
arrivals = st.lists(st.tuples(st.sampled_from(DAYS), some_list, st.booleans()), min_size=2, max_size=6)


@given(arrivals, st.booleans())
@BOUNDS
def test_lists_one_by_one_end_as_all_at_once(coming: Arrivals, in_order: bool) -> None:
    """In any order: a second list of a day replaces the first one."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "AT_ONCE", 2)  # many lists are merged part by part
        lake, lists = Lake(folder), dict[date, Companies]()
        for day, companies, now in sorted(coming, key=lambda told: told[0]) if in_order else coming:
            put(lake, day, companies)
            lists[day] = companies
            if now:
                merged(lake)
        merged(lake)
        held = periods(lake)
        patch.setattr(module, "AT_ONCE", 100)
        assert merged(lake, full=True)["lists"] == len(lists)
        assert periods(lake) == held
        assert_shows(lake, lists)


def assert_shows(lake: Lake, lists: Mapping[date, Companies]) -> None:
    """The view shows the content of the lists, on their days and in between."""
    assert query(
        lake,
        "SELECT a.symbol FROM metadata AS a JOIN metadata AS b ON b.symbol = a.symbol AND b.valid_from > a.valid_from "
        "WHERE a.valid_to IS NULL OR a.valid_to > b.valid_from",
    ) == []  # fmt: skip
    shown = " UNION ALL ".join(f"SELECT DATE '{day}' AS day, symbol, name FROM symbols_on('{day}')" for day in lists)
    found = {(day, symbol): name for day, symbol, name in query(lake, shown)}
    told = {(day, symbol): each.name for day, companies in lists.items() for symbol, each in companies.items()}
    assert found.keys() == told.keys()
    assert all(name in ("", found[key]) for key, name in told.items())
    links(lake)


def test_a_list_of_another_program_is_read(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.store.put(
        symbols_key(MONDAY), b"symbol,name,sector,market_cap\nA,ALPHA,Energy,1e9\nA,ALPHA,Energy,\n,X,Y,\n", None
    )
    merged(lake)
    assert query(lake, "SELECT symbol, name, sector FROM metadata") == [("A", "ALPHA", "Energy")]


def test_a_damaged_list_is_named_and_nothing_is_published(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.store.put(symbols_key(MONDAY), b'symbol,name,sector,market_cap\nno",\n', None)
    with pytest.raises(LakeError, match=r"2024-03-04-symbols\.csv") as error:
        merged(lake)
    assert "\n" not in str(error.value)
    assert head(lake).generation == 0
