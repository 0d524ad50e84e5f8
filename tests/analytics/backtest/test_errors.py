"""What goes wrong is one clear message, what was reached until then is kept; the command, its files and exit codes."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stockstream.analytics.backtest import Action, Data, Order, Portfolio, Strategy, backtest, rebalance
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.sql.errors import UsageError
from tests.analytics.backtest._bars import columns, connection, fills, play, table, trade
from tests.analytics.test_cli import Ran, run_cli
from tests.pipeline.test_consolidate import fetch
from tests.pipeline.test_refresh_indicators import DAYS
from tests.pipeline.test_refresh_indicators import bars as rows_of
from tests.s3_server import S3Server

BARS = """
    2   10   10   10   10  1000
    3   11   11   11   11  1000
    4   12   12   12   12  1000
    BBB 3  5  5  5  5  1000
    BBB 4  6  6  6  6  1000
"""


# What cannot be run


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"symbols": ["AAA", "ZZZ"]}, "no bars of ZZZ: there are none at all"),
        (
            {"symbols": ["BBB"], "end": date(2024, 1, 2)},
            "no bars of BBB up to 2024-01-02: BBB has bars from 2024-01-03",
        ),
        ({"start": date(2025, 1, 1)}, "no bars from 2025-01-01 in bars_of_mine"),
        ({"symbols": []}, "symbols: name one"),
        (
            {"start": "2024-02-01", "end": "2024-01-01"},
            r"the range ends \(2024-01-01\) before it starts \(2024-02-01\)",
        ),
        ({"start": "soon"}, "start: Input should be a valid date"),
        ({"capital": 5}, "capital: Extra inputs are not permitted"),
        ({"initial_capital": 0}, "initial_capital: Input should be greater than 0"),
        ({"initial_capital": float("nan")}, "initial_capital"),
        ({"fill_at": "noon"}, "fill_at: Input should be 'open', 'close' or 'vwap'"),
        ({"prices": "raw"}, "prices: Input should be 'as_traded' or 'adjusted'"),
        ({"leverage": 0.5}, "leverage: Input should be greater than or equal to 1"),
        ({"volume_limit": 1.5}, "volume_limit: Input should be less than or equal to 1"),
        ({"at_end": "panic"}, "at_end: Input should be 'hold' or 'close'"),
        ({"benchmark": "ZZZ"}, "no bars of the benchmark ZZZ"),
    ],
)
def test_a_setting_that_cannot_be_is_one_message(given: Mapping[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        trade({}, BARS, **given)
    assert "\n" not in str(caught.value)


def test_a_table_that_cannot_be_traded_is_one_message() -> None:
    with pytest.raises(UsageError, match="there is no table nowhere to trade on"):
        backtest(Raising("nothing"), con=connection(), src="nowhere")
    with pytest.raises(UsageError, match="bars_of_mine cannot be traded: it has no high, low"):
        play({}, table(BARS).drop_columns(["low", "high"]))
    with pytest.raises(UsageError, match="more than one row of AAA on 2024-01-02"):
        play({}, "2 1 1 1 1 1 \n 2 1 1 1 1 1 \n 3 1 1 1 1 1")


class Raising(Strategy):
    """Buys AAA on the first session; fails on the last one, or at the end, in the method named."""

    def __init__(self, where: str) -> None:
        self.where = where

    def fail(self, where: str) -> None:
        """Divide by zero, in the method named."""
        if self.where == where:
            _ = 1 / 0

    def on_start(self, symbols: Iterable[str], portfolio: Portfolio) -> None:
        """Fail here."""
        self.fail("on_start")

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        """Fail here on the last bar."""
        if data.close == 6:
            self.fail("on_data")
        return Action.buy(10) if data.close in (10, 11) and symbol == "AAA" else None

    def on_bar_end(self, date: date, portfolio: Portfolio) -> None:
        """Fail here on the last session."""
        if date.day == 4:
            self.fail("on_bar_end")

    def on_order_filled(self, order: Order, portfolio: Portfolio) -> None:
        """Fail here at the second fill."""
        if len(portfolio.transactions) == 2:
            self.fail("on_order_filled")

    def on_finish(self, portfolio: Portfolio) -> None:
        """Fail here."""
        self.fail("on_finish")


@pytest.mark.parametrize(
    ("where", "said", "sessions"),
    [
        ("on_start", "Raising.on_start failed: ZeroDivisionError: division by zero", 0),
        ("on_data", "Raising.on_data failed on 2024-01-04 at BBB: ZeroDivisionError: division by zero", 2),
        ("on_bar_end", "Raising.on_bar_end failed on 2024-01-04: ZeroDivisionError: division by zero", 2),
        ("on_order_filled", "Raising.on_order_filled failed on 2024-01-04 at AAA: ZeroDivisionError", 2),
        ("on_finish", "Raising.on_finish failed", 3),
    ],
)
def test_a_strategy_that_raises_is_told_with_its_bar_and_symbol_and_the_rest_is_kept(
    where: str, said: str, sessions: int
) -> None:
    result = trade(Raising(where), BARS)
    assert result.error is not None
    assert result.error.startswith(said)
    assert "test_errors.py, line" in result.error
    assert columns(result, "cash") == [1000, 890, 770][:sessions]
    assert fills(result) == ([(3, 10, 11), (4, 10, 12)] if sessions else [])
    assert bool(result.metrics) == bool(sessions)


class Answers(Strategy):
    """Answers on the second session, for AAA or for the whole of it."""

    def __init__(self, answer: Any, at_end: bool = False) -> None:
        self.answer, self.at_end = answer, at_end

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Any:
        """Answer at AAA's bar."""
        if self.at_end or date.day != 3 or symbol != "AAA":
            return Action.buy(1) if date.day == 2 else None
        return self.answer

    def on_bar_end(self, date: date, portfolio: Portfolio) -> Any:
        """Answer at the session's end."""
        return self.answer(portfolio) if self.at_end and date.day == 3 else None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Action.buy(5, symbol="ZZZ"), "an order for ZZZ, of which there has been no bar: is it one of the symbols?"),
        (Action.buy(0), "an order for 0 shares of AAA: ask for more than 0"),
        (Action.buy(float("nan")), "an order for nan shares of AAA"),
        (Action.buy(1, limit=-2), "an order for AAA with limit=-2: it must be a number above 0"),
        (Action.buy(1, stop=float("inf")), "an order for AAA with stop=inf: it must be a number above 0"),
        (Action.sell(1, take_profit=0), "an order for AAA with take_profit=0: it must be a number above 0"),
        (Action.sell(1, trail=1, trail_percent=1), "an order for AAA with trail and trail_percent: name one of them"),
        (Action.sell(1, trail=1, stop=9), "an order for AAA with a trailing stop and another price: name one of them"),
        (["buy"], "it gave 'buy': give an Action, several, or None"),
        ("buy", "it gave 'b"),
        (5, "it gave 5"),
        (Action.buy("5"), "an order for"),  # type: ignore[arg-type]
        (Action.buy(None), "an order for"),  # type: ignore[arg-type]
        (Action.buy(5, limit="9"), "an order for AAA with limit='9'"),  # type: ignore[arg-type]
    ],
)
def test_an_order_that_makes_no_sense_is_one_message_and_the_rest_is_kept(answer: Any, said: str) -> None:
    result = trade(Answers(answer), BARS)
    assert result.error is not None
    assert result.error.startswith(f"Answers on 2024-01-03 at AAA: {said}")
    assert (columns(result, "cash"), fills(result)) == ([1000], [(3, 1, 11)])


