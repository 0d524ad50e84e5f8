"""Metadata from ten years of real ASX lists, compared with the exchange's records of delistings and code changes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.listings.asx import parse
from stockstream.pipeline.listings.base import Company
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps.fetch_metadata import run as fetch_metadata
from stockstream.pipeline.steps.update_symbols import run as update_symbols
from tests.conftest import SHARED
from tests.pipeline.test_metadata import links, query

ASX = MARKETS["ASX"]
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded directories are not beside this checkout")


class File:
    """The exchange's list as it was on a day."""

    name = "recorded"

    def __init__(self, path: Path) -> None:
        self.path, self.day = path, date.fromisoformat(path.stem[-10:])

    def companies(self) -> list[Company]:
        return parse(self.path.read_bytes().decode())


class Change(NamedTuple):
    """A line of the exchange's records."""

    day: date
    old: str
    new: str


def files(pattern: str) -> list[File]:
    return [File(path) for path in sorted(SHARED.glob(pattern))]


def records(kind: str) -> Iterator[tuple[date, list[str]]]:
    """Return the lines of the records with a complete date, which are all lines since 2010."""
    for path in sorted(SHARED.glob(f"asx_listed/changes/*_{kind}_*.csv")):
        for row in csv.reader(path.open(encoding="utf-8-sig")):
            for cell in row[:3]:
                try:
                    yield datetime.strptime(cell.strip(), "%d/%m/%Y").date(), [cell.strip() for cell in row]
                except ValueError:
                    continue


def changes() -> list[Change]:
    return [Change(day, row[1], row[3]) for day, row in records("changed_name") if row[1] != row[3]]


def filled(folder: Path, directories: list[File]) -> Lake:
    """Return a lake that has merged the lists one by one."""
    lake = Lake(str(folder))
    for directory in directories:
        update_symbols({"date": str(directory.day), "accept_smaller": True}, lake, directory, ASX)
        assert fetch_metadata({}, lake, None, ASX)["lists"] == 1
    return lake


@pytest.fixture(scope="module")
def titled(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Seven lists, 2016 to 2026, in the form without listing dates."""
    return filled(tmp_path_factory.mktemp("titled"), files("asx_listed/ASX*.csv"))


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Six lists, 2023 to 2026, with listing dates."""
    return filled(tmp_path_factory.mktemp("dated"), files("asx_directory_api/ASX*.csv"))


@pytest.mark.large
def test_every_list_is_what_was_listed_on_its_day(titled: Lake) -> None:
    told = [(str(file.day), listing.symbol) for file in files("asx_listed/ASX*.csv") for listing in file.companies()]
    days = sorted({day for day, _ in told})
    shown = " UNION ALL ".join(f"SELECT '{day}' AS day, symbol FROM symbols_on('{day}')" for day in days)
    assert sorted(query(titled, shown)) == sorted(told)


def test_a_past_day_has_the_companies_delisted_since(titled: Lake) -> None:
    """Of the 401 listed companies that were delisted later, 400 are gone by 2020; eleven codes have another company."""
    first, last = files("asx_listed/ASX*.csv")[0], files("asx_listed/ASX*.csv")[4]
    recorded = {row[1] for day, row in records("delisted") if first.day < day <= last.day}
    then, later = (dict(query(titled, f"SELECT symbol, name FROM symbols_on('{each.day}')")) for each in (first, last))
    assert len(then) == 2183
    delisted = recorded & then.keys()
    assert len(delisted) == 401
    assert [symbol for symbol in delisted if later.get(symbol) == then[symbol]] == ["NZO"]  # which was listed again
    assert len(delisted & later.keys()) == 11


def test_without_listing_dates_only_a_kept_name_tells_of_a_code_change(titled: Lake) -> None:
    """The lists alone show 6 of 364 recorded changes, as the other companies changed the name, too; none is wrong.

    The six others since 2016 are not in the records, which end in April 2020: of the same name under both codes, and
    one of them a company that was delisted in 2020 and listed again in 2025 (Virgin Australia).
    """
    lists = {file.day: {listing.symbol for listing in file.companies()} for file in files("asx_listed/ASX*.csv")}
    found = links(titled)
    visible, told, unrecorded = set(), set(), set()
    for (before, old), (after, new) in pairwise(lists.items()):
        recorded = {(change.old, change.new) for change in changes() if before < change.day <= after}
        visible |= {pair for pair in recorded if pair[0] in old - new and pair[1] in new - old}
        linked = {(code, other) for code, other, day in found if day == after}
        told |= linked & recorded
        unrecorded |= linked - recorded
    assert len(visible) == 364
    assert told == {("IFZ", "IFT"), ("ESI", "ECT"), ("ZNZ", "ZEL"), ("VSC", "VLS"), ("STS", "SRG"), ("BUL", "BLU")}
    assert unrecorded == {
        ("AAD", "ALG"), ("KPL", "KPE"), ("ADJ", "ADS"), ("MPW", "MSL"), ("TPM", "TPG"), ("VAH", "VGN"), ("Z1P", "ZIP"),
        ("GBZ", "GBM"),
    }  # fmt: skip


def test_the_listing_date_outlives_the_code() -> None:
    """The reason for linking by listing dates: 379 of 380 recorded code changes did not change it."""
    listed = {listing.symbol: listing for listing in files("asx_directory_api/ASX*.csv")[0].companies()}
    kept = []
    for day, row in records("changed_name"):
        now = listed.get(row[3])
        if row[1] != row[3] and now is not None and now.listing_date and now.name.upper() == row[4].upper():
            kept.append(now.listing_date < day)
    assert len(kept) > 250
    assert sum(kept) >= 0.99 * len(kept)


@pytest.mark.large
def test_with_listing_dates_nearly_every_code_change_is_told(dated: Lake) -> None:
    """Of 205 new codes whose company was listed before the previous list, 197 are linked.

    Of the others six came back from a suspension or were left out of the list before; two had a double.
    """
    directories = files("asx_directory_api/ASX*.csv")
    found = {(other, day): code for code, other, day in links(dated)}
    older, linked = [], []
    for before, after in pairwise(directories):
        held = {listing.symbol for listing in before.companies()}
        names = {listing.name for listing in before.companies()}
        for listing in after.companies():
            of_old = listing.listing_date is not None and listing.listing_date < before.day
            if listing.symbol not in held and of_old:
                second_line = len(listing.symbol) > 3 and listing.name in names
                if (listing.symbol, after.day) in found:
                    linked.append(listing.symbol)
                elif not second_line:
                    older.append(listing.symbol)
    assert len(linked) == len(found) == 197
    assert sorted(older) == ["BH6", "BWF", "ELK", "FL1", "LAC", "PM1", "SBM", "VMC"]


def test_companies_known_to_have_changed_their_code(dated: Lake) -> None:
    told = {(code, other) for code, other, _ in links(dated)}
    assert told >= {
        ("IPL", "DNL"),  # Incitec Pivot, Dyno Nobel
        ("RED", "VAU"),  # Red 5, Vault Minerals
        ("SYA", "ELV"),  # Sayona Mining, Elevra Lithium
        ("SQ2", "XYZ"),  # Block
        ("SVW", "SGH"),  # Seven Group Holdings
        ("GUD", "AOV"),  # G.U.D., Amotiv
    }
    assert "CHRCA" not in {other for _, other in told}  # a second line of CHR, which shares DRA's listing date
