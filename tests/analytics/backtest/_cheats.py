"""Strategies that look ahead, each in another way, as their docstrings say; the tests load this file as a user's.

`test_lookahead_kinds.py` says what the check reports of each.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import sys
from pathlib import Path

import duckdb

from stockstream import analytics
from stockstream.analytics.backtest import Action, Strategy

LAKE = os.environ.get("STOCKSTREAM_LAKE", "./lake")
MEMO: dict[str, bool] = {}
NEXT = "SELECT symbol, date, lead(close) OVER (PARTITION BY symbol ORDER BY date) AS later FROM bars_as_traded"


def follow(up, symbol, portfolio):
    """Hold a symbol while a condition is true."""
    if up and symbol not in portfolio.positions:
        return Action.buy(10)
    return Action.close() if not up and symbol in portfolio.positions else None


class LaterClose(Strategy):
    """The next close, through lead() in the query, each day."""

    query = NEXT

    def on_data(self, date, symbol, data, portfolio):
        return follow(data.later is not None and data.later > data.close, symbol, portfolio)


class MonthlyPeek(Strategy):
    """The same in the first session of a month only."""

    query = NEXT

    def on_data(self, date, symbol, data, portfolio):
        months = self.__dict__.setdefault("months", {})
        if months.get(symbol) == date.month:
            return None
        months[symbol] = date.month
        return follow(data.later is not None and data.later > data.close, symbol, portfolio)


class RarePeek(Strategy):
    """An honest rule that also buys on the day before one of the largest rises."""

    query = NEXT
    columns = ("sma(3)", "sma(9)")

    def on_data(self, date, symbol, data, portfolio):
        if data.sma_9 is None:
            return None
        is_eve = data.later is not None and data.later > 1.06 * data.close
        return follow(data.sma_3 > data.sma_9 or is_eve, symbol, portfolio)


class CentredMean(Strategy):
    """A mean with rows FOLLOWING."""

    query = """
        SELECT symbol, date,
            avg(close) OVER (PARTITION BY symbol ORDER BY date ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING) AS mid
        FROM bars_as_traded
    """

    def on_data(self, date, symbol, data, portfolio):
        return follow(data.close < data.mid, symbol, portfolio)


class ZScoreOfAll(Strategy):
    """The mean and the deviation of the whole history."""

    query = """
        SELECT symbol, date,
            (close - avg(close) OVER (PARTITION BY symbol)) / stddev(close) OVER (PARTITION BY symbol) AS z
        FROM bars_adjusted
    """

    def on_data(self, date, symbol, data, portfolio):
        return follow(data.z < -0.5, symbol, portfolio)


class AdjustedBack(Strategy):
    """The level of prices that are adjusted back from the last day."""

    query = "SELECT symbol, date, close AS today FROM bars_adjusted"

    def on_data(self, date, symbol, data, portfolio):
        return follow(data.today < 0.62 * data.close, symbol, portfolio)


class StoredAdjusted(Strategy):
    """The same with the source's adjusted closes."""

    query = "SELECT symbol, date, adjusted_close / close AS share FROM bars"

    def on_data(self, date, symbol, data, portfolio):
        return follow(data.share < 0.99, symbol, portfolio)


class StoredPrices(Strategy):
    """The prices as stored, which contain later splits."""

    query = "SELECT symbol, date, close AS stored FROM bars"

    def on_data(self, date, symbol, data, portfolio):
        return follow(data.stored < 0.9 * data.close, symbol, portfolio)


class WeekOnMonday(Strategy):
    """The close of the week before it is over."""

    query = """
        SELECT b.symbol, b.date, w.close AS weekly FROM bars_split_adjusted AS b
        JOIN bars_weekly AS w ON w.symbol = b.symbol AND b.date BETWEEN w.first_date AND w.ends_on
    """

    def on_data(self, date, symbol, data, portfolio):
        return follow(data.weekly is not None and data.weekly > data.close, symbol, portfolio)


