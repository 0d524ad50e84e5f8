"""The Python client has the rows of the lake, and its errors are those of the Python interface."""

from __future__ import annotations

from typing import Any

import pytest
from polars.testing import assert_frame_equal

from stockstream import analytics
from stockstream.sql.errors import StockStreamError, UsageError
from tests.analytics.serving.server import Server


def test_frames_are_those_of_the_lake(server: Server, lake: str) -> None:
    remote = analytics.remote(server.address + "/")
    with analytics.connect(lake) as con:
        columns = "symbol, date, open, high, low, close, volume"
        for adjustment, view in (("raw", "bars_as_traded"), ("all", "bars_adjusted")):
            expected = con.sql(f"SELECT {columns} FROM {view} ORDER BY symbol, date").pl()
            assert len(expected) > 10_000  # several pages
            assert_frame_equal(remote.bars(adjustment=adjustment), expected, rel_tol=1e-12, abs_tol=0)
    assert remote.bars("ibm,AAPL", "2013-02-28", "2013-03-01")["symbol"].to_list() == ["AAPL"] * 2 + ["IBM"] * 2
    local = analytics.indicators(["rsi_14", "macd"], lake, src="bars_split_adjusted", symbols="IBM")
    assert_frame_equal(remote.indicators("IBM", ["rsi_14", "macd"]), local, rel_tol=1e-9, abs_tol=1e-12)


@pytest.mark.parametrize(
    ("ask", "kind", "text"),
    [
        (lambda remote: remote.bars("IBMM"), UsageError, "did you mean IBM?"),
        (lambda remote: remote.bars(timeframe="2d"), UsageError, "timeframe"),
        (lambda remote: remote.bars(start="2013-13-01"), UsageError, "start"),
        (lambda remote: remote.indicators("IBM", "rssi"), UsageError, "rsi"),
        (lambda remote: remote.indicators("../status", "rsi"), UsageError, "no bars of ../STATUS"),
    ],
)
def test_what_is_wrong_is_named(server: Server, ask: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text.replace("?", r"\?")):
        ask(analytics.remote(server.address))


def test_no_server() -> None:
    with pytest.raises(StockStreamError, match="cannot be reached"):
        analytics.remote("http://127.0.0.1:1").bars("IBM")
