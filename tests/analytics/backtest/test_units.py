"""Indicators are computed from adjusted prices, and scaled to the prices of the day, without look-ahead."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from stockstream import analytics
from stockstream.analytics.backtest import Action, Data, Portfolio, Strategy, backtest
from stockstream.analytics.backtest.feed import Unit, units_of
from stockstream.sql.catalogue import catalogue
from stockstream.sql.compiler import parse
from stockstream.sql.errors import UsageError
from tests.random_walks import random_walks

EXPECTED = {
    "sma": Unit(1, 0), "ema": Unit(1, 0), "wma": Unit(1, 0), "dema": Unit(1, 0), "tema": Unit(1, 0),
    "kama": Unit(1, 0), "macd": Unit(1, 0), "macd_signal": Unit(1, 0), "bollinger_upper": Unit(1, 0),
    "bollinger_percent": Unit(0, 0), "bollinger_width": Unit(0, 0), "atr": Unit(1, 0), "keltner_upper": Unit(1, 0),
    "donchian_lower": Unit(1, 0), "stddev": Unit(1, 0), "psar": Unit(1, 0), "supertrend": Unit(1, 0),
    "vwap_rolling": Unit(1, 0), "linreg_slope": Unit(1, 0), "momentum": Unit(1, 0), "rsi": Unit(0, 0),
    "stoch_k": Unit(0, 0), "adx": Unit(0, 0), "cci": Unit(0, 0), "roc": Unit(0, 0), "williams_r": Unit(0, 0),
    "mfi": Unit(0, 0), "ultimate": Unit(0, 0), "aroon_up": Unit(0, 0), "trix": Unit(0, 0), "cmf": Unit(0, 0),
    "historical_volatility": Unit(0, 0), "obv": Unit(0, 1), "ad": Unit(0, 1),
}  # fmt: skip


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> object:
    with analytics.connect(str(tmp_path_factory.mktemp("lake"))) as con:
        yield con


def test_each_shipped_indicator_has_a_unit(con: object) -> None:
    names = [column for one in catalogue().newest for column in one.returns]
    units = units_of(con, parse(names, catalogue()))
    assert [name for name, unit in units.items() if unit is None] == []
    assert {name: units[name] for name in EXPECTED} == EXPECTED


def test_the_unit_is_that_of_the_value(con: object) -> None:
    requests = parse(
        ["sma(20, volume)", "sma(20, close * volume) AS money", "sma(20, close + volume) AS odd"], catalogue()
    )
    units = units_of(con, requests)
    assert units == {"sma_20_volume": Unit(0, 1), "money": Unit(1, 1), "odd": None}


class Watching(Strategy):
    """Records the data of each bar."""

    columns = ("sma(5)", "rsi(5)", "obv", "adjusted_close", "sma(5, volume)")

    def __init__(self) -> None:
        self.bars_by_day: dict[date, dict] = {}

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        self.bars_by_day[date] = dict(data)
        return None


def bars_with_actions() -> pl.DataFrame:
    """Return the bars of a symbol as traded, with a four-for-one split on day 100 and a dividend of 3 % on day 160."""
    bars = random_walks(1).head(250).with_columns(pl.lit(0.0).alias("dividend"), pl.lit(1.0).alias("split_ratio"))
    bars = bars.with_columns(pl.int_range(pl.len()).alias("n"), pl.col("volume").cast(pl.Float64))
    prices = ["open", "high", "low", "close"]
    after = pl.col("n") >= 100
    bars = bars.with_columns(*(pl.when(after).then(pl.col(p) / 4).otherwise(pl.col(p)).alias(p) for p in prices))
    return bars.with_columns(
        pl.when(after).then(pl.col("volume") * 4).otherwise(pl.col("volume")).alias("volume"),
        pl.when(pl.col("n") == 100).then(4.0).otherwise(1.0).alias("split_ratio"),
        pl.when(pl.col("n") == 160).then(pl.col("close") * 0.03).otherwise(0.0).alias("dividend"),
    ).drop("n")


def watched(con: object, bars: pl.DataFrame, **settings: str) -> dict[date, dict]:
    con.register("frame", bars.to_arrow())
    con.execute("CREATE OR REPLACE TABLE acted AS SELECT * REPLACE (CAST(date AS DATE) AS date) FROM frame")
    strategy = Watching()
    backtest(strategy, con=con, src="acted", **settings)
    return strategy.bars_by_day


class Comparing(Strategy):
    """Records the beta of each symbol."""

    columns = ("beta(20, 'S001') AS beta", "correlation_returns(20, 'S001') AS correlation")

    def __init__(self) -> None:
        self.rows: dict[tuple[str, date], dict] = {}

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        self.rows[symbol, date] = dict(data)
        return None


@pytest.mark.parametrize("cells", [2_500_000, 100])
def test_a_benchmark_is_one_of_the_symbols(con: object, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the symbols are read in parts, of which most do not contain it; splits change no return."""
    monkeypatch.setattr("stockstream.analytics.backtest.feed.source.CELLS", cells)
    other = random_walks(2).filter(pl.col("symbol") == "S001").head(250)
    actions = other.with_columns(pl.lit(0.0).alias("dividend"), pl.lit(1.0).alias("split_ratio"))
    bars = pl.concat(
        [bars_with_actions(), actions.select(bars_with_actions().columns).cast(bars_with_actions().schema)]
    )
    con.register("frame", bars.to_arrow())
    con.execute("CREATE OR REPLACE TABLE acted AS SELECT * REPLACE (CAST(date AS DATE) AS date) FROM frame")
    strategy = Comparing()
    backtest(strategy, con=con, src="acted")
    days = sorted({day for _, day in strategy.rows})
    assert all(strategy.rows[symbol, days[19]]["beta"] is None for symbol in ("S000", "S001"))
    for day in days[20:]:
        assert strategy.rows["S001", day]["beta"] == pytest.approx(1, rel=1e-9)
        assert abs(strategy.rows["S000", day]["correlation"]) < 1
    with pytest.raises(UsageError, match="the benchmark of beta is S001: add it to the symbols of the run"):
        backtest(Comparing(), con=con, src="acted", symbols=["S000"])