class OwnConnection(Strategy):
    """`analytics.connect` inside the strategy."""

    def on_start(self, symbols, portfolio):
        with analytics.connect() as con:
            self.later = {(symbol, day): close for symbol, day, close in con.sql(NEXT).fetchall()}

    def on_data(self, date, symbol, data, portfolio):
        later = self.later[symbol, date]
        return follow(later is not None and later > data.close, symbol, portfolio)


class NamedLake(OwnConnection):
    """The same with the absolute path of the lake as a parameter."""

    def __init__(self, lake: str = "") -> None:
        self.lake = lake

    def on_start(self, symbols, portfolio):
        with analytics.connect(self.lake) as con:
            self.later = {(symbol, day): close for symbol, day, close in con.sql(NEXT).fetchall()}


class QueryByPath(LaterClose):
    """The query reads the Parquet files by their path."""

    query = f"""
        SELECT symbol, date, lead(close) OVER (PARTITION BY symbol ORDER BY date) AS later
        FROM read_parquet('{LAKE}/silver/bars/*.parquet', union_by_name = true)
    """


class DuckDBByPath(Strategy):
    """A connection of its own reads the files of the lake itself."""

    def __init__(self, lake: str = "") -> None:
        self.lake = lake

    def on_start(self, symbols, portfolio):
        files = f"read_parquet('{self.lake}/silver/bars/*.parquet', union_by_name = true)"
        with duckdb.connect() as con:
            rows = con.sql(NEXT.replace("bars_as_traded", files)).fetchall()
        self.later = {(symbol, day): close for symbol, day, close in rows}

    def on_data(self, date, symbol, data, portfolio):
        later = self.later[symbol, date]
        return follow(later is not None and later > data.close, symbol, portfolio)


class FilesInPython(Strategy):
    """The files are opened in Python."""

    def __init__(self, lake: str = "") -> None:
        self.lake = lake

    def on_start(self, symbols, portfolio):
        newest = max(Path(self.lake, "state").glob("*.json"))
        self.days = len(newest.read_text())

    def on_data(self, date, symbol, data, portfolio):
        return follow(date.day < self.days % 28, symbol, portfolio)


class ArrowByPath(Strategy):
    """The files are opened by code that is not Python: Arrow's reader."""

    def __init__(self, lake: str = "") -> None:
        self.lake = lake

    def on_start(self, symbols, portfolio):
        import pyarrow as pa

        self.size = sum(pa.OSFile(str(file)).size() for file in Path(self.lake, "silver", "bars").glob("*.parquet"))

    def on_data(self, date, symbol, data, portfolio):
        return follow(date.day < self.size % 28, symbol, portfolio)


class OtherFile(Strategy):
    """A file outside of the lake, which may have later bars."""

    def __init__(self, lake: str = "") -> None:
        self.path = Path(f"{lake}-notes.json")
        if not self.path.exists():
            self.path.write_text(json.dumps({"day": 12}))

    def on_data(self, date, symbol, data, portfolio):
        return follow(date.day < json.loads(self.path.read_text())["day"], symbol, portfolio)


class Server(Strategy):
    """A server that may send later bars; here, one that must not even be asked."""

    def on_start(self, symbols, portfolio):
        import socket

        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            with socket.create_connection(server.getsockname()):
                pass

    def on_data(self, date, symbol, data, portfolio):
        return follow(date.day < 12, symbol, portfolio)


class NextRow(Strategy):
    """The rows of later sessions in the block that `data` is a view of."""

    def on_data(self, date, symbol, data, portfolio):
        closes, row = data._columns["close"], data._row
        later = closes[row + 3] if row + 3 < len(closes) else None
        return follow(later is not None and later > data.close, symbol, portfolio)


class Frames(Strategy):
    """The same, in the variables of the functions that call it."""

    def on_data(self, date, symbol, data, portfolio):
        frame = sys._getframe()
        while frame is not None and "block" not in frame.f_locals:
            frame = frame.f_back
        closes = frame.f_locals["block"].close if frame is not None else []
        later = closes[data._row + 3] if data._row + 3 < len(closes) else None
        return follow(later is not None and later > data.close, symbol, portfolio)


