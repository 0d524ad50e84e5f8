"""Every kind of look-ahead that we could invent is detected, and honest strategies of many kinds are cleared."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from stockstream.analytics.backtest import verify as verify_in_processes
from stockstream.analytics.backtest.runs import Outcome
from stockstream.analytics.backtest.strategies import SHIPPED
from tests.analytics.backtest import _honest
from tests.analytics.backtest._eventful import add_symbol, write_eventful_lake
from tests.s3_server import S3Server

pytestmark = pytest.mark.large
verify = partial(verify_in_processes, jobs=1)
"""With one process: the tests run in as many as there are cores."""

HONEST = [
    name for name, item in vars(_honest).items() if isinstance(item, type) and item.__module__ == _honest.__name__
]
FINDINGS = {
    "LaterClose": "in a lake that ends on",
    "MonthlyPeek": "in a lake that ends on",
    "RarePeek": "in a lake that ends on",
    "CentredMean": "in a lake that ends on",
    "ZScoreOfAll": "in a lake that ends on",
    "AdjustedBack": "in a lake that ends on",
    "StoredAdjusted": "in a lake that ends on",
    "StoredPrices": "in a lake that ends on",
    "WeekOnMonday": "in a lake that ends on",
    "OwnConnection": "in a lake that ends on",
    "NamedLake": "in a lake that ends on",
    "QueryByPath": "in a lake that ends on",
    "DuckDBByPath": "it reads files of the lake by their path",
    "FilesInPython": "it reads files of the lake by their path",
    "ArrowByPath": "it reads files of the lake by their path",
    "OtherFile": "it uses something that cannot be cut",
    "Server": "it uses something that cannot be cut",
    "NextRow": "it reads rows that it is not given",
    "Frames": "it reads rows that it is not given",
    "LastDates": "in a lake that ends on",
    "BarsLeft": "in a lake that ends on",
    "NewestDay": "in a lake that ends on",
    "Calendar": "in a lake that ends on",
    "ExDividendTomorrow": "in a lake that ends on",
    "SplitSoon": "in a lake that ends on",
    "WhoWillExist": "in a lake that ends on",
    "ListedToday": "in a lake that ends on",
    "DelistedSoon": "in a lake that ends on",
    "SecondRun": "two runs on the same bars decide differently",
    "FileMemo": "two runs on the same bars decide differently",
    "Chance": "two runs on the same bars decide differently",
    "UnusedPeek": "later bars",
    "Idle": "it decides nothing",
}
"""What the check reports per strategy of `_cheats.py`."""
TAKES_LAKE = ("NamedLake", "DuckDBByPath", "FilesInPython", "ArrowByPath", "OtherFile", "FileMemo")
"""Those whose parameter is the path of the lake."""
CHEATS = Path(__file__).with_name("_cheats.py")
NOT_PROVED = ("OtherFile", "Server", "UnusedPeek", "Idle")


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_eventful_lake(str(tmp_path_factory.mktemp("eventful") / "lake"))


@pytest.mark.parametrize("name", FINDINGS)
def test_a_cheat_is_detected(name: str, eventful: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_LAKE", eventful)
    verdict = verify(f"{CHEATS}:{name}", eventful, params={"lake": eventful} if name in TAKES_LAKE else {})
    assert verdict.outcome is (Outcome.not_proved if name in NOT_PROVED else Outcome.looks_ahead), verdict
    assert FINDINGS[name] in (verdict.difference or verdict.doubt or "")


def test_what_a_file_reads_at_its_import_is_cut_too(eventful: str) -> None:
    verdict = verify(f"{CHEATS.with_name('_cheat_at_import.py')}:ConnectionAtImport", eventful)
    assert verdict.outcome is Outcome.looks_ahead
    assert "in a lake that ends on" in (verdict.difference or "")


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_strategy_is_cleared(name: str, eventful: str) -> None:
    verdict = verify(f"{_honest.__file__}:{name}", eventful)
    assert verdict.outcome is Outcome.clear, verdict
    assert len(verdict.days) >= 24
    assert verdict.decisions >= 10
    assert verdict.checked >= 10


@pytest.mark.parametrize("prices", ["as_traded", "adjusted"])
@pytest.mark.parametrize("name", SHIPPED)
def test_no_shipped_strategy_looks_ahead(name: str, prices: str, eventful: str) -> None:
    params = {"MovingAverageCrossover": {"fast": 4, "slow": 12}, "Momentum": {"n": 20}, "PairsTrade": {"n": 20}}
    symbols = {"symbols": ["AAA", "CCC"]} if name == "PairsTrade" else {}
    verdict = verify(SHIPPED[name], eventful, params=params.get(name, {}), prices=prices, **symbols)
    assert verdict.outcome is Outcome.clear, verdict
    assert verdict.decisions >= 2


def test_a_lake_on_s3_is_copied(s3: S3Server) -> None:
    lake = write_eventful_lake(f"s3://{s3.new_bucket()}/lake")
    assert verify(f"{CHEATS}:OwnConnection", lake).outcome is Outcome.looks_ahead
    verdict = verify(f"{_honest.__file__}:FinishedWeeks", lake)
    assert verdict.outcome is Outcome.clear, verdict
    assert any("weekly" in text for text in verdict.unseen), "adjusted for later splits"


def test_the_copies_are_those_of_the_generation(tmp_path: Path) -> None:
    lake, name = write_eventful_lake(str(tmp_path / "lake")), f"{_honest.__file__}:FinishedWeeks"
    before = verify(name, lake)
    add_symbol(lake, "ZZZ")
    then, now = verify(name, lake, as_of=1), verify(name, lake)
    assert (then.outcome, then.decisions, then.days) == (before.outcome, before.decisions, before.days)
    assert now.outcome is Outcome.clear
    assert now.decisions > before.decisions


def test_a_file_is_not_read_again_from_the_memory_of_this_process(tmp_path: Path, eventful: str) -> None:
    """A module beside the strategy's file that has read the whole lake is imported again in each process."""
    (tmp_path / f"peeking_{tmp_path.name}.py").write_text(
        "from stockstream import analytics\n"
        "with analytics.connect() as con:\n"
        "    LAST = con.sql('SELECT max(date) FROM bars').fetchall()[0][0]\n"
    )
    (tmp_path / "mine.py").write_text(
        f"from peeking_{tmp_path.name} import LAST\n"
        "from stockstream.analytics.backtest import Action, Strategy\n\n"
        "class Mine(Strategy):\n"
        "    def on_data(self, date, symbol, data, portfolio):\n"
        "        if (LAST - date).days > 100 and symbol not in portfolio.positions:\n"
        "            return Action.buy(1)\n"
    )
    verdict = verify(f"{tmp_path / 'mine.py'}:Mine", eventful)
    assert verdict.outcome is Outcome.looks_ahead
