"""The paper accounts: a list, and one with its equity, positions, fills, orders, and what a backtest would have now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from stockstream.analytics.paper.overview import NOTICE, AccountDetail, texts_of
from stockstream.analytics.serving import paper
from stockstream.analytics.serving.generations import Generations, Served

SHOWN = 20
"""Rows of a list; the API has all of them."""
BENCHMARK = """
    SELECT date, close / first_value(close) OVER (ORDER BY date) * $capital AS value FROM bars_adjusted
    WHERE symbol = $symbol AND date >= $start AND close IS NOT NULL ORDER BY date
"""
Content = Callable[[Served, Request], dict[str, Any]]


def list_of(generations: Generations) -> Content:
    """Return the function that returns what the list shows."""

    def content(served: Served, request: Request) -> dict[str, Any]:
        return {"accounts": paper.accounts(generations.lake).accounts, "notice": NOTICE}

    return content


def account_of(generations: Generations) -> Content:
    """Return the function that returns what the page of an account shows."""

    def content(served: Served, request: Request) -> dict[str, Any]:
        account = paper.account(generations.lake, request.path_params["name"])
        benchmark = _benchmark(served, account)
        backtest = account.backtest or [None] * len(account.dates)
        capital = account.summary.initial_capital or 0.0
        before = [capital, *account.equity[:-1]][: len(account.dates)]
        changes = [100 * (now / old - 1) if old else None for old, now in zip(before, account.equity, strict=True)]
        sessions = [
            {"date": day, "equity": equity, "change": change, "backtest": now, "benchmark": benchmark.get(day)}
            for day, equity, change, now in zip(account.dates, account.equity, changes, backtest, strict=True)
        ]
        return {
            "account": account,
            "summary": account.summary,
            "params": texts_of(account.summary.params),
            "settings": {name: value for name, value in account.settings.items() if value not in (None, {}, [])},
            "benchmark": account.settings.get("benchmark"),
            "sessions": sessions[: -SHOWN - 1 : -1],
            "lines": {
                "dates": [str(row["date"]) for row in sessions],
                "Account": account.equity,
                **({"Backtest now": account.backtest} if account.backtest else {}),
                **({account.settings["benchmark"]: [row["benchmark"] for row in sessions]} if benchmark else {}),
            },
            "fills": account.all_fills[: -SHOWN - 1 : -1],
            "shown": SHOWN,
        }

    return content


def _benchmark(served: Served, account: AccountDetail) -> dict[Any, float]:
    """Return the value of the initial capital in the benchmark, dividends reinvested, per day; empty without one."""
    symbol = account.settings.get("benchmark")
    if symbol is None or not account.dates:
        return {}
    values = {"symbol": symbol, "capital": account.summary.initial_capital, "start": account.dates[0]}
    return dict(served.cursor.execute(BENCHMARK, values).fetchall())
