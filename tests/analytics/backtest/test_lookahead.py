"""The check for look-ahead: what it compares, what it reports, and what a copy of a lake has in it.

`test_lookahead_kinds.py` has the kinds of look-ahead that it detects.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from stockstream import analytics
from stockstream.analytics.backtest import Action, Strategy, verify
from stockstream.analytics.backtest.runs import Outcome
from stockstream.analytics.backtest.runs.lookahead import cut_days
from stockstream.analytics.backtest.runs.lookahead.copies import Copies
from stockstream.analytics.backtest.runs.lookahead.landlock import version
from stockstream.analytics.session import open_lake
from tests.analytics.backtest._command import run_cli
from tests.analytics.backtest._eventful import DAYS, write_eventful_lake

CHEATS = Path(__file__).with_name("_cheats.py")
CUT = 140
"""Number of the session after which a copy ends: before a split, and before a delisting."""


@pytest.fixture
def few_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut_days, "DECISION_DAYS", 3)
    monkeypatch.setattr(cut_days, "OTHER_DAYS", 1)


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_eventful_lake(str(tmp_path_factory.mktemp("eventful") / "lake"))


@pytest.fixture(scope="module")
def copies(eventful: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the lake, a copy of all of it, and one that ends on the day of `CUT`; both with stored tables."""
    with open_lake(eventful) as con:
        writer = Copies(con, tmp_path_factory.mktemp("copies"), [DAYS[60], DAYS[CUT]], is_complete=True)
        return [eventful, *(writer.write(day, ["bars_weekly", "indicators"]) for day in (None, DAYS[CUT]))]


def rows(lake: str, query: str) -> list[tuple[Any, ...]]:
    with analytics.connect(lake) as con:
        return con.sql(query).fetchall()


@pytest.mark.parametrize(
    "query",
    [
        "FROM bars_as_traded WHERE date <= '{day}' ORDER BY symbol, date",
        "SELECT symbol, date, price_factor, split_factor FROM forward_factors('bars_as_traded') WHERE date <= '{day}' "
        "ORDER BY symbol, date",
        "SELECT symbol, date, rsi_14 FROM indicators WHERE date <= '{day}' ORDER BY symbol, date",
        "SELECT symbol, ends_on, bars FROM bars_weekly WHERE ends_on <= '{day}' ORDER BY symbol, date",
        "FROM symbols_on('{day}') SELECT symbol, valid_from ORDER BY symbol",
    ],
)
def test_a_copy_has_what_was_so_up_to_its_day(query: str, copies: list[str]) -> None:
    expected, whole, cut = (rows(lake, query.format(day=DAYS[CUT])) for lake in copies)
    assert expected
    for actual in (whole, cut):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert all(map(is_close, one, other)), (one, other)


def is_close(one: Any, other: Any) -> bool:
    """Return whether two values are equal, numbers up to the rounding of their last digits."""
    return bool(one == pytest.approx(other, rel=1e-12) if isinstance(one, float) else one == other)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT max(date) FROM latest_bars",
        "SELECT max(date) FROM read_parquet('{lake}/silver/bars/*.parquet')",
        "SELECT max(price_basis) FROM latest_bars",
        "SELECT max(left(fetch_timestamp, 10)::DATE) FROM latest_bars",
        "SELECT max(date) FROM bars_weekly",
        "SELECT max(date) FROM indicators",
        "SELECT coalesce(max(valid_to), '2000-01-01') FROM metadata",
        "SELECT max(listed_on) FROM symbols",
    ],
)
def test_a_copy_has_nothing_that_came_later(query: str, copies: list[str]) -> None:
    whole, cut = (rows(lake, query.format(lake=lake))[0][0] for lake in copies[1:])
    assert cut <= DAYS[CUT]
    assert whole > cut


def test_stored_prices_of_a_copy_are_in_the_shares_of_its_day(copies: list[str]) -> None:
    """Yahoo's closes contain every split up to the fetch; before a split they were twice as high."""
    query = f"SELECT close, adjusted_close FROM bars WHERE symbol = 'BBB' AND date = '{DAYS[CUT]}'"
    (now,), (then,) = rows(copies[0], query), rows(copies[2], query)
    assert then[0] == 2 * now[0]
    assert then[1] == pytest.approx(then[0]), "on the day of the fetch, the newest adjusted close is the close"


