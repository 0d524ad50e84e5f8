"""Reconciliation: each kind of difference has its verdict, and a copy of a lake has no difference.

Every symbol of a pair of lakes is changed in one known way; the random bars are those of a seed.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.reconciliation import Days, LakeSide, Limits, Reconciliation, reconcile
from stockstream.pipeline.steps.rollback import run as rollback
from stockstream.pipeline.steps.vacuum import run as vacuum
from stockstream.sql.loader import load
from tests.s3_server import S3Server

DAYS = [session.date() for session in MARKETS["US"].schedule(2024).loc["2024-01-02":].index[:40]]
PRICES = ("open", "high", "low", "close")
SPLIT_DAY, EX_DAY = 25, 15
"""Places in DAYS of the split and of the dividend that all symbols have."""

Row = dict[str, Any]
Rows = list[Row]
Finding = tuple[date, str, str]
"""The date, column and verdict of a difference."""
Change = Callable[[random.Random, Rows, Rows], set[Finding]]
"""Change the rows of one or both sides in place; return the differences. An empty set: only the verdict is compared."""


def walk(rng: random.Random, symbol: str) -> Rows:
    """Return bars as traded whose closes move by at least ten cents a day, with a dividend of 4 % and a 2:1 split."""
    rows = []
    cents = rng.randrange(20_000, 60_000)
    for place, day in enumerate(DAYS):
        cents += rng.choice((-1, 1)) * rng.randrange(10, 200)
        if place == SPLIT_DAY:
            cents //= 2
        high, low = cents + rng.randrange(20, 90), cents - rng.randrange(20, 90)
        values = (rng.randrange(low, high), high, low, cents)
        rows.append(
            {"symbol": symbol, "date": day}
            | {name: value / 100 for name, value in zip(PRICES, values, strict=True)}
            | {"volume": rng.randrange(1_000, 900_000) * 2, "adjusted_close": None}
            | {"fetch_timestamp": "2024-04-01T00:00:00.000000Z", "source": "test", "price_basis": day}
            | {"dividend": round(cents / 2500, 2) if place == EX_DAY else 0.0}
            | {"split_ratio": 2.0 if place == SPLIT_DAY else 1.0}
        )
    return rows


def some(rng: random.Random) -> int:
    """Return the place of a day without an action that is neither the first nor the last."""
    return rng.choice([place for place in range(1, len(DAYS) - 1) if place not in (SPLIT_DAY, EX_DAY)])


def nothing(rng: random.Random, here: Rows, there: Rows) -> set[Finding]:
    return set()


def a_price(ticks: int) -> Change:
    def change(rng: random.Random, here: Rows, there: Rows) -> set[Finding]:
        place, column = some(rng), rng.choice(PRICES)
        sign = {"high": 1, "low": -1}.get(column, rng.choice((-1, 1)))
        price = there[place][column] = round(there[place][column] + sign * ticks / 100, 2)
        if column not in ("high", "low"):  # both sides have room for it, because a price outside its bar is no price
            for row in (here[place], there[place]):
                row["high"], row["low"] = max(row["high"], price), min(row["low"], price)
        return {(DAYS[place], column, "differs")} if ticks > 1 else set()

    return change


def a_volume(factor: float) -> Change:
    def change(rng: random.Random, here: Rows, there: Rows) -> set[Finding]:
        place = some(rng)
        there[place]["volume"] = int(there[place]["volume"] * factor)
        return {(DAYS[place], "volume", "differs")} if factor > 1.01 else set()

    return change


def value(column: str, text: float | None, verdict: str, *, side: str = "there", name: str | None = None) -> Change:
    def change(rng: random.Random, here: Rows, there: Rows) -> set[Finding]:
        place = some(rng)
        (here if side == "here" else there)[place][column] = text
        return {(DAYS[place], name or column, verdict)}

    return change


def lost(side: str) -> Change:
    def change(rng: random.Random, here: Rows, there: Rows) -> set[Finding]:
        place = some(rng)
        (here if side == "here" else there).pop(place)
        return {(DAYS[place], "bar", f"missing_{side}")}

    return change


def lost_whole(side: str) -> Change:
    def change(rng: random.Random, here: Rows, there: Rows) -> set[Finding]:
        (here if side == "here" else there).clear()
        return set()

    return change


def no_action(column: str, place: int, none: float) -> Change:
    def change(rng: random.Random, here: Rows, there: Rows) -> set[Finding]:
        there[place][column] = none
        return {(DAYS[place], column, "missing_there")}

    return change


def no_column(column: str) -> Change:
    def change(rng: random.Random, here: Rows, there: Rows) -> set[Finding]:
        for row in there:
            row[column] = None
        return {(row["date"], column, "not_compared") for row in (there[0 if column != "dividend" else EX_DAY],)}

    return change


def moved(by: int) -> Change:
    """Return a change that dates the bars of the other side one session late or early, from some day on."""

    def change(rng: random.Random, here: Rows, there: Rows) -> set[Finding]:
        for place, row in enumerate(there):
            at = place + by
            row["date"] = row["price_basis"] = DAYS[at] if 0 <= at < len(DAYS) else row["date"] + timedelta(by)
        return {(there[0]["date"], "bar", "shifted")}

    return change


def next_calendar_day(rng: random.Random, here: Rows, there: Rows) -> set[Finding]:
    for row in there:
        row["date"] = row["price_basis"] = row["date"] + timedelta(1)
    return {(there[0]["date"], "bar", "shifted")}


def times(factor: float) -> Change:
    def change(rng: random.Random, here: Rows, there: Rows) -> set[Finding]:
        first = rng.randrange(0, 20)
        for row in there[first:]:
            row |= {name: round(row[name] * factor, 6) for name in PRICES}
        return {(DAYS[first], "close", "ratio")}

    return change


def split_adjusted(basis: date | None) -> Change:
    """Return a change that restates the other side's prices before the split; `basis` None: it says as traded."""

    def change(rng: random.Random, here: Rows, there: Rows) -> set[Finding]:
        for row in there[:SPLIT_DAY]:
            row |= {name: row[name] / 2 for name in (*PRICES, "dividend")} | {"volume": row["volume"] * 2}
        for row in there:
            row["price_basis"] = basis or row["date"]
        return set() if basis else {(DAYS[0], "close", "ratio"), (DAYS[EX_DAY], "dividend", "differs")}

    return change