class LastDates(Strategy):
    """The last date per symbol."""

    query = "SELECT symbol, date, max(date) OVER (PARTITION BY symbol) AS last FROM bars"

    def on_data(self, date, symbol, data, portfolio):
        return follow(data.last > dt.date(2022, 1, 1), symbol, portfolio)


class BarsLeft(Strategy):
    """The number of bars that are left."""

    query = """
        SELECT symbol, date,
            count(*) OVER (PARTITION BY symbol ORDER BY date ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS rest
        FROM bars
    """

    def on_data(self, date, symbol, data, portfolio):
        return follow(data.rest > 60, symbol, portfolio)


class NewestDay(Strategy):
    """max(date) of the lake."""

    query = "SELECT symbol, date, (SELECT max(date) FROM bars) AS newest FROM bars"

    def on_data(self, date, symbol, data, portfolio):
        return follow((data.newest - date).days > 90, symbol, portfolio)


class Calendar(Strategy):
    """The end of the calendar, which is that of the year after the last run."""

    query = "SELECT symbol, date, (SELECT max(date) FROM sessions) AS through FROM bars"

    def on_data(self, date, symbol, data, portfolio):
        return follow(data.through.year > date.year + 1, symbol, portfolio)


class ExDividendTomorrow(Strategy):
    """The dividend of the next session."""

    query = "SELECT symbol, date, lead(dividend) OVER (PARTITION BY symbol ORDER BY date) AS soon FROM bars_as_traded"

    def on_data(self, date, symbol, data, portfolio):
        return follow(bool(data.soon), symbol, portfolio)


class SplitSoon(Strategy):
    """A split within five sessions."""

    query = """
        SELECT symbol, date, lead(split_ratio, 5) OVER (PARTITION BY symbol ORDER BY date) AS soon
        FROM bars_as_traded
    """

    def on_data(self, date, symbol, data, portfolio):
        return follow(data.soon not in (None, 1.0), symbol, portfolio)


class WhoWillExist(Strategy):
    """The number of symbols that will have a bar one day."""

    def on_start(self, symbols, portfolio):
        self.size = 100 // len(symbols)

    def on_data(self, date, symbol, data, portfolio):
        return Action.buy(self.size) if symbol not in portfolio.positions else None


class ListedToday(Strategy):
    """The newest list of companies: those that have survived."""

    query = (
        "SELECT b.symbol, b.date, s.symbol IS NOT NULL AS lives FROM bars AS b LEFT JOIN symbols AS s USING (symbol)"
    )

    def on_data(self, date, symbol, data, portfolio):
        return follow(data.lives, symbol, portfolio)


class DelistedSoon(Strategy):
    """The end of a listing, before it is published."""

    query = """
        SELECT b.symbol, b.date, m.valid_to IS NULL AS stays
        FROM bars AS b JOIN metadata AS m ON m.symbol = b.symbol
    """

    def on_data(self, date, symbol, data, portfolio):
        return follow(data.stays, symbol, portfolio)


class SecondRun(Strategy):
    """A global that remembers the first run of the process."""

    def on_data(self, date, symbol, data, portfolio):
        return follow(date.day < (20 if MEMO else 10), symbol, portfolio)

    def on_finish(self, portfolio):
        MEMO["done"] = True


class FileMemo(Strategy):
    """A file that remembers the first run."""

    def __init__(self, lake: str = "") -> None:
        self.path = Path(f"{lake}-memo.json")

    def on_start(self, symbols, portfolio):
        self.limit = 20 if self.path.exists() else 10

    def on_data(self, date, symbol, data, portfolio):
        return follow(date.day < self.limit, symbol, portfolio)

    def on_finish(self, portfolio):
        self.path.write_text("{}")


class Chance(Strategy):
    """Chance without a seed."""

    def on_data(self, date, symbol, data, portfolio):
        return Action.buy(1) if random.random() < 0.1 else None


class UnusedPeek(Strategy):
    """A later close that no decision uses: nothing is proved, and the column is named."""

    query = NEXT

    def on_data(self, date, symbol, data, portfolio):
        return follow(date.day < 12, symbol, portfolio)


class Idle(Strategy):
    """No decision at all."""

    def on_data(self, date, symbol, data, portfolio):
        return None
