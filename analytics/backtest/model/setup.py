"""What a backtest is told: one model for the command line, the configuration file, Python and the report."""

from __future__ import annotations

import math
from datetime import date
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from stockstream.analytics.backtest.model.costs import commission, slippage
from stockstream.sql.errors import UsageError


class Setup(BaseModel):
    """The settings of a backtest; money in the market's currency, rates a year, shares of one (0.05 is 5 %)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbols: tuple[str, ...] | None = Field(None, description="What may be traded; all that have bars if not named.")
    start: date | None = Field(None, description="First session; indicators know what was before.")
    end: date | None = Field(None, description="Last session.")
    initial_capital: float = Field(100_000.0, gt=0, description="Cash to begin with.")
    benchmark: str | None = Field(None, description="A symbol to compare with, dividends reinvested.")

    prices: Literal["as_traded", "adjusted"] = Field(
        "as_traded",
        description="as_traded: the prices of the day, splits and dividends credited to what is held; "
        "adjusted: prices in which they are reinvested.",
    )
    fill_at: Literal["open", "close", "vwap"] = Field(
        "open", description="Where in the next session a market order is filled; vwap: (high + low + close) / 3."
    )
    commission: str = Field("0.1%", description="0.1%, 0.1% min 6, 0.005/share min 1, or a broker: commsec, ibkr-us…")
    slippage: str = Field("none", description="5bps, 0.01/share, volume-share or none; of market and stop orders.")
    volume_limit: float | None = Field(
        None, gt=0, le=1, description="Largest share of a bar's volume; the rest is filled later."
    )
    leverage: float = Field(1.0, ge=1, description="Most exposure by equity; 1: cash never goes below zero.")
    allow_short: bool = Field(True, description="Whether shares may be sold that are not held.")
    maintenance: float = Field(
        0.25, ge=0, lt=1, description="Least equity by exposure, on margin or short; below it all is closed."
    )
    borrow_rate: float = Field(0.01, ge=0, description="Paid on the value of shares sold short.")
    interest_rate: float = Field(0.06, ge=0, description="Paid on negative cash.")
    at_end: Literal["hold", "close"] = Field(
        "hold", description="hold: open positions count at their last close; close: they are sold there."
    )
    risk_free_rate: float = Field(0.0, description="Of Sharpe, Sortino and alpha.")

    @field_validator("commission")
    @classmethod
    def _commission(cls, text: str) -> str:
        commission(text)
        return text

    @field_validator("slippage")
    @classmethod
    def _slippage(cls, text: str) -> str:
        slippage(text)
        return text

    @field_validator("initial_capital", "leverage", "borrow_rate", "interest_rate", "risk_free_rate")
    @classmethod
    def _finite(cls, value: float) -> float:
        if not math.isfinite(value):
            raise ValueError("must be a finite number")
        return value

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.start and self.end and self.end < self.start:
            raise UsageError(f"the range ends ({self.end}) before it starts ({self.start})")
        if self.symbols is not None and not self.symbols:
            raise UsageError("symbols: name one, or leave it out for all that have bars")
        return self

    @classmethod
    def of(cls, **given: Any) -> Setup:
        """Check settings.

        Raises:
            UsageError: one is unknown or out of its range.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'setup'}: {e['msg']}" for e in error.errors())
            raise UsageError(wrong) from None
