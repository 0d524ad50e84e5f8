"""Strategies that do not look ahead, of many kinds. The check must clear each of them."""

from __future__ import annotations

import math
import random
from collections import deque
from statistics import fmean, pstdev

from stockstream import analytics
from stockstream.analytics.backtest import Action, Strategy, rebalance


class Daily(Strategy):
    """Decides each day, on an indicator and lags in its query."""

    query = "SELECT symbol, date, lag(close) OVER (PARTITION BY symbol ORDER BY date) AS before FROM bars_as_traded"
    columns = ("adjusted_close", "psar", "ema(12, volume)")

    def on_data(self, date, symbol, data, portfolio):
        if data.before is None or data.psar is None:
            return None
        if data.close > 1.02 * data.before and data.close > data.psar:
            return Action.buy(1 + int(data.adjusted_close))
        return Action.close() if data.close < data.psar and symbol in portfolio.positions else None


class Monthly(Strategy):
    """Rebalances in the first session of a month."""

    columns = ("roc(20)",)

    def on_start(self, symbols, portfolio):
        self.month, self.rates = 0, dict.fromkeys(symbols)

    def on_data(self, date, symbol, data, portfolio):
        self.rates[symbol] = data.roc_20

    def on_bar_end(self, date, portfolio):
        if date.month == self.month:
            return None
        self.month = date.month
        rising = [symbol for symbol, rate in self.rates.items() if rate is not None and rate > 0]
        return rebalance(portfolio, dict.fromkeys(rising, 80 / max(len(rising), 1)))


class FinishedWeeks(Strategy):
    """Joins the last week that is over, from the stored bars."""

    query = """
        SELECT b.symbol, b.date, w.close AS weekly FROM bars_split_adjusted AS b
        ASOF JOIN (SELECT symbol, ends_on, close FROM bars_weekly) AS w
            ON w.symbol = b.symbol AND w.ends_on < b.date
    """

    def on_data(self, date, symbol, data, portfolio):
        before, self.__dict__[symbol] = self.__dict__.get(symbol), data.weekly
        if data.weekly is None or before is None or before == data.weekly:
            return None
        if before < data.weekly and symbol not in portfolio.positions:
            return Action.buy(10)
        return Action.close() if before > data.weekly and symbol in portfolio.positions else None


class RollingScore(Strategy):
    """A z-score of the last 20 bars, in SQL, on returns, which a later split does not change."""

    query = """
        SELECT symbol, date, (r - avg(r) OVER w) / nullif(stddev(r) OVER w, 0) AS z
        FROM (SELECT symbol, date, ln(close / lag(close) OVER (PARTITION BY symbol ORDER BY date)) AS r
              FROM bars_split_adjusted)
        WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN 19 PRECEDING AND CURRENT ROW)
    """

    def on_data(self, date, symbol, data, portfolio):
        if data.z is None:
            return None
        if data.z < -1.5 and symbol not in portfolio.positions:
            return Action.buy(10)
        return Action.close() if data.z > 1 and symbol in portfolio.positions else None


class Memory(Strategy):
    """Keeps prices of its own, and counts its fills."""

    def on_start(self, symbols, portfolio):
        self.closes = {symbol: deque(maxlen=15) for symbol in symbols}
        self.fills = 0

    def on_order_filled(self, order, portfolio):
        self.fills += 1

    def on_data(self, date, symbol, data, portfolio):
        closes = self.closes[symbol]
        closes.append(data.close)
        if len(closes) < 15:
            return None
        if data.close == max(closes) and symbol not in portfolio.positions:
            return Action.buy(5 + self.fills % 3)
        return Action.close() if data.close == min(closes) and symbol in portfolio.positions else None


class Pair(Strategy):
    """Trades the ratio of two symbols."""

    def on_start(self, symbols, portfolio):
        self.spreads, self.closes = deque(maxlen=25), {}

    def on_data(self, date, symbol, data, portfolio):
        self.closes[symbol] = data.close

    def on_bar_end(self, date, portfolio):
        if not {"AAA", "CCC"} <= self.closes.keys():
            return None
        self.spreads.append(math.log(self.closes["AAA"] / self.closes["CCC"]))
        spread = pstdev(self.spreads)
        if len(self.spreads) < 25 or not spread:
            return None
        score = (self.spreads[-1] - fmean(self.spreads)) / spread
        if abs(score) > 1.5 and not portfolio.positions:
            leg = math.copysign(30, score)
            return rebalance(portfolio, {"AAA": -leg, "CCC": leg})
        return rebalance(portfolio, {}) if abs(score) < 0.4 and portfolio.positions else None