def outside(portfolio: Portfolio) -> Iterator[Action]:
    """Give an order, and fail then, outside of any strategy's method."""
    yield Action.buy(1, symbol="AAA")
    raise RuntimeError("no more")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda portfolio: rebalance(portfolio, {"AAA": 10, "ZZZ": 10}), "ZZZ has not traded yet"),
        (outside, "RuntimeError: no more"),
        (lambda portfolio: (Action.buy(1 / (size - size)) for size in (1,)), "ZeroDivisionError: "),
        (lambda portfolio: Action.buy(5), "an order"),
    ],
)
def test_what_fails_while_its_orders_are_read_is_the_strategys_error(answer: Any, said: str) -> None:
    """Helpers such as `rebalance` run when the engine asks for their orders."""
    result = trade(Answers(answer, at_end=True), BARS)
    assert result.error is not None
    assert result.error.startswith("Answers")
    assert "2024-01-03" in result.error
    assert said in result.error
    assert (columns(result, "cash"), fills(result)) == ([1000], [(3, 1, 11)])


def test_a_column_that_the_bars_do_not_have_is_named() -> None:
    class Asks(Strategy):
        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
            _ = data["sma_20"]

    result = trade(Asks(), BARS)
    assert result.error is not None
    assert result.error.startswith("Asks.on_data failed on 2024-01-02 at AAA: ")
    assert "sma_20" in result.error


