"""Position sizing for strategies, from the prices and the equity at the last close: whole shares, or fractions."""

from __future__ import annotations

from collections.abc import Mapping

from stockstream.analytics.backtest.model.actions import Action
from stockstream.analytics.backtest.model.portfolio import Portfolio


def fixed_money(portfolio: Portfolio, symbol: str, money: float) -> float:
    """Return the number of shares that an amount of money buys: a whole one, unless the account is `fractional`."""
    shares = money / portfolio.price(symbol)
    return shares if portfolio.is_fractional else int(shares)


def percent_of_equity(portfolio: Portfolio, symbol: str, percent: float) -> float:
    """Return the number of shares worth `percent` of the account's equity, limited by the buying power.

    At most 95 % of the buying power is used, because the next session may open higher. Never negative.
    """
    money = min(portfolio.equity * percent / 100, 0.95 * portfolio.buying_power)
    return max(fixed_money(portfolio, symbol, money), 0)


def volatility_target(
    portfolio: Portfolio,
    symbol: str,
    volatility: float,
    target: float,
    max_percent: float = 100,
    *,
    most: float | None = None,
) -> float:
    """Return the number of shares with which the position adds `target` to the account's volatility.

    Their value is equity × min(`target` ÷ `volatility`, `max_percent` ÷ 100), limited as in `percent_of_equity`.

    Args:
        portfolio: the account.
        symbol: the symbol to buy.
        volatility: the symbol's annual volatility in per cent, as the indicator `historical_volatility` returns it.
        target: the position's contribution to the account's annual volatility, in per cent.
        max_percent: maximum position, in per cent of the equity.
        most: former name of `max_percent`.
    """
    limit = max_percent if most is None else most
    share = min(target / volatility, limit / 100) if volatility > 0 else 0.0
    return percent_of_equity(portfolio, symbol, 100 * share)


def rebalance(portfolio: Portfolio, weights: Mapping[str, float]) -> list[Action]:
    """Return the market orders that bring the account to target weights.

    `weights` are in per cent of the equity per symbol, negative for short positions. Positions without a weight are
    closed. Orders that reduce a position are filled first; the others buy as many shares as the money is then enough
    for, costs included. A symbol that has not traded yet gets no shares, and a note in the result.
    """
    equity = max(portfolio.equity, 0.0)
    actions = [Action.close(symbol=symbol) for symbol in sorted(portfolio.positions.keys() - weights.keys())]
    for symbol, percent in weights.items():
        if symbol not in portfolio.prices:
            actions.append(Action.close(symbol=symbol))  # the broker notes that it has no price
            continue
        target = fixed_money(portfolio, symbol, equity * percent / 100)
        if portfolio.orders or target != portfolio.quantity(symbol):
            actions.append(Action.target(target, symbol=symbol))
    return actions
