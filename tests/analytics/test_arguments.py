"""Arguments of the Python interface: what is accepted, and errors that start with the argument's name."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stockstream import analytics
from stockstream.analytics.backtest import Setup, backtest, search, verify
from stockstream.analytics.backtest.strategies import SHIPPED
from stockstream.pipeline.configuration import SettingWarning, settings
from stockstream.pipeline.symbols import canonical, matching, split_symbols, yahoo_code
from stockstream.sql.errors import ArgumentError, NoLake, UsageError
from stockstream.sql.session import LakeWarning
from tests.analytics.test_cli_slips import template

__all__ = ["template"]  # a fixture

FRAME = pl.DataFrame({"symbol": ["BHP"]})
HOLD = SHIPPED["BuyAndHold"]


@pytest.fixture(scope="module")
def lake(template: Path) -> str:
    return str(template)


def test_a_text_is_a_list_of_symbols(lake: str) -> None:
    aggregator = analytics.DataAggregator(lake)
    expected = aggregator.load_symbols(["BHP"])
    assert expected.height == 2
    for symbols in ("BHP", "bhp", ("bhp",), ["BHP", "bhp"], pl.Series(["BHP"])):
        assert aggregator.load_symbols(symbols).equals(expected)  # type: ignore[arg-type]
    assert aggregator.scan_symbols("BCPC,").collect()["symbol"].unique().to_list() == ["BCPC"]
    assert set(aggregator.load_symbols('"A,B",BCpC')["symbol"]) == {"A,B", "BCpC"}
    assert aggregator.load_symbols([]).height == 0
    assert set(analytics.indicators("sma_2", lake, symbols="^axjo")["symbol"]) == {"^AXJO"}
    assert backtest(HOLD(), lake, symbols="bhp").setup["symbols"] == ["BHP"]


def test_a_lake_may_be_a_path(lake: str) -> None:
    assert analytics.connect(Path(lake)).sql("SELECT count(*) FROM bars").fetchall() == [(16,)]
    assert analytics.DataAggregator(Path(lake)).load_all_data().height == 16
    assert backtest(HOLD(), Path(lake), symbols=["BHP"]).curve.dates[0] == date(2026, 11, 16)


@pytest.mark.parametrize("day", ["2026-11-17", date(2026, 11, 17), datetime(2026, 11, 17, 9, 30)])
def test_a_day_is_a_text_or_a_date_everywhere(day: Any, lake: str) -> None:
    aggregator = analytics.DataAggregator(lake)
    assert aggregator.load_date(day).height == 8
    assert aggregator.load_date_range(day, day).height == 8
    assert analytics.indicators("sma_2", lake, start=day, end=day).height == 8
    assert Setup(start=day, end=day).start == date(2026, 11, 17)
    assert backtest(HOLD(), lake, symbols="BHP", start=day).curve.dates == [date(2026, 11, 17)]
    assert analytics.connect(lake, as_of="9999-01-01").sql("SELECT count(*) FROM bars").fetchall() == [(16,)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda lake: analytics.connect(FRAME), "lake: a DataFrame is no lake"),
        (lambda lake: analytics.connect([lake]), "lake: a list is no lake"),
        (lambda lake: analytics.connect(""), "lake: '' is no lake"),
        (lambda lake: analytics.connect(lake, as_of=[1]), "as_of: [1] is no generation"),
        (lambda lake: analytics.DataAggregator(FRAME), "lake: a DataFrame is no lake"),
        (lambda lake: analytics.DataAggregator(lake).load_symbols(None), "symbols: None is no text"),
        (lambda lake: analytics.DataAggregator(lake).load_symbols([5]), "symbols: 5 is no text"),
        (lambda lake: analytics.DataAggregator(lake).load_date(20261117), "day: 20261117 is no day"),
        (lambda lake: analytics.DataAggregator(lake).load_date_range(None, "2026-11-17"), "start: None is no day"),
        (lambda lake: analytics.DataAggregator(lake).load_date("٢٠٢٦-١١-١٧"), "day ٢٠٢٦-١١-١٧: write a day"),
        (lambda lake: analytics.indicators(None, lake), "requests: None is no text"),
        (lambda lake: analytics.indicators("rsi", lake, src=None), "src: None is no name"),
        (lambda lake: analytics.indicators("rsi", lake, src=FRAME), "src: a DataFrame is no name"),
        (lambda lake: analytics.indicators("rsi", lake, start=5), "start: 5 is no day"),
        (lambda lake: analytics.indicators("rsi", lake, start="2026-11-17", end="2026-11-16"), "the range ends"),
        (lambda lake: analytics.indicators("rsi", lake, sql_path=5), "sql_path: 5 is no path"),
        (lambda lake: analytics.symbols_on(None, lake), "day: None is no day"),
        (lambda lake: analytics.symbols_on("2026-11-17", FRAME), "lake: a DataFrame is no lake"),
        (lambda lake: backtest(HOLD, lake), "is no strategy: write BuyAndHold()"),
        (lambda lake: backtest("BuyAndHold", lake), "strategy: 'BuyAndHold' is no strategy"),
        (lambda lake: backtest(HOLD(), FRAME), "lake: a DataFrame is no lake"),
        (lambda lake: backtest(HOLD(), con=FRAME), "con: a DataFrame is no connection"),
        (lambda lake: verify(HOLD(), lake), "makes no strategy"),
        (lambda lake: search(HOLD(), [{}], lake), "name a subclass of Strategy, not an instance"),
    ],
)
def test_an_error_names_the_argument(call: Callable[[Any], Any], message: str, lake: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)) as caught:
        call(lake)
    assert isinstance(caught.value, UsageError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"symbols": 5}, "symbols: 5 is no text"),
        ({"symbols": ["BHP", None]}, "symbols: None is no text"),
        ({"start": 20200101}, "start: Input should be a valid date"),
        ({"benchmark": ["BHP"]}, "benchmark: a list is no name"),
    ],
)
def test_a_setting_of_the_wrong_kind(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Setup.of(**settings)


def test_an_unknown_symbol_is_an_error(lake: str) -> None:
    with pytest.raises(UsageError, match=r"no bars of BPH in bars; did you mean BHP\?"):
        analytics.DataAggregator(lake).load_symbols("BPH")
    with pytest.raises(UsageError, match="bcpc may be BCPC or BCpC"):
        analytics.DataAggregator(lake).load_symbols("bcpc")


def test_no_lake_is_a_warning_of_a_connection_and_an_error_of_an_answer(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    with pytest.warns(
        LakeWarning, match="nowhere is no lake: there is no such folder.*; its views are empty"
    ) as caught:
        con = analytics.connect(nowhere)
    assert caught[0].filename == __file__
    days = "DATE '2026-11-16' + CAST(range AS INTEGER)"
    con.sql(f"CREATE TABLE mine AS SELECT 'X' AS symbol, {days} AS date, 1.0 AS close FROM range(3)")
    assert con.sql("SELECT count(*) FROM sma('mine', 2)").fetchall() == [(3,)]
    with pytest.warns(LakeWarning, match="the frames are empty"):
        assert analytics.DataAggregator(nowhere).load_symbols("BHP").height == 0
    for call in (lambda: analytics.indicators("rsi", nowhere), lambda: backtest(HOLD(), nowhere)):
        with pytest.raises(NoLake, match="is no lake: there is no such folder"):
            call()
    with pytest.raises(UsageError, match="has no generation 1"):
        analytics.connect(nowhere, as_of=1)
    with pytest.raises(NoLake):
        analytics.indicators("rsi", nowhere, as_of=1)
    assert not Path(nowhere).exists()


def test_an_unknown_variable_is_a_warning_in_python(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_LAEK", "elsewhere")
    settings.cache_clear()
    with pytest.warns(SettingWarning, match="no setting STOCKSTREAM_LAEK; did you mean STOCKSTREAM_LAKE"):
        settings()
    monkeypatch.delenv("STOCKSTREAM_LAEK")
    settings.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settings()


# --- the rule of symbols


def test_a_name_without_a_capital_is_stored_in_upper_case() -> None:
    names = ["aapl", "AAPL", "BCpC", " brk.b ", "^axjo", "audusd=x", "1ad"]
    assert [canonical(name) for name in names] == ["AAPL", "AAPL", "BCpC", "BRK.B", "^AXJO", "AUDUSD=X", "1AD"]


def test_names_are_separated_by_commas_and_quoted_as_in_csv() -> None:
    assert split_symbols('bhp, CBA,,"A,B", BC PRA,bhp', "x") == ("bhp", "CBA", "A,B", "BC PRA")
    assert split_symbols("B" * 32, "x") == ("B" * 32,)
    for text in ("", " , ", "B" * 33, "B\nHP", "B\x00", "B\u200bHP"):
        with pytest.raises(UsageError, match=r"^x: .* is no symbol"):
            split_symbols(text, "x")


def test_a_name_is_matched_exactly_then_by_any_case() -> None:
    stored = ["BCPC", "BCpC", "BHP"]
    assert matching(["BCpC", "BCPC", "bhp", "BHP"], stored, "{names}") == ("BCpC", "BCPC", "BHP")
    with pytest.raises(
        UsageError, match=r"^bcpc may be BCPC or BCpC: write the one that is meant, in its letter case$"
    ):
        matching(["bcpc"], stored, "{names}")
    with pytest.raises(UsageError, match=r"^no bars of BPH, XYZ; did you mean BHP\?$"):
        matching(["bph", "xyz"], ["BHP"], "no bars of {names}")


def test_yahoo_has_its_own_names_of_indices_and_currencies() -> None:
    names = ("BHP", "BRK.B", "^AXJO", "AUDUSD=X")
    assert [yahoo_code(name, ".AX") for name in names] == ["BHP.AX", "BRK-B.AX", "^AXJO", "AUDUSD=X"]