# The command

MINE = """
from helper_{n} import SIZE
from stockstream.analytics.backtest import Action, Strategy

class Mine(Strategy):
    def __init__(self, size: int = SIZE, fail: bool = False, note: str = ""):
        self.size, self.fail = size, fail

    def on_data(self, date, symbol, data, portfolio):
        if self.fail and date.month == 8:
            raise RuntimeError("it is August")
        if symbol not in portfolio.positions:
            return Action.buy(self.size)
"""
FILES = [
    "equity.csv", "equity.parquet", "report.html", "result.json", "trades.csv", "trades.parquet",
    "transactions.csv", "transactions.parquet",
]  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    fetch(lake, 0, [*rows_of("AAA", 0, 60), *rows_of("BBB", 0, 60)], through=DAYS[59])
    return lake.uri


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give a strategy of one's own with a module beside it, and a folder elsewhere to run in."""
    (tmp_path / "cwd").mkdir()
    (tmp_path / f"helper_{tmp_path.name}.py").write_text("SIZE = 3\n")
    (tmp_path / "mine.py").write_text(MINE.replace("{n}", tmp_path.name))
    monkeypatch.chdir(tmp_path / "cwd")
    return str(tmp_path / "mine.py")


def run_backtest(strategy: str, lake: str, *arguments: str) -> Ran:
    return run_cli("backtest", "--strategy", strategy, "--lake", lake, *arguments)


def assert_refused(ran: Ran, words: str) -> None:
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert not list(Path().iterdir()), "nothing is written"


def test_a_run_is_exit_0_and_leaves_its_files(mine: str, lake: str) -> None:
    ran = run_backtest(f"{mine}:Mine", lake, "--symbols", "aaa")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Mine(size=3, fail=False, note=) on AAA\n60 sessions, 2020-06-01 to 2020-08-24")
    assert sorted(file.name for file in Path("backtests/Mine").iterdir()) == FILES
    assert duckdb.sql("SELECT symbol, quantity FROM 'backtests/Mine/transactions.parquet'").fetchall() == [("AAA", 3)]
    assert duckdb.sql("SELECT count(*) FROM 'backtests/Mine/equity.csv'").fetchall() == [(60,)]


def test_a_strategy_that_fails_is_exit_1_and_what_was_reached_is_kept(mine: str, lake: str) -> None:
    ran = run_backtest(mine, lake, "--param", "fail=true", "--json", "-o", "here")
    assert ran.code == 1
    assert ran.err.startswith("error: Mine.on_data failed on 2020-08-03 at AAA: RuntimeError: it is August (")
    assert ran.err.endswith("; what was reached until then is in here\n")
    assert ran.err.count("\n") == 1
    assert sorted(file.name for file in Path("here").iterdir()) == FILES
    assert duckdb.sql("SELECT max(date) FROM 'here/equity.parquet'").fetchall() == [(date(2020, 7, 31),)]
    assert json.loads(ran.out)["error"] == json.loads(Path("here/result.json").read_text())["error"] is not None


def test_a_strategy_that_fails_before_the_first_session_leaves_its_files_too(mine: str, lake: str) -> None:
    ran = run_backtest("PairsTrade", lake, "--symbols", "AAA", "-o", "here")
    assert ran.code == 1
    assert "PairsTrade takes two symbols, not 1" in ran.err
    assert ran.err.count("\n") == 1
    assert sorted(file.name for file in Path("here").iterdir()) == FILES
    assert duckdb.sql("FROM 'here/equity.parquet'").fetchall() == []


def test_json_is_the_result_and_nothing_else(mine: str, lake: str) -> None:
    ran = run_backtest(mine, lake, "--json", "--initial-capital", "5000")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == Path("backtests/Mine/result.json").read_text()
    found = json.loads(ran.out)
    assert found["setup"]["params"] == {"size": 3, "fail": False, "note": ""}
    assert (found["setup"]["initial_capital"], found["setup"]["symbols"]) == (5000, ["AAA", "BBB"])


