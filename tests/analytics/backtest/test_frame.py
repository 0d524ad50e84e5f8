"""`backtest(df=…)`: a frame of the user's instead of a lake, with the same result to the last bit."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from stockstream.analytics.backtest import BuyAndHold, MovingAverageCrossover, Result, backtest
from stockstream.sql.errors import ArgumentError, UsageError
from tests.analytics.backtest._bars import FREE, connection, table
from tests.analytics.backtest._crossover import Crossover

BARS = "\n".join(
    f"{symbol} {day} {close} {close + 1} {close - 1} {close} 1000"
    f"{' dividend=0.5' if day == 30 else ''}{' split=2' if day == 45 and symbol == 'AAA' else ''}"
    for symbol, phase in (("AAA", 0), ("BBB", 7))
    for day in range(1, 80)
    for close in [(50 + (day + phase) % 20 - (day % 7)) / (2 if day >= 45 and symbol == "AAA" else 1)]
)


def figures(result: Result) -> Any:
    return result.metrics, result.ledger, result.transactions, result.curve.equity.tolist(), result.setup


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "arrow"])
def test_a_frame_is_traded_as_the_same_table_of_a_connection_is(kind: str) -> None:
    bars = table(BARS)
    frame = pl.DataFrame(bars)
    frames = {"polars": frame, "lazy": frame.lazy(), "pandas": frame.to_pandas(), "arrow": bars}
    con = connection()
    con.register("same_bars", bars)
    settings = {**FREE, "benchmark": "BBB", "start": "2024-01-05"}
    expected = backtest(MovingAverageCrossover(fast=3, slow=8), con=con, src="same_bars", **settings)
    result = backtest(MovingAverageCrossover(fast=3, slow=8), df=frames[kind], **settings)
    assert len(expected.transactions) > 4
    assert {entry.kind for entry in result.ledger} >= {"dividend", "buy", "sell"}
    assert figures(result) == figures(expected)


def test_the_provenance_is_the_frame_and_not_a_place() -> None:
    frame = pl.DataFrame(table(BARS))
    first, again = (backtest(Crossover(), df=frame, **FREE).provenance for _ in range(2))
    other = backtest(Crossover(), df=frame.head(100), **FREE).provenance
    assert first == again
    assert (first["lake"], first["source"], first["rows"]) == (None, "df", frame.height)
    assert first["sha256"] != other["sha256"]


def test_the_bars_of_the_lake_have_the_result_of_the_lake(demo: str) -> None:
    from stockstream import analytics

    days = "date BETWEEN '2004-01-01' AND '2006-12-31' AND symbol IN ('AAPL', 'IBM')"
    frame = analytics.connect(demo).sql(f"FROM bars_as_traded WHERE {days} ORDER BY symbol, date").pl()
    settings = {"symbols": ["AAPL", "IBM"], "start": "2004-01-01", "end": "2006-12-31"}
    assert figures(backtest(BuyAndHold(), df=frame, **settings)) == figures(backtest(BuyAndHold(), demo, **settings))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop("low", "volume"), "df: it has no column low, volume"),
        (lambda frame: frame.vstack(frame[:1]), "df: 2 rows are of AAA on 2024-01-01: keep one of them"),
        (lambda frame: frame.reverse(), "df: 2024-01-01 of AAA comes after 2024-01-02: sort the frame"),
        (lambda frame: frame.with_columns(close=float("nan")), "df: the close of AAA on 2024-01-01 is nan (158 such"),
        (lambda frame: frame.with_columns(split_ratio=None), "df: the split_ratio of AAA on 2024-01-01 is missing"),
        (lambda frame: "bars.csv", "df: a str is no frame"),
    ],
)
def test_a_frame_that_cannot_be_traded_is_one_message(change: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        backtest(Crossover(), df=change(pl.DataFrame(table(BARS))), **FREE)
    assert str(error.value).startswith(message)


def test_a_frame_stands_in_place_of_a_lake() -> None:
    frame = pl.DataFrame(table(BARS))
    for others in ({"lake": "lake"}, {"con": connection()}, {"src": "bars"}, {"as_of": 3}):
        with pytest.raises(ArgumentError, match="df: a frame stands in place of lake, con, src and as_of"):
            backtest(Crossover(), df=frame, **others)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no bars of ZZZ"):
        backtest(Crossover(), df=frame, symbols=["ZZZ"])
