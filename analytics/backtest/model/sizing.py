"""How many shares: helpers for strategies. All give whole shares, of prices and equity at the last close."""

from __future__ import annotations

import math
from collections.abc import Mapping

from stockstream.analytics.backtest.model.orders import Action
from stockstream.analytics.backtest.model.portfolio import Portfolio


def fixed_money(portfolio: Portfolio, symbol: str, money: float) -> int:
    """Give the shares that an amount of money buys."""
    return int(money / portfolio.price(symbol))


def percent_of_equity(portfolio: Portfolio, symbol: str, percent: float) -> int:
    """Give the shares that are worth so many per cent of the account's equity, as far as they can be paid for.

    A twentieth of the buying power is kept back, as the next session may open higher.
    """
    money = min(portfolio.equity * percent / 100, 0.95 * portfolio.buying_power)
    return max(int(money / portfolio.price(symbol)), 0)


def volatility_target(portfolio: Portfolio, symbol: str, volatility: float, target: float, most: float = 100) -> int:
    """Give the shares with which the position adds `target` to the account's volatility, both in per cent a year.

    `volatility` is the symbol's own, as `historical_volatility` gives it; `most` per cent of the equity are used.
    """
    share = min(target / volatility, most / 100) if volatility > 0 else 0.0
    return percent_of_equity(portfolio, symbol, 100 * share)


def rebalance(portfolio: Portfolio, weights: Mapping[str, float]) -> list[Action]:
    """Give the orders that turn the account into these weights, in per cent of equity; what is not named is closed."""
    equity = max(portfolio.equity, 0.0)
    actions = [Action.close(symbol=symbol) for symbol in sorted(portfolio.positions.keys() - weights.keys())]
    for symbol, percent in weights.items():
        wanted = math.trunc(equity * percent / 100 / portfolio.price(symbol))
        if change := wanted - portfolio.quantity(symbol):
            actions.append(Action.buy(change, symbol=symbol))
    return actions