def test_the_verdict_on_an_honest_strategy(lake: str, few_cuts: None, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        textwrap.dedent(
            """
            from stockstream.analytics.backtest import Action, Strategy

            class Mine(Strategy):
                columns = ["sma(3)", "sma(8)"]

                def on_data(self, date, symbol, data, portfolio):
                    if data.sma_8 is None:
                        return None
                    if data.sma_3 > data.sma_8 and symbol not in portfolio.positions:
                        return Action.buy(1)
                    return Action.close() if data.sma_3 < data.sma_8 and symbol in portfolio.positions else None
            """
        )
    )
    name = f"{tmp_path / 'mine.py'}:Mine"
    ran = run_cli("backtest", "--strategy", name, "--lake", lake, "--verify-no-lookahead", "--json", "--jobs", "1")
    assert (ran.code, ran.err) == (0, "")
    verdict = json.loads(ran.out)
    assert (verdict["outcome"], verdict["difference"], verdict["doubt"]) == ("clear", None, None)
    assert len(verdict["days"]) == 4
    assert verdict["decisions"] > verdict["checked"] >= 3
    assert any("hindsight" in text.lower() for text in verdict["unseen"]), "it says what it could not see"


def test_a_strategy_that_looks_ahead_is_an_error(lake: str, few_cuts: None) -> None:
    name = f"{CHEATS}:LaterClose"
    ran = run_cli("backtest", "--strategy", name, "--lake", lake, "--verify-no-lookahead", "--jobs", "1")
    assert ran.code == 1
    assert ran.err.startswith("error: LaterClose looks ahead: in a lake that ends on 2020-")
    assert ran.err.count("\n") == 1


def test_a_strategy_that_decides_nothing_is_not_cleared(lake: str) -> None:
    name = f"{CHEATS}:Idle"
    ran = run_cli("backtest", "--strategy", name, "--lake", lake, "--verify-no-lookahead", "--jobs", "1")
    assert ran.code == 4
    assert ran.err == (
        "error: Idle: not proved: it decides nothing on these bars, so that there is nothing to compare\n"
    )


def test_a_class_that_no_other_process_can_import_is_copied_to_it(lake: str, few_cuts: None) -> None:
    size = {"AAA": 2, "BBB": 3}

    class Interactive(Strategy):
        def on_data(self, date: date, symbol: str, data: Any, portfolio: Any) -> Action | None:
            return Action.buy(size[symbol]) if date.day % 7 == 0 else None

    verdict = verify(Interactive, lake, jobs=1)
    assert verdict.outcome is Outcome.clear
    assert any("(size)" in text for text in verdict.unseen)


def test_cuts_are_on_days_with_decisions_before_events_and_elsewhere() -> None:
    sessions = [str(date(2020, 1, 1) + timedelta(days=number)) for number in range(500)]
    decided, turns = sessions[10:400:4], [sessions[201], sessions[5], sessions[499]]
    days = cut_days.choose_days(decided, sessions, turns)
    assert days == sorted(set(days))
    assert len(days) == cut_days.DECISION_DAYS + cut_days.OTHER_DAYS
    assert len(set(days) & set(decided)) == cut_days.DECISION_DAYS
    assert sessions[201] in days
    assert min(days) >= decided[0], "before its first decision, a strategy may need more bars than a copy has"
    assert sessions[-1] not in days, "nothing would be removed"


CONFINED = """
import sys
from pathlib import Path
from stockstream.analytics.backtest.runs.lookahead.landlock import allow_reading
import pyarrow as pa
allowed, other = map(Path, sys.argv[1:])
assert allow_reading([allowed, Path(sys.prefix), Path(sys.base_prefix)])
print(pa.OSFile(str(allowed / "file")).size())
for read in (lambda: pa.OSFile(str(other / "file")), lambda: (other / "file").read_text()):
    try:
        read()
    except PermissionError as error:
        print("refused")
(other / "written").write_text("")
"""


@pytest.mark.skipif(not version(), reason="needs Landlock, which Linux has since 5.13")
def test_a_confined_process_reads_only_what_it_may(tmp_path: Path) -> None:
    for name in ("allowed", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("123")
    folders = [str(tmp_path / name) for name in ("allowed", "other")]
    ran = subprocess.run([sys.executable, "-c", CONFINED, *folders], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["3", "refused", "refused"]