def total_return(rng: random.Random, here: Rows, there: Rows) -> set[Finding]:
    factor = 1 - here[EX_DAY]["dividend"] / here[EX_DAY - 1]["close"]
    for row in there[:EX_DAY]:
        row |= {name: round(row[name] * factor, 4) for name in PRICES}
    return {(DAYS[0], "close", "ratio")}


def float32(rng: random.Random, here: Rows, there: Rows) -> set[Finding]:
    for row in there:
        row |= {name: pl.Series([row[name]], dtype=pl.Float32).cast(pl.Float64)[0] for name in PRICES}
    return set()


CHANGES: dict[str, tuple[str, Change]] = {
    "copy": ("equal", nothing),
    "float32": ("equal", float32),
    "restated for a split": ("equal", split_adjusted(DAYS[-1])),
    "a tick": ("within_tolerance", a_price(1)),
    "three ticks": ("differs", a_price(3)),
    "a price of 0": ("differs", value("open", 0.0, "missing_there")),
    "no low": ("differs", value("low", None, "missing_there")),
    "no high here": ("differs", value("high", None, "missing_here", side="here")),
    "a close of 0": ("missing_there", value("close", 0.0, "missing_there", name="bar")),
    "no opens": ("equal", no_column("open")),
    "no volumes": ("equal", no_column("volume")),
    "no dividends": ("equal", no_column("dividend")),
    "0.4 % more volume": ("within_tolerance", a_volume(1.004)),
    "10 % more volume": ("volume", a_volume(1.1)),
    "a bar less": ("missing_there", lost("there")),
    "a bar more": ("missing_here", lost("here")),
    "no bars": ("missing_there", lost_whole("there")),
    "only there": ("missing_here", lost_whole("here")),
    "no dividend": ("actions", no_action("dividend", EX_DAY, 0.0)),
    "a dividend more": ("actions", value("dividend", 0.5, "missing_here")),
    "no split": ("actions", no_action("split_ratio", SPLIT_DAY, 1.0)),
    "a session late": ("shifted", moved(1)),
    "a session early": ("shifted", moved(-1)),
    "a calendar day late": ("shifted", next_calendar_day),
    "cents": ("ratio", times(100)),
    "an unlisted factor": ("ratio", times(1.25)),
    "restated, called as traded": ("ratio", split_adjusted(None)),
    "total return": ("ratio", total_return),
}
DETAILS = {
    "cents": "another unit, such as cents for dollars",
    "an unlisted factor": "a constant ratio",
    "restated, called as traded": "one side is adjusted for a split that the other side does not have",
    "total return": "one side is adjusted for dividends",
    "a session late": "the other side is one session late",
    "a session early": "the other side is one session early",
}