def test_a_second_run_gives_the_same_bytes_of_every_file(mine: str, lake: str) -> None:
    for folder in ("one", "two"):
        assert run_backtest("RSIMeanReversion", lake, "--benchmark", "BBB", "-o", folder).code == 0
    one, two = ({file.name: file.read_bytes() for file in Path(folder).iterdir()} for folder in ("one", "two"))
    assert sorted(one) == FILES
    assert one == two
    assert b"AAA" in one["transactions.csv"]


@pytest.mark.parametrize(
    ("strategy", "arguments", "words"),
    [
        ("MINE", ["--symbols", "ZZZ"], "no bars of ZZZ"),
        (
            "MINE",
            ["--start-date", "2021-01-01", "--end-date", "2020-01-01"],
            "the range ends (2020-01-01) before it starts",
        ),
        ("MINE", ["--start-date", "soon"], "--start-date soon: write a day as YYYY-MM-DD"),
        ("MINE", ["--param", "speed=3"], "Mine has no parameter speed: it takes size = 3, fail = False, note = "),
        ("MINE", ["--param", "size=big"], "--param size=big: write a number"),
        ("MINE", ["--param", "fail=perhaps"], "--param fail=perhaps: write true or false"),
        ("MINE", ["--param", "size"], "--param size: write name=value"),
        ("MINE", ["--fill-at", "noon"], "fill_at: Input should be 'open', 'close' or 'vwap'"),
        ("MINE", ["--config", "no.toml"], "cannot read no.toml: No such file or directory"),
        ("MINE", ["--as-of", "99"], "99"),
        ("MINE:Yours", [], "has no strategy Yours: it has Mine"),
        ("yours.py", [], "there is no file yours.py"),
        ("Martingale", [], "no strategy Martingale: there are BollingerBreakout, BuyAndHold"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    strategy: str, arguments: list[str], words: str, mine: str, lake: str
) -> None:
    assert_refused(run_backtest(strategy.replace("MINE", mine), lake, *arguments), words)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("mine.py", "def broken(:\n", "mine.py, line 1: invalid syntax"),
        ("helper.py", "\ndef broken(:\n", "helper_NAME.py, line 2: invalid syntax"),
        ("mine.py", "1 / 0\n", "mine.py failed: ZeroDivisionError: division by zero"),
        ("mine.py", "import no_such_module\n", "mine.py failed: ModuleNotFoundError: No module named 'no_such_module'"),
        ("mine.py", "x = 1\n", "mine.py has 0 strategies"),
        ("mine.py", "TWO", "mine.py has 2 strategies: name one as"),
        ("mine.py", "ABSTRACT", "mine.py has 0 strategies"),
    ],
)
def test_a_file_that_gives_no_strategy_says_why(name: str, text: str, words: str, mine: str, lake: str) -> None:
    folder = Path(mine).parent
    texts = {"TWO": MINE + "\nclass Other(Mine): pass\n", "ABSTRACT": MINE.replace("on_data", "on_dota")}
    file = folder / name.replace("helper", f"helper_{folder.name}")
    file.write_text(texts.get(text, text).replace("{n}", folder.name))
    assert_refused(run_backtest(mine, lake), words.replace("NAME", folder.name))


def test_one_of_two_strategies_of_a_file_is_named(mine: str, lake: str) -> None:
    Path(mine).write_text(Path(mine).read_text() + "\nclass Other(Mine): pass\n")
    assert json.loads(run_backtest(f"{mine}:Other", lake, "--json").out)["setup"]["strategy"] == "Other"


# A configuration file

CONFIG = """
strategy = "MINE"
symbols = ["BBB"]
start = 2020-06-10
end = "2020-07-10"
fill_at = "close"
commission = "zero"

[params]
size = 7
note = "slow"
"""


def configured(mine: str, text: str = CONFIG) -> str:
    Path("../run.toml").write_text(text.replace("MINE", mine))
    return "../run.toml"


