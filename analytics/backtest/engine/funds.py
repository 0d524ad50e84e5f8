"""Whether the account can pay for a fill."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable

from stockstream.analytics.backtest.engine.books import Books
from stockstream.analytics.backtest.model import Portfolio, Setup

ROUNDING = 1 + 1e-9
"""Tolerance of comparisons of money sums in floating point."""

STEPS = 1_000_000
"""Steps in which an order in a fractional account is reduced."""


class Funds:
    """The limits of an account: its cash, and the exposure that its equity allows."""

    def __init__(self, portfolio: Portfolio, setup: Setup, books: Books) -> None:
        self._portfolio = portfolio
        self._setup = setup
        self._books = books

    def refusal(self, symbol: str, quantity: float, price: float, fee: float) -> str | None:
        """Return why a fill is rejected, or None.

        A fill that only reduces a position is allowed, unless its commission takes a cash account below zero.
        """
        portfolio, setup = self._portfolio, self._setup
        position = portfolio.positions.get(symbol)
        before = 0 if position is None else position.quantity
        after = before + quantity
        is_cash_account = setup.leverage == 1 and not self._books.shorts
        if before * quantity < 0 and before * after >= 0:
            cost = quantity * price + fee
            if is_cash_account and cost > 0 and cost > portfolio.cash * ROUNDING:
                return (
                    f"its commission is {fee:,.2f}, for a value of {-quantity * price:,.2f} and cash of "
                    f"{portfolio.cash:,.2f}"
                )
            return None
        if after < 0 and not setup.allow_short:
            return "selling short is not allowed"
        if is_cash_account and after > 0:
            cost = quantity * price + fee
            if cost <= portfolio.cash * ROUNDING:
                return None
            return f"it costs {cost:,.2f}, and there is {portfolio.cash:,.2f}"
        close = portfolio.prices[symbol]
        equity = portfolio.equity + before * (price - close) - fee
        exposure = portfolio.exposure - abs(before) * close + abs(after) * price
        if exposure <= setup.leverage * equity * ROUNDING:
            return None
        return f"exposure would be {exposure:,.2f}, and {setup.leverage:g} x equity is {setup.leverage * equity:,.2f}"

    def affordable(
        self, symbol: str, quantity: float, price: float, ratio: float, commission: Callable[[float, float], float]
    ) -> float:
        """Return the largest number of shares, up to `quantity`, that the account can pay for; negative to sell.

        It is a whole number, or in a fractional account a multiple of a millionth of the quantity. `ratio` is the
        number of shares of the day per share, for the commission. The slippage of the whole quantity is in `price`, so
        that the result is never too large.
        """
        side = math.copysign(1, quantity)
        if self._setup.fractional:
            side *= abs(quantity) / STEPS

        def is_refused(shares: int) -> bool:
            fee = commission(abs(side) * shares * ratio, price / ratio)
            return self.refusal(symbol, side * shares, price, fee) is not None

        shares = range(1, STEPS if self._setup.fractional else math.ceil(abs(quantity)))
        return side * bisect_left(shares, True, key=is_refused)