def lake_of(folder: Path, rows: Rows) -> Lake:
    """Return a lake with one batch file."""
    path = folder / "raw-data" / "2024-04-01-batch-0.parquet"
    path.parent.mkdir(parents=True)
    pl.DataFrame(rows, infer_schema_length=None).cast({"adjusted_close": pl.Float64}).write_parquet(path)
    return Lake(str(folder))


def compare(here: Lake, there: Lake, symbols: list[str] | None = None, **limits: float) -> Reconciliation:
    with LakeSide(there) as side:
        return reconcile(here, side, Days(), symbols, Limits(**limits))


def read(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    with lake.session() as con:
        return con.sql(query).fetchall()


@given(seed=st.integers(0, 2**32))
@examples(max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_each_kind_of_difference_has_its_verdict_and_there_is_no_other(seed: int) -> None:
    rng = random.Random(seed)
    ours: Rows = []
    theirs: Rows = []
    expected: dict[str, set[Finding]] = {}
    names = {f"S{number}": name for number, name in enumerate(CHANGES)}
    for symbol, name in names.items():
        here = walk(rng, symbol)
        there = [dict(row) for row in here]
        expected[symbol] = CHANGES[name][1](rng, here, there)
        ours += here
        theirs += there
    with tempfile.TemporaryDirectory() as folder:
        lake, other = lake_of(Path(folder, "here"), ours), lake_of(Path(folder, "there"), theirs)
        result = compare(lake, other)
        rows = read(lake, "SELECT symbol, date, column_name, verdict FROM reconciled WHERE column_name <> 'symbol'")
        verdicts = read(lake, "SELECT symbol, verdict, detail FROM reconciled_symbols")
    assert {names[symbol]: verdict for symbol, verdict, _ in verdicts} == {n: v for n, (v, _) in CHANGES.items()}
    assert result.verdicts.total() == len(CHANGES)
    for symbol, name in names.items():
        assert {row[1:] for row in rows if row[0] == symbol} == expected[symbol], name
    details = {names[symbol]: detail for symbol, _, detail in verdicts if detail and names[symbol] in DETAILS}
    assert details == DETAILS


def pair(folder: Path, symbol: str, kind: str = "copy", seed: int = 1) -> tuple[Rows, Rows]:
    """Return the rows of a symbol on both sides, changed in one way."""
    here = walk(random.Random(seed), symbol)
    there = [dict(row) for row in here]
    CHANGES[kind][1](random.Random(seed), here, there)
    return here, there


def test_tolerances(tmp_path: Path) -> None:
    here, there = pair(tmp_path, "AAA", "three ticks")
    here_too, there_too = pair(tmp_path, "BBB", "10 % more volume")
    lake, other = lake_of(tmp_path / "a", here + here_too), lake_of(tmp_path / "b", there + there_too)
    assert compare(lake, other).verdicts == {"differs": 1, "volume": 1}
    assert compare(lake, other, ticks=3, volume=0.2).verdicts == {"within_tolerance": 2}
    assert compare(lake, other, tick=0.05, volume=0.2).verdicts == {"within_tolerance": 2}
    ((ticks,),) = read(lake, "SELECT abs(max_ticks) FROM reconciled_symbols WHERE symbol = 'AAA'")
    assert ticks == pytest.approx(0.6)


def test_the_coarser_prices_decide_the_tick(tmp_path: Path) -> None:
    here = walk(random.Random(1), "AAA")
    there = [row | {name: round(row[name], 1) for name in PRICES} for row in here]
    for row in here:
        row |= {name: round(row[name] + 0.0012, 4) for name in PRICES}
    lake, other = lake_of(tmp_path / "a", here), lake_of(tmp_path / "b", there)
    assert compare(lake, other).verdicts == {"differs": 1}  # one digit is no reason for a tick of ten cents
    assert compare(lake, other, tick=0.1).status == "equal"
    there = [row | {name: round(row[name], 2) for name in PRICES} for row in here]
    assert compare(lake, lake_of(tmp_path / "c", there)).verdicts == {"equal": 1}


def test_a_later_reconciliation_replaces_the_rows_of_its_symbols_and_source(tmp_path: Path) -> None:
    pairs = {symbol: pair(tmp_path, symbol, "a bar less") for symbol in ("AAA", "BBB")}
    lake = lake_of(tmp_path / "a", [row for here, _ in pairs.values() for row in here])
    other = lake_of(tmp_path / "b", [row for _, there in pairs.values() for row in there])
    third = lake_of(tmp_path / "c", pairs["AAA"][0])
    assert compare(lake, other).generation == 1
    assert compare(lake, third).verdicts == {"equal": 1, "missing_there": 1}
    times = dict(read(lake, "SELECT symbol, max(compared_at) FROM reconciled GROUP BY symbol"))
    assert compare(lake, other, ["AAA"]).verdicts == {"missing_there": 1}
    rows = read(lake, "SELECT other, symbol, verdict FROM reconciled_symbols ORDER BY other, symbol")
    assert [(Path(uri).name, symbol) for uri, symbol, _ in rows] == [
        ("b", "AAA"), ("b", "BBB"), ("c", "AAA"), ("c", "BBB")
    ]  # fmt: skip
    later = dict(read(lake, "SELECT symbol, max(compared_at) FROM reconciled GROUP BY symbol"))
    assert (later["AAA"] > times["AAA"], later["BBB"] == times["BBB"]) == (True, True)
    # The table is a part of the generations like every other.
    assert read(lake, load("checks/files__schema").text) == []
    assert vacuum({"delete": True, "retention_hours": 1}, lake)["orphans"] == 0
    assert len(read(lake, "FROM reconciled_symbols")) == 4
    assert head(lake).tables["reconciled"].files[0].symbols == 2


def test_a_rollback_restores_the_table(tmp_path: Path) -> None:
    here, there = pair(tmp_path, "AAA", "a bar less")
    lake, other = lake_of(tmp_path / "a", here), lake_of(tmp_path / "b", there)
    compare(lake, other)
    compare(lake, lake_of(tmp_path / "c", here))
    rollback({"generation": 1}, lake)
    assert read(lake, "SELECT verdict FROM reconciled_symbols") == [("missing_there",)]


def test_unreconciled_demands_a_clean_and_recent_reconciliation(tmp_path: Path) -> None:
    rows = {symbol: pair(tmp_path, symbol, kind) for symbol, kind in {"AAA": "copy", "BBB": "cents"}.items()}
    lake = lake_of(tmp_path / "a", [row for here, _ in rows.values() for row in here])
    other = lake_of(tmp_path / "b", [row for _, there in rows.values() for row in there])
    query = "SELECT symbol, detail FROM unreconciled({})"
    assert read(lake, query.format(7)) == [("AAA", "never reconciled"), ("BBB", "never reconciled")]
    compare(lake, other)
    assert read(lake, query.format(7)) == [("BBB", f"the last verdict is ratio ({other.uri})")]
    with LakeSide(other) as side:
        reconcile(lake, side, Days(last=DAYS[-6]))
    gap = (DAYS[-1] - DAYS[-6]).days
    assert read(lake, query.format(gap - 1))[0] == ("AAA", f"reconciled through {DAYS[-6]} only")
    assert [symbol for symbol, _ in read(lake, query.format(gap))] == ["BBB"]


def test_what_the_check_reports(tmp_path: Path) -> None:
    here, there = pair(tmp_path, "AAA", "a bar less")
    lake, other = lake_of(tmp_path / "a", here), lake_of(tmp_path / "b", there)
    check = load("checks/reconciled__differences").text
    assert read(lake, check) == []
    compare(lake, other)
    counts = "1 bars missing, 0 shifted, 0 with another ratio; 0 prices, 0 volumes, 0 actions differ"
    assert read(lake, check) == [("AAA", DAYS[0], f"missing_there ({other.uri}): {counts}")]


def test_lakes_on_s3(s3: S3Server, tmp_path: Path) -> None:
    here, there = pair(tmp_path, "AAA", "a session late")
    uris = [f"s3://{s3.new_bucket()}/lake" for _ in range(2)]
    for number, (uri, rows) in enumerate(zip(uris, (here, there), strict=True)):
        local = lake_of(tmp_path / str(number), rows)
        (file,) = Path(local.uri).rglob("*.parquet")
        s3.fill(uri, {f"raw-data/{file.name}": file.read_bytes()})
    lake = Lake(uris[0])
    assert compare(lake, Lake(uris[1])).verdicts == {"shifted": 1}
    assert read(lake, "SELECT other, verdict FROM reconciled_symbols") == [(uris[1], "shifted")]


def test_nothing_to_compare_is_an_error(tmp_path: Path) -> None:
    here, there = pair(tmp_path, "AAA")
    lake, other = lake_of(tmp_path / "a", here), lake_of(tmp_path / "b", there)
    empty = Lake(str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"none holds no bars: there is nothing to compare$"):
        compare(empty, other)
    with pytest.raises(UsageError, match="none holds no bars: there is nothing to compare with"):
        compare(lake, empty)
    with pytest.raises(UsageError, match="has bars of AAB; did you mean AAA"):
        compare(lake, other, ["AAB"])