class ListedThatDay(Strategy):
    """Trades the companies that were listed on the day."""

    query = """
        SELECT b.symbol, b.date, m.symbol IS NOT NULL AS is_listed
        FROM bars AS b LEFT JOIN metadata AS m
            ON m.symbol = b.symbol AND m.valid_from <= b.date AND (m.valid_to > b.date OR m.valid_to IS NULL)
    """

    def on_data(self, date, symbol, data, portfolio):
        if data.is_listed and symbol not in portfolio.positions:
            return Action.buy(10)
        is_due = not data.is_listed or date.day % 10 == 0
        return Action.close() if is_due and symbol in portfolio.positions else None


class Seeded(Strategy):
    """Decides at random, from a fixed seed."""

    def on_start(self, symbols, portfolio):
        self.chance = random.Random(7)

    def on_data(self, date, symbol, data, portfolio):
        draw = self.chance.random()
        return Action.buy(1) if draw < 0.05 else Action.sell(1) if draw > 0.95 else None


class AllOrders(Strategy):
    """Uses every type of order, with prices that depend on the close."""

    def on_data(self, date, symbol, data, portfolio):
        close, day = data.close, date.toordinal()
        if portfolio.open_orders(symbol) and day % 5 == 0:
            return Action.cancel()
        if symbol in portfolio.positions:
            return [Action.sell(3, trail_percent=4), Action.sell(2, limit=1.05 * close)] if day % 3 == 0 else None
        kinds = (
            Action.buy(10),
            Action.buy(10, limit=0.99 * close),
            Action.buy(10, stop=1.01 * close),
            Action.buy(10, stop=1.01 * close, limit=1.02 * close),
            Action.buy(10, trail=0.02 * close),
            Action.buy(10, stop_loss=0.95 * close, take_profit=1.05 * close),
            Action.buy(10, limit=0.995 * close, day=True),
        )
        return kinds[day % len(kinds)]


class OwnPast(Strategy):
    """Opens the lake itself, and uses only earlier days."""

    def on_start(self, symbols, portfolio):
        text = "SELECT symbol, date, lag(close, 5) OVER (PARTITION BY symbol ORDER BY date) FROM bars_split_adjusted"
        with analytics.connect() as con:
            rows = con.sql(f"SELECT symbol, date, close / before FROM ({text}) AS b (symbol, date, before) "
                           "JOIN bars_split_adjusted USING (symbol, date)").fetchall()  # fmt: skip
        self.changes = {(symbol, day): change for symbol, day, change in rows}

    def on_data(self, date, symbol, data, portfolio):
        change = self.changes[symbol, date]
        if change is None:
            return None
        if change > 1.03 and symbol not in portfolio.positions:
            return Action.buy(10)
        return Action.close() if change < 0.98 and symbol in portfolio.positions else None


class Printing(Strategy):
    """Prints, and writes a log, which nothing reads."""

    columns = ("rsi(5)",)

    def on_data(self, date, symbol, data, portfolio):
        print(date, symbol)
        if data.rsi_5 is None:
            return None
        if data.rsi_5 < 30 and symbol not in portfolio.positions:
            return Action.buy(10)
        return Action.close() if data.rsi_5 > 70 and symbol in portfolio.positions else None


class StoredIndicators(Strategy):
    """Joins the stored indicators of its day."""

    query = "SELECT symbol, date, rsi_14 FROM indicators"

    def on_data(self, date, symbol, data, portfolio):
        if data.rsi_14 is None:
            return None
        if data.rsi_14 < 45 and symbol not in portfolio.positions:
            return Action.buy(10)
        return Action.close() if data.rsi_14 > 55 and symbol in portfolio.positions else None


class AdjustedReturns(Strategy):
    """Returns of the source's adjusted closes, which do not depend on the day of the fetch."""

    query = """
        SELECT symbol, date, adjusted_close / lag(adjusted_close, 10) OVER (PARTITION BY symbol ORDER BY date) AS change
        FROM bars
    """

    def on_data(self, date, symbol, data, portfolio):
        if data.change is None:
            return None
        if data.change > 1.05 and symbol not in portfolio.positions:
            return Action.buy(10)
        return Action.close() if data.change < 0.97 and symbol in portfolio.positions else None
