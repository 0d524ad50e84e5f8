"""Results computed without the engine: an SMA crossover on real bars of GOOG, and random trades in thirty symbols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from stockstream.analytics.backtest.model import (
    Bars,
    ClosedPosition,
    Costs,
    Curve,
    Excursion,
    History,
    LedgerEntry,
    Note,
    Order,
    Position,
    Result,
    Status,
    Transaction,
)
from stockstream.analytics.backtest.stats import summary

if TYPE_CHECKING:
    import pandas as pd

CAPITAL, COMMISSION = 100_000.0, 0.001
NO_COSTS = Costs(0, 0, 0, 0)


@cache
def goog() -> pd.DataFrame:
    """Return the daily bars shipped with backtesting.py: 2,148 sessions, August 2004 to March 2013."""
    from backtesting.test import GOOG

    return GOOG


def curve(equity: Sequence[float], dates: Sequence[date] | None = None, **columns: np.ndarray) -> Curve:
    """Return a curve of cash only, by default with one session per calendar day from 2020-01-01."""
    money = np.asarray(equity, dtype=np.float64)
    days = list(dates or [date(2020, 1, 1) + timedelta(days=i) for i in range(len(money))])
    return replace(Curve(days, money, money, np.zeros_like(money), np.zeros_like(money)), **columns)


@cache
def goog_sma() -> Result:
    """Return the crossover of 20 and 50 sessions, which trades at the next open, for 95 % of the equity."""
    bars = goog()
    dates = [day.date() for day in bars.index]
    opens, closes = bars["Open"].tolist(), bars["Close"].tolist()
    fast, slow = (bars["Close"].rolling(n).mean().tolist() for n in (20, 50))
    cash, shares, target, entry = CAPITAL, 0, 0, 0
    equity, long = np.zeros(len(dates)), np.zeros(len(dates))
    fills: list[Transaction] = []
    trades: list[ClosedPosition] = []
    for i, (day, price, close) in enumerate(zip(dates, opens, closes, strict=True)):
        if target != shares:
            fee = abs(target - shares) * price * COMMISSION
            fills.append(Transaction(day, "GOOG", target - shares, price, fee, 0, len(fills) + 1, "market"))
            cash -= (target - shares) * price + fee
            if target:
                entry = i
            else:
                entry_fill = fills[-2]
                fees = entry_fill.commission + fee
                pnl = shares * (price - entry_fill.price) - fees
                paid = shares * entry_fill.price
                trades.append(
                    ClosedPosition(
                        "GOOG", shares, dates[entry], day, entry_fill.price, price, pnl, 100 * pnl / paid, fees, 0.0, ""
                    )
                )
            shares = target
        long[i] = shares * close
        equity[i] = cash + long[i]
        if i >= 50 and fast[i] > slow[i] and not shares:  # as in backtesting.py, which starts after the first averages
            target = int(0.95 * equity[i] / close)
        elif fast[i] < slow[i] and shares:
            target = 0
    result_curve = Curve(dates, equity, equity - long, long, np.zeros_like(long), bars["Close"].to_numpy(np.float64))
    costs = Costs(sum(fill.commission for fill in fills), 0, 0, 0)
    return Result(
        setup={
            "strategy": "sma_crossover",
            "benchmark": "GOOG",
            "parameters": {"fast": 20, "slow": 50, "size": 0.95},
            "capital": CAPITAL,
        },
        provenance={"stock-stream": "0.1.0", "lake": "demo-lake", "generation": 12, "sql": {"sma": "1.0"}},
        curve=result_curve,
        closed_positions=trades,
        open_positions=[
            Position(
                "GOOG", shares, fills[-1].price, dates[entry], True, shares, paid=shares * fills[-1].price
            ).at_price(closes[-1])
        ],
        transactions=fills,
        costs=costs,
        notes=[],
        metrics=summary(result_curve, trades, fills, costs),
        ledger=ledger_of(fills),
        history=History(
            {"GOOG": long},
            [Excursion(-0.05, 0.1)] * len(trades),
            {"GOOG": Bars(*(bars[name].to_numpy(np.float64) for name in ("Open", "High", "Low", "Close")))},
        ),
    )


def ledger_of(fills: Sequence[Transaction]) -> list[LedgerEntry]:
    """Return the ledger of an account that has only fills."""
    return [
        LedgerEntry(fill.date, fill.symbol, "fill", fill.quantity, fill.price, fill.commission, 0.0, 0.0)
        for fill in fills
    ]


@cache
def many(symbols: int = 30, sessions: int = 750, *, trades_each: int = 12) -> Result:
    """Return random trades, long and short, on random walks, with everything that a report shows.

    Every fifth symbol is delisted before the end; the first ones have names that need escaping in HTML.
    """
    rng = np.random.default_rng(7)
    dates = [date(2021, 1, 4) + timedelta(days=i + 2 * (i // 5)) for i in range(sessions)]
    names = ["<B&W>", 'Q"UO', *(f"S{i:03}" for i in range(2, symbols))]
    money = CAPITAL / symbols
    bars: dict[str, Bars] = {}
    holdings: dict[str, np.ndarray] = {}
    trades, fills, still_open, notes = [], [], [], [Note(dates[3], None, "rejected: <cash> & margin")]
    equity, long, short = np.full(sessions, CAPITAL), np.zeros(sessions), np.zeros(sessions)
    for number, name in enumerate(names):
        last = sessions - 1 if number % 5 else sessions * 4 // 5
        close = 20 * np.exp(np.cumsum(rng.normal(0.0004, 0.015, last + 1)))
        missing = np.full(sessions - last - 1, np.nan)
        before = np.r_[close[:1], close[:-1]]
        high, low = np.maximum(close, before) * 1.004, np.minimum(close, before) * 0.996
        bars[name] = Bars(*(np.r_[values, missing] for values in (before, high, low, close)))
        holdings[name] = np.zeros(sessions)
        days = np.sort(rng.choice(np.arange(1, last), 2 * trades_each, replace=False)).tolist()
        for start, end in list(pairwise(days))[::2]:
            quantity = round(money / close[start]) * (1 if rng.random() < 0.7 else -1)
            pnl = float(quantity * (close[end] - close[start])) - 2
            value = quantity * close[start : end + 1]
            (long if quantity > 0 else short)[start:end] += value[:-1]
            holdings[name][start:end] += value[:-1]
            equity[start : end + 1] += value - value[0]
            equity[end + 1 :] += value[-1] - value[0]
            equity[end:] -= 2
            for day, sign in ((start, 1), (end, -1)):
                fills.append(
                    Transaction(dates[day], name, sign * quantity, float(close[day]), 1, 0.5, len(fills) + 1, "market")
                )
            entry, exit_ = float(close[start]), float(close[end])
            percent = 100 * pnl / abs(quantity * entry)
            reason = "stop-loss" if rng.random() < 0.2 else ""
            trades.append(
                ClosedPosition(name, quantity, dates[start], dates[end], entry, exit_, pnl, percent, 2.0, 0.0, reason)
            )
        if last < sessions - 1:
            notes.append(Note(dates[last], name, "delisted"))
        elif number % 7 == 1:
            position = Position(
                name, 40, float(close[-5]), dates[-5], True, 40, paid=40 * float(close[-5]), commission=1.0
            )
            still_open.append(position.at_price(float(close[-1])))
    costs = Costs(float(len(fills)), 0.5 * len(fills), 31.25, 4.5)
    benchmark = np.r_[np.full(20, np.nan), 50 * np.exp(np.cumsum(rng.normal(0.0003, 0.01, sessions - 20)))]
    result_curve = Curve(dates, equity, equity - long - short, long, short, benchmark)
    trades.sort(key=lambda trade: (trade.exit_date, trade.symbol))
    fills.sort(key=lambda fill: fill.date)
    orders = [
        Order(1, "S002", 5, dates[3], limit=9.5, status=Status.expired, ended=dates[4], end_reason="the day is <over>"),
        Order(2, "S003", 5, dates[3], status=Status.filled, ended=dates[4], filled=5, price=20),
    ]
    return Result(
        setup={
            "strategy": 'random <trades> & "noise"',
            "benchmark": "X&P",
            "symbols": names,
            "params": {"seed": 7, "nested": {"threshold": 0.5}, "stop": None},
            "commission": "0.1% min 1",
        },
        provenance={"sql": {"rsi": "1.2.0"}, "generation": 41, "python": "3.11"},
        curve=result_curve,
        closed_positions=trades,
        open_positions=still_open,
        transactions=fills,
        costs=costs,
        notes=notes,
        metrics=summary(result_curve, trades, fills, costs, still_open),
        error="the strategy raised ValueError: </script><b>&",
        history=History(holdings, [Excursion(-0.02, 0.03)] * len(trades), bars),
        orders=orders,
        ledger=ledger_of(fills),
    )