def test_a_configuration_file_is_a_whole_run(mine: str, lake: str) -> None:
    ran = run_cli("backtest", "--config", configured(mine), "--lake", lake, "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)["setup"]
    expected = {
        "symbols": ["BBB"],
        "start": "2020-06-10",
        "end": "2020-07-10",
        "fill_at": "close",
        "commission": "zero",
    }
    assert {name: found[name] for name in expected} == expected
    assert found["params"] == {"size": 7, "fail": False, "note": "slow"}


def test_a_text_in_a_configuration_file_is_one_value_and_a_list_several(mine: str, lake: str) -> None:
    text = configured(mine, CONFIG.replace('"slow"', '"slow, then fast"'))
    found = json.loads(run_cli("backtest", "--config", text, "--lake", lake, "--json").out)
    assert "setup" in found, "it was taken for two runs"
    assert found["setup"]["params"]["note"] == "slow, then fast"


def test_the_command_line_wins_over_the_configuration_file(mine: str, lake: str) -> None:
    asked = ["--symbols", "AAA", "--fill-at", "open", "--param", "size=2", "--start-date", "2020-06-15", "--json"]
    found = json.loads(run_cli("backtest", "--config", configured(mine), "--lake", lake, *asked).out)["setup"]
    assert (found["symbols"], found["fill_at"], found["start"]) == (["AAA"], "open", "2020-06-15")
    assert (found["params"]["size"], found["params"]["note"]) == (2, "slow")
    assert (found["end"], found["commission"]) == ("2020-07-10", "zero"), "what is not said stays"
    ran = run_cli("backtest", "--config", configured(mine), "--strategy", "BuyAndHold", "--lake", lake)
    assert "BuyAndHold has no parameter " in ran.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("strategy =", "run.toml is no TOML"),
        ('strategy = "BuyAndHold"\nspeed = 3', "there is no setting speed"),
        ('strategy = "BuyAndHold"\n[params]\nspeed = 3', "BuyAndHold has no parameter speed: it takes percent = 95"),
        ('symbols = ["AAA"]', "--strategy: name one"),
        ('strategy = "BuyAndHold"\nstart = "soon"', "start: "),
        ('strategy = "BuyAndHold"\nlake = "elsewhere"', "lake"),
        ('strategy = "BuyAndHold"\nas_of = 99', "as_of"),
        ('strategy = "BuyAndHold"\nparams = 3', "params"),
        ('strategy = "BuyAndHold"\ncharted = 3', "charted"),
        ('strategy = "BuyAndHold"\ncon = 3', "con"),
        ("strategy = 5", "strategy"),
    ],
)
def test_a_configuration_file_that_cannot_be_is_one_line_and_exit_2(
    text: str, words: str, mine: str, lake: str
) -> None:
    assert_refused(run_cli("backtest", "--config", configured(mine, text), "--lake", lake), words)


# Which lake, and which generation of it


def test_as_of_reads_an_earlier_generation_of_a_lake_on_s3(s3: S3Server, mine: str) -> None:
    """Twenty sessions were published, and ten more are there."""
    lake_uri = f"s3://{s3.new_bucket()}/lake"
    lake = Lake(lake_uri)
    for number, (first, last) in enumerate([(0, 20), (20, 30)]):
        fetch(lake, number, rows_of("AAA", first, last), through=DAYS[last - 1])
        if number == 0:
            consolidate({}, lake)
    ran = run_backtest("BuyAndHold", lake_uri, "--as-of", "1", "--json", "-o", "here")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["provenance"]["generation"] == 1
    assert duckdb.sql("SELECT count(*) FROM 'here/equity.parquet'").fetchall() == [(20,)]
    now = backtest(Answers(None), lake_uri)
    assert len(now.curve.dates) == 30
    assert (now.provenance["generation"], now.provenance["batch_files_since"]) == (1, 1)


def test_a_folder_that_cannot_be_written_to_is_one_line_and_exit_1(mine: str, lake: str) -> None:
    Path("taken").write_text("a file")
    ran = run_backtest("BuyAndHold", lake, "-o", "taken")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "cannot write" in ran.err


def test_the_settings_of_a_run_are_enough_to_run_it_again(mine: str, lake: str) -> None:
    """What `result.json` says of the setup is a configuration file, but for how it is written."""
    found = json.loads(run_backtest("BuyAndHold", lake, "--symbols", "AAA", "--json").out)["setup"]
    lines = [f"{name} = {json.dumps(value)}" for name, value in found.items() if value is not None and name != "params"]
    text = "\n".join([*lines, "[params]", *(f"{name} = {value}" for name, value in found["params"].items())])
    assert tomllib.loads(text)["strategy"] == "BuyAndHold"
    again = run_cli("backtest", "--config", configured(mine, text), "--lake", lake, "--json")
    assert json.loads(again.out)["setup"] == found