def test_a_split_moves_no_indicator(con: object) -> None:
    """After a four-for-one split, an average of five bars is on the scale of the new prices at once."""
    bars = bars_with_actions().with_columns(pl.lit(0.0).alias("dividend"))
    bars_by_day = list(watched(con, bars).values())
    without = list(watched(con, random_walks(1).head(250)).values())
    for day, (one, other) in enumerate(zip(bars_by_day, without, strict=True)):
        shares = 4 if day >= 100 else 1
        assert one["close"] == pytest.approx(other["close"] / shares, rel=1e-12)
        for name, factor in (("sma_5", 1 / shares), ("obv", shares), ("sma_5_volume", shares), ("rsi_5", 1)):
            expected = None if other[name] is None else pytest.approx(other[name] * factor, rel=1e-9)
            assert one[name] == expected, (day, name)
        assert one["adjusted_close"] == pytest.approx(other["close"], rel=1e-12)


def test_a_dividend_is_reinvested_from_its_day_on(con: object) -> None:
    bars = bars_with_actions()
    bars_by_day = watched(con, bars)
    days, closes = list(bars_by_day), bars["close"].to_list()
    before = days[159], days[160]
    total_return = bars_by_day[before[1]]["adjusted_close"] / bars_by_day[before[0]]["adjusted_close"]
    dividend = bars["dividend"][160]
    assert total_return == pytest.approx(closes[160] / (closes[159] - dividend), rel=1e-12)


def test_what_is_shown_on_a_day_does_not_depend_on_later_bars(con: object) -> None:
    bars = bars_with_actions()
    whole, part = watched(con, bars), watched(con, bars.head(130))
    assert {day: whole[day] for day in part} == part


def test_adjusted_prices_are_traded_on_by_choice(con: object) -> None:
    bars = bars_with_actions()
    for row in watched(con, bars, prices="adjusted").values():
        assert row["close"] == row["adjusted_close"]
